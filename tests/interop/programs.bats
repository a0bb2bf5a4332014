#!/usr/bin/env bats
# With programs that nobody here wrote: Node's net module, nc and socat, as
# clients of our servers and as servers of our clients.
#

# Names that lib/stage sets.
# shellcheck disable=SC2153

load ../lib/stage

setup()
{
    stage_setup
    INTEROP=$TESTS_DIR/interop
    FILE=$BATS_TEST_TMPDIR/file
    head -c 2000001 /dev/urandom >"$FILE"
}

teardown()
{
    stage_teardown
}

# node_clients COUNT BYTES HALF_OPEN: Node's clients, all at once.
node_clients()
{
    start node node "$INTEROP/echo-clients.js" "$@" localhost "$PORT"
    ends_well node "a byte is lost, or the FIN does not come"
}

# sends_file COMMAND…: the program sends FILE, and gets FILE back.
sends_file()
{
    STDIN=$FILE start other "$@"
    ends_well other "the echo is not whole, or has no end"
    is_back other
}

# client_of_node MODE: the client sends FILE to a server written with Node.
client_of_node()
{
    need node
    SERVER_CMD=(node "$INTEROP/echo-server.js" "$1")
    server_start
    sends_file "${CLIENT_CMD[@]}" localhost "$PORT"
}

# ends_well NAME CAUSE: waits for what was started last; it should exit 0.
ends_well()
{
    if wait_for_exit "$LAST_PID" "$PATIENCE" && [ "$STATUS" -eq 0 ]; then
        return
    fi
    fail_because echo "$1 ends, with exit status 0" \
        "${STATUS:-no end}: $(tail -n 3 "$BATS_TEST_TMPDIR/$1.err")" "$2"
}

# is_back NAME: fails unless NAME's stdout is what FILE is.
is_back()
{
    local diff

    diff=$(cmp "$FILE" "$BATS_TEST_TMPDIR/$1.out" 2>&1) && return
    fail_because short-write "$(wc -c <"$FILE") bytes, the same that were sent" \
        "$(wc -c <"$BATS_TEST_TMPDIR/$1.out") bytes: $diff" \
        "a short read's or write's rest is lost"
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
    sends_file nc -N localhost "$PORT"
}

@test "server: socat as client" {
    need socat
    server_start
    sends_file socat -t 30 - "TCP:localhost:$PORT"
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
    SERVER_CMD=(node "$INTEROP/echo-server.js" pipe)
    server_start
    for i in {1..20}; do
        STDIN=$FILE start "client$i" "${CLIENT_CMD[@]}" localhost "$PORT"
        pids+=("$LAST_PID")
    done
    for i in {1..20}; do
        LAST_PID=${pids[i - 1]}
        ends_well "client$i" "the echo is not whole, or has no end"
        is_back "client$i"
    done
}

@test "client: socat and cat as server" {
    need socat
    # 127.0.0.1 and no name: socat takes a port of the kernel's choice.
    start socat socat -t 30 -d -d TCP-LISTEN:0,bind=127.0.0.1,fork EXEC:cat
    wait_until 10 grep -q 'listening on' "$BATS_TEST_TMPDIR/socat.err"
    PORT=$(sed -n 's/.*listening on .*:\([0-9]*\)$/\1/p' \
        "$BATS_TEST_TMPDIR/socat.err")
    sends_file "${CLIENT_CMD[@]}" 127.0.0.1 "$PORT"
}
