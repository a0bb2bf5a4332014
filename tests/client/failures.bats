#!/usr/bin/env bats
# What a client promises about errors: it exits with 1 and says why, also when
# the server sends back less than it got, or more.

# Names that lib/stage sets, scripts for other shells.
# shellcheck disable=SC2153,SC2016

load client

setup_file()
{
    random_file 4000000
}

setup()
{
    client_setup
}

teardown()
{
    stage_teardown
}

# dies_while_idle: the client has been answered, then its server dies.
dies_while_idle()
{
    server_start
    talk_start
    say hello
    assert_hears hello
    server_dies
    if [[ $LIKE == 01* ]]; then
        # In lockstep the client reads only stdin: it notices at the next line.
        say 'anybody there?'
    fi
}

@test "client: the server dies while stdin is idle: exit 1 at once" {
    dies_while_idle
    assert_client_exits 1 "it waits for stdin alone" $((2 * SLOWER))
    assert_flags_kept "after a failure"
    stage_allows one_at_a_time || assert_client_says "Connected to server" \
        "server: not everything came back" "Disconnected from server"
}

@test "client: it ends with the server, even if SIGTERM is ignored" {
    env --ignore-signal=TERM true 2>/dev/null ||
        skip "env has no --ignore-signal here"
    CLIENT_CMD=(env --ignore-signal=TERM "${CLIENT_CMD[@]}")
    dies_while_idle
    assert_client_exits 1 \
        "one of its processes waits for another, which the signal doesn't end"
}

@test "client: the server closes at once, stdin open: exit 1" {
    not_lockstep "it reads stdin first"
    bad_server truncate=0
    talk_start
    assert_client_fails "server: not everything came back"
}

@test "client: the server is reset in mid-transfer: exit 1" {
    local reason='Connection reset by peer|Broken pipe'

    # The kernel reports it once. If it's the sender that hears it, the receiver
    # finds the end, and may end the sender before that has said why, or in the
    # middle of the line.
    ! stage_allows process_each || reason+='|not everything came back'
    bad_server reset=1000000
    client_start /dev/zero
    assert_client_exits 1 \
        "it ignores a failed read or write on the socket"
    [ -n "${CLIENT:-}" ] || grep -qE "server: ($reason)$" "$CLIENT_ERR" ||
        client_failed_because "server: Connection reset by peer" \
            "$(cat "$CLIENT_ERR")" "another call is named, or another reason"
}

@test "client: the server resets when all has come back: exit 1" {
    bad_server reset=6
    printf 'hello\n' >"$BATS_TEST_TMPDIR/hello"
    client_start "$BATS_TEST_TMPDIR/hello"
    assert_client_fails "server: Connection reset by peer"
    assert_came_back "$BATS_TEST_TMPDIR/hello"
}

@test "client: the server is killed in mid-transfer: exit 1" {
    server_start
    STDIN=/dev/zero client_run sh -c 'exec "$@" >/dev/null' sh \
        "${CLIENT_CMD[@]}" localhost "$PORT"
    wait_until 5 connected
    nap # so that some of it comes back
    server_dies
    assert_client_exits 1 "it takes the end of the echo for success"
}

@test "client: the server swallows the last byte: exit 1" {
    bad_server truncate=5
    printf 'hello\n' >"$BATS_TEST_TMPDIR/hello"
    client_start "$BATS_TEST_TMPDIR/hello"
    assert_client_exits 1 "it doesn't count what came back"
    assert_client_says "Connected to server" \
        "server: not everything came back" "Disconnected from server"
    [ "$(cat "$CLIENT_OUT")" = hello ]
}

@test "client: the server ends the echo in the middle of a file: exit 1" {
    bad_server truncate=100000
    client_start "$BATS_FILE_TMPDIR/random"
    assert_client_exits 1 "it takes the server's FIN for success"
    assert_client_says "Connected to server" \
        "server: not everything came back" "Disconnected from server"
    file_of 100000
    assert_came_back "$FILE"
}

# sends_too_much MODE: starts a server that sends more than it gets. The client
# says so, whether it has sent a line or more than a buffer.
sends_too_much()
{
    local size

    for size in 6 100000; do
        bad_server "$1"
        file_of "$size"
        client_start "$FILE"
        assert_client_exits 1 \
            "it checks the count for too little, but not for too much"
        assert_client_says "Connected to server" \
            "server: more came back than was sent" "Disconnected from server"
        server_kill
    done
}

@test "client: the server says each thing twice: exit 1, more came back" {
    sends_too_much twice
}

@test "client: the server greets before it echoes: exit 1, more came back" {
    sends_too_much greeting
}

@test "client: the server adds a byte at the end: exit 1, more came back" {
    sends_too_much extra
}

@test "client: a full disk: not 0, the reason, no hang" {
    [ -w /dev/full ] || skip "needs /dev/full"
    server_start
    STDIN=$BATS_FILE_TMPDIR/random client_run sh -c 'exec "$@" >/dev/full' sh \
        "${CLIENT_CMD[@]}" localhost "$PORT"
    assert_client_exits failure "the result of write to stdout isn't checked"
    assert_client_says "Connected to server" \
        "stdout: No space left on device" "Disconnected from server"
}

@test "client: a full disk is seen with a single byte, too" {
    [ -w /dev/full ] || skip "needs /dev/full"
    server_start
    printf x >"$BATS_TEST_TMPDIR/byte"
    STDIN=$BATS_TEST_TMPDIR/byte client_run \
        sh -c 'exec "$@" >/dev/full' sh "${CLIENT_CMD[@]}" localhost "$PORT"
    assert_client_exits failure \
        "the result of write to stdout isn't checked, or only at exit"
}

@test "client: stdout's reader leaves: not 0, the reason, no hang" {
    server_start
    STDIN=/dev/zero client_run bash -c '"$@" | head -c 1 >/dev/null
        exit "${PIPESTATUS[0]}"' bash "${CLIENT_CMD[@]}" localhost "$PORT"
    assert_client_exits failure \
        "SIGPIPE ends it silently, or EPIPE isn't handled"
    assert_client_says "Connected to server" "stdout: Broken pipe" \
        "Disconnected from server"
}

@test "client: stdin is a directory: exit 1 and the reason" {
    ours_only
    server_start
    client_start /
    assert_client_exits 1 "it takes a failed read of stdin for EOF"
    grep -qx 'stdin: Is a directory' "$CLIENT_ERR" ||
        client_failed_because "stdin: Is a directory" "$(cat "$CLIENT_ERR")" \
            "another call is named, or another reason"
    [ ! -s "$CLIENT_OUT" ]
}

@test "client: nothing listening: exit 1 and the reason" {
    bad_server refuse
    client_start
    assert_client_exits 1 "the result of connect isn't checked"
    ! grep -qE '^(Connected|Disconnected)' "$CLIENT_ERR" ||
        client_failed_because "not a word of a connection" \
            "$(cat "$CLIENT_ERR")" \
            "said before connect has succeeded"
}

@test "client: a host that does not resolve: exit 1 and the reason" {
    # A name with an empty label is invalid, so no name server is asked.
    client_run "${CLIENT_CMD[@]}" no..host
    assert_client_exits 1 "the result of getaddrinfo isn't checked"
    # The C library chooses the words. 06's callback doesn't know the host.
    [ -n "${CLIENT:-}" ] ||
        grep -qE '^(no\.\.host|server): .*[Nn]ame' "$CLIENT_ERR" ||
        client_failed_because "no..host: and why" "$(cat "$CLIENT_ERR")" \
            "the error of getaddrinfo is not the one of errno"
}
