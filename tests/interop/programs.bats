#!/usr/bin/env bats
# programs -- our servers and clients with Node's net module, nc and socat, as
# clients of our servers and as servers for our clients

# Names that lib/stage sets.
# shellcheck disable=SC2153

load ../lib/stage

setup_file()
{
    head -c 2000001 /dev/urandom >"$BATS_FILE_TMPDIR/file"
}

setup()
{
    stage_setup
    INTEROP=$TESTS_DIR/interop
    FILE=$BATS_FILE_TMPDIR/file
}

teardown()
{
    stage_teardown
}

# node_clients COUNT BYTES HALF_OPEN: runs COUNT clients of Node's, all at once.
node_clients()
{
    start node node "$INTEROP/echo-clients.js" "$@" localhost "$PORT"
    assert_ends node "a byte is lost, or FIN doesn't come"
}

# assert_gets_back COMMAND…: the program sends FILE, and gets FILE back.
assert_gets_back()
{
    STDIN=$FILE start other "$@"
    assert_ends other "the echo isn't complete, or FIN doesn't come"
    assert_is_back other
}

# client_of_node MODE: the client sends FILE to a server written with Node.
client_of_node()
{
    need node
    SERVER_CMD=(node "$INTEROP/echo-server.js" "$1")
    server_start
    assert_gets_back "${CLIENT_CMD[@]}" localhost "$PORT"
}

# assert_ends NAME CAUSE: waits for what was started last; it should exit 0.
assert_ends()
{
    if wait_for_exit "$LAST_PID" "$PATIENCE" && [ "$STATUS" -eq 0 ]; then
        return
    fi
    fail_because echo "$1 ends, with exit status 0" \
        "${STATUS:-no end}: $(tail -n 3 "$BATS_TEST_TMPDIR/$1.err")" "$2"
}

# assert_is_back NAME: fails unless NAME's stdout is the same as FILE.
assert_is_back()
{
    local diff

    diff=$(cmp "$FILE" "$BATS_TEST_TMPDIR/$1.out" 2>&1) && return
    fail_because short-write \
        "$(wc -c <"$FILE") bytes, the ones that were sent" \
        "$(wc -c <"$BATS_TEST_TMPDIR/$1.out") bytes: $diff" \
        "the rest of a short read or a short write is lost"
}

@test "server: a client of Node's net module" {
    need node
    server_start
    node_clients 1 3000000 false
}

@test "server: a client of Node's with allowHalfOpen" {
    need node
    server_start
    node_clients 1 3000000 true
}

@test "server: 20 clients of Node's at once" {
    need node
    server_start
    node_clients 20 300000 false
}

@test "server: nc as client" {
    need nc
    # Only OpenBSD's nc can shut down its side at the end of stdin.
    nc -h 2>&1 | grep -q -e -N || skip "this nc has no -N"
    server_start
    assert_gets_back nc -N localhost "$PORT"
}

@test "server: socat as client" {
    need socat
    # socat tries only one address of a name, which may be the wrong one.
    LISTEN_HOST=127.0.0.1 server_start
    assert_gets_back socat -t 30 - "TCP:127.0.0.1:$PORT"
}

@test "client: a server of Node's that pipes" {
    client_of_node pipe
}

@test "client: a server of Node's with allowHalfOpen" {
    client_of_node half-open
}

@test "client: the plain example of Node's" {
    client_of_node plain
}

@test "client: 20 clients at once, and a server of Node's" {
    local i pids=()

    need node
    head -c 300001 "$FILE" >"$BATS_TEST_TMPDIR/small"
    FILE=$BATS_TEST_TMPDIR/small
    SERVER_CMD=(node "$INTEROP/echo-server.js" pipe)
    server_start
    for i in {1..20}; do
        STDIN=$FILE start "client$i" "${CLIENT_CMD[@]}" localhost "$PORT"
        pids+=("$LAST_PID")
    done
    for i in {1..20}; do
        LAST_PID=${pids[i - 1]}
        assert_ends "client$i" "the echo isn't complete, or FIN doesn't come"
        assert_is_back "client$i"
    done
}

@test "client: socat and cat as server" {
    need socat
    # 127.0.0.1 and no name: socat takes a port of the kernel's choice.
    start socat socat -t 30 -d -d TCP-LISTEN:0,bind=127.0.0.1,fork EXEC:cat
    wait_until 10 grep -q 'listening on' "$BATS_TEST_TMPDIR/socat.err"
    PORT=$(sed -n 's/.*listening on .*:\([0-9]*\)$/\1/p' \
        "$BATS_TEST_TMPDIR/socat.err")
    assert_gets_back "${CLIENT_CMD[@]}" 127.0.0.1 "$PORT"
}
