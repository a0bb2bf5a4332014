#!/usr/bin/env bats
# args -- the client's arguments, their defaults, and the addresses of a host

# Names that lib/stage sets.
# shellcheck disable=SC2153

load client

setup()
{
    client_setup
}

teardown()
{
    stage_teardown
}

# assert_usage NAME PID ARGUMENTS: that client has ended with 2, and with the
# usage on stderr, nothing on stdout.
assert_usage()
{
    CLIENT_PID=$2
    CLIENT_ERR=$BATS_TEST_TMPDIR/$1.err
    assert_client_exits 2 "client $3 was not refused"
    [ ! -s "$BATS_TEST_TMPDIR/$1.out" ] ||
        client_failed_because "nothing on stdout" \
            "$(cat "$BATS_TEST_TMPDIR/$1.out")" "an error is no output"
    [ -n "${CLIENT:-}" ] || grep -q '^usage: client .*PORT from 0 to 65535$' \
        "$CLIENT_ERR" ||
        client_failed_because "the usage, with what PORT may be" \
            "$(cat "$CLIENT_ERR")" "it ends rightly, but does not say why"
}

@test "client: a bad port or too many arguments: exit 2 and the reason" {
    local port pids=() i=0

    for port in 65536 70000 4294967376 -1 +80 ' 80' '80 ' 80x x '' 0x50 :; do
        start "client$i" "${CLIENT_CMD[@]}" localhost "$port"
        pids+=("$LAST_PID:localhost '$port'")
        i=$((i + 1))
    done
    start "client$i" "${CLIENT_CMD[@]}" localhost 80 80
    pids+=("$LAST_PID:localhost 80 80")
    i=0
    for port in "${pids[@]}"; do
        assert_usage "client$i" "${port%%:*}" "${port#*:}"
        i=$((i + 1))
    done
}

@test "client: ports 0 and 65535 are ports: exit 1, as nobody answers" {
    local port

    take_turns
    ! (exec 8<>/dev/tcp/127.0.0.1/65535) 2>/dev/null ||
        skip "port 65535 is in use"
    for port in 0 65535; do
        client_run "${CLIENT_CMD[@]}" 127.0.0.1 "$port"
        assert_client_exits 1 "the check of the port's range is off by one"
    done
}

@test "client: 06: -h tells the usage on stdout, exit 0; -x is refused" {
    [[ $LIKE == 06* ]] || not_for "it has no options"
    ours_only
    client_run "${CLIENT_CMD[@]}" -h
    assert_client_exits 0 "a request for help isn't an error"
    grep -q '^usage: client \[-h\] ' "$CLIENT_OUT"
    [ ! -s "$CLIENT_ERR" ]
    start other "${CLIENT_CMD[@]}" -x
    assert_usage other "$LAST_PID" -x
}

@test "client: HOST is localhost and PORT 8000 if none is given" {
    local arguments

    take_turns
    LISTEN_PORT=8000 server_launch
    wait_until 10 server_announced_or_ended
    server_announced || skip "port 8000 is in use"
    for arguments in '' localhost; do
        # shellcheck disable=SC2086 # none, or one
        STDIN=$TESTS_DIR/run client_run "${CLIENT_CMD[@]}" $arguments
        assert_client_exits 0 "its defaults aren't localhost and 8000"
        assert_came_back "$TESTS_DIR/run"
    done
    server_dies
}

@test "client: HOST may be an IPv6 address" {
    LISTEN_HOST=::1 server_launch
    wait_until 10 server_announced_or_ended
    server_announced || skip "no IPv6 here"
    PORT=${SERVER_LINE##*:}
    STDIN=$TESTS_DIR/run client_run "${CLIENT_CMD[@]}" ::1 "$PORT"
    assert_client_exits 0 "the socket's family isn't that of the address"
    assert_came_back "$TESTS_DIR/run"
}

@test "client: every address of a host is tried" {
    local address map=--map-root-user

    # A name with two addresses, in a hosts file of this test's own.
    need unshare
    [ "$EUID" -ne 0 ] || map= # root has no need of a user namespace
    printf '127.0.0.2 two.test\n127.0.0.1 two.test\n' \
        >"$BATS_TEST_TMPDIR/hosts"
    printf 'multi on\n' >"$BATS_TEST_TMPDIR/host.conf"
    cat >"$BATS_TEST_TMPDIR/with-hosts" <<'SCRIPT'
dir=$1
shift
mount --bind "$dir/hosts" /etc/hosts || exit 1
mount --bind "$dir/host.conf" /etc/host.conf || exit 1
exec "$@"
SCRIPT
    local with_hosts=(unshare ${map:+"$map"} --mount
        sh "$BATS_TEST_TMPDIR/with-hosts" "$BATS_TEST_TMPDIR")
    run "${with_hosts[@]}" getent ahosts two.test
    [[ $output == *127.0.0.1* && $output == *127.0.0.2* ]] ||
        skip "needs a hosts file of its own, which isn't possible here"

    # On one of the two the first attempt is refused.
    printf 'hello\n' >"$BATS_TEST_TMPDIR/hello"
    for address in 127.0.0.1 127.0.0.2; do
        LISTEN_HOST=$address server_start
        STDIN=$BATS_TEST_TMPDIR/hello client_run \
            "${with_hosts[@]}" "${CLIENT_CMD[@]}" two.test "$PORT"
        assert_client_exits 0 "it gives up after the first address"
        assert_client_says "Connected to server" "Disconnected from server"
        assert_came_back "$BATS_TEST_TMPDIR/hello"
    done
    # On both it is refused.
    server_dies
    client_run "${with_hosts[@]}" "${CLIENT_CMD[@]}" two.test "$PORT"
    assert_client_exits 1 "it continues without an address after the last one"
    grep -qi 'refused' "$CLIENT_ERR" ||
        client_failed_because "Connection refused" "$(cat "$CLIENT_ERR")" \
            "the error of another call, or none"
}
