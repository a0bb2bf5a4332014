# args -- the server's arguments, its start and its end

load ../lib/stage
setup() { stage_setup; }
teardown() { stage_teardown; }

# assert_refused STATUS ARGS…: the server ends with that status, a line on
# stderr that says why, and nothing on stdout.
assert_refused()
{
    local status=$1 most=1

    shift
    start refused "${SERVER_CMD[@]}" "$@"
    SERVER_ERR=$BATS_TEST_TMPDIR/refused.err
    if ! wait_for_exit "$LAST_PID"; then
        fail_because args "exit $status for: $*" \
            "it runs: $(cat "$BATS_TEST_TMPDIR/refused.out")" \
            "the argument isn't checked"
        return 1
    fi
    if [ "$STATUS" -ne "$status" ]; then
        fail_because args "exit $status for: $*" "exit $STATUS" \
            "2 is for arguments that can't be right, 1 for everything else"
        return 1
    fi
    if [ ! -s "$SERVER_ERR" ] || [ -s "$BATS_TEST_TMPDIR/refused.out" ]; then
        fail_because args "a reason on stderr, nothing on stdout, for: $*" \
            "$(wc -l <"$SERVER_ERR") and $(wc -l \
                <"$BATS_TEST_TMPDIR/refused.out") lines" \
            "the reason is printed to the wrong stream, or not at all"
        return 1
    fi
    # 06 has options, so it also prints its usage.
    [[ $LIKE != 06* ]] || most=2
    if [ -z "${SERVER:-}" ] && [ "$(wc -l <"$SERVER_ERR")" -gt "$most" ]; then
        fail_because args "a line on stderr for: $*" "$(cat "$SERVER_ERR")" \
            "the server continues after an error, or logs it twice"
        return 1
    fi
}

# assert_echoes_on ADDRESS: the server echoes on $PORT of that address.
assert_echoes_on()
{
    "$TOOLS/peer" "$1" "$PORT" -t "$PATIENCE" echo:1000 fin end ||
        fail_because addresses "an echo on $1" "none" \
            "it listens on another address, or on another port than it \
announces"
}

# assert_nobody_on ADDRESS: no server listens on $PORT of that address.
assert_nobody_on()
{
    ! "$TOOLS/peer" "$1" "$PORT" -t 1 echo:1 fin end 2>/dev/null ||
        fail_because addresses "no server on $1" "an echo" \
            "it listens on every address, whatever HOST is"
}

# assert_announced LINE: the server has printed just this line on stdout.
assert_announced()
{
    [ "$(cat "$SERVER_OUT")" = "$1" ] ||
        fail_because announce "on stdout: $1" "$(cat "$SERVER_OUT")" \
            "it doesn't announce the host and port that it was given"
}

# listens_or_ends: waits until the server has said where it listens, or has
# ended because another program has its port.
listens_or_ends()
{
    wait_until 10 server_announced_or_ended
    alive "$SERVER_PID" || wait_for_exit "$SERVER_PID"
}

# server_default [HOST]: starts the server without a port, which is 8000 then.
server_default()
{
    start "default$#" "${SERVER_CMD[@]}" "$@"
    SERVER_PID=$LAST_PID
    SERVER_OUT=$BATS_TEST_TMPDIR/default$#.out
    SERVER_ERR=$BATS_TEST_TMPDIR/default$#.err
    listens_or_ends
}

# port_taken: true if the server has ended because another program has its port.
port_taken()
{
    grep -qiE 'in use|EADDRINUSE' "$SERVER_ERR"
}

@test "a port that is no number from 0 to 65535 is refused, with exit 2" {
    local port

    for port in 65536 70000 4294967376 18446744073709551696 -1 +80 ' 80' \
        '80 ' 80x x '' 0x50 1e3 8.0 http; do
        assert_refused 2 localhost "$port"
    done
}

@test "every port up to 65535 is taken, and is the one announced" {
    local port

    take_turns
    # Most systems have a name for the second: http-alt.
    for port in 65535 8080 059999; do
        LISTEN_PORT=$port server_launch
        listens_or_ends
        if ! port_taken; then
            assert_announced "Server is listening on localhost:${port#0}"
            server_kill
        fi
    done
}

@test "too many arguments are refused, with exit 2" {
    assert_refused 2 localhost 0 more
    [ -n "${SERVER:-}" ] || assert_logged '^usage: server ' \
        "no usage line says how to call it"
}

@test "a name that does not resolve is refused, with exit 1, and named" {
    assert_refused 1 no..host 0
    [ -n "${SERVER:-}" ] || grep -q '^no\.\.host: ' "$SERVER_ERR" ||
        fail_because addresses "no..host: and why" "$(cat "$SERVER_ERR")" \
            "the message doesn't name the host that couldn't be resolved"
}

@test "an address that is not this machine's is refused: exit 1, and bind" {
    # No machine has an address in 192.0.2.0/24, which is for examples (RFC
    # 5737).
    assert_refused 1 192.0.2.99 0
    [ -n "${SERVER:-}" ] || grep -q '^bind: ' "$SERVER_ERR" ||
        fail_because addresses "bind: and why" "$(cat "$SERVER_ERR")" \
            "the message doesn't name the call that failed"
}

@test "a port that another server has is refused, with exit 1 and why" {
    server_start
    server_warm_up
    assert_refused 1 localhost "$PORT"
    grep -qiE 'in use|EADDRINUSE' "$SERVER_ERR" ||
        fail_because addresses \
            "the reason: address in use" "$(cat "$SERVER_ERR")" \
            "another call changed errno before it was printed"
    assert_server_healthy
}

@test "an address that it may not have is refused, with exit 1 and why" {
    need_tracing
    # A sanitizer can't look for leaks under strace.
    SERVER_CMD=(env "ASAN_OPTIONS=${ASAN_OPTIONS:-}:detect_leaks=0"
        strace -D -f -qq -o "$BATS_TEST_TMPDIR/strace" -e trace=bind
        -e inject=bind:error=EACCES "${SERVER_CMD[@]}")
    assert_refused 1 localhost 0
    grep -qiE 'permission denied|EACCES' "$SERVER_ERR" ||
        fail_because addresses \
            "the reason: permission denied" "$(cat "$SERVER_ERR")" \
            "another call changed errno before it was printed"
}

@test "HOST * is every address of this machine, and announced as it is" {
    [ -z "${SERVER:-}" ] || not_for "* is a word of glibc's getaddrinfo"
    getconf GNU_LIBC_VERSION >/dev/null 2>&1 ||
        skip "* is a word of glibc's getaddrinfo"
    LISTEN_HOST='*' server_start
    assert_announced "Server is listening on *:$PORT"
    assert_echoes_on 127.0.0.1
    assert_echoes_on 127.0.0.2 ||
        fail_because addresses "an echo on 127.0.0.2 as well" "none" \
            "without AI_PASSIVE, getaddrinfo returns the loopback address only"
}

@test "listens on the address that it is given, and on no other" {
    LISTEN_HOST=127.0.0.1 server_start
    assert_announced "Server is listening on 127.0.0.1:$PORT"
    assert_echoes_on 127.0.0.1
    assert_nobody_on 127.0.0.2
    has_ipv6 || return 0
    assert_nobody_on ::1
    server_kill
    LISTEN_HOST=::1 server_start
    assert_announced "Server is listening on ::1:$PORT"
    assert_echoes_on ::1
    assert_nobody_on 127.0.0.1
}

@test "without arguments it is localhost 8000, without a port 8000" {
    take_turns
    server_default
    port_taken || assert_announced "Server is listening on localhost:8000"
    kill -KILL "$SERVER_PID" 2>/dev/null || true
    wait_until 5 not alive "$SERVER_PID"
    server_default 127.0.0.1
    port_taken || assert_announced "Server is listening on 127.0.0.1:8000"
}

@test "starts again at once on its port, though a client was connected" {
    server_start
    peer_start peers echo:10 wait close
    peer_wait peers '1 waiting*'
    server_kill
    LISTEN_PORT=$PORT server_start
    peer_continue peers
    assert_peer_succeeds peers
    server_warm_up
    assert_server_healthy
}

@test "ends on SIGTERM, by the default action (06: gracefully), port free" {
    local status=143

    server_start
    server_warm_up
    kill -TERM "$SERVER_PID"
    wait_for_exit "$SERVER_PID" ||
        fail_because end "it ends on SIGTERM" "it runs on" \
            "the signal is ignored, its handler only sets a flag, or an open \
connection keeps the loop alive"
    case $LIKE in
        06*) status=0 ;;
    esac
    [ "$STATUS" -eq "$status" ] ||
        { [ -n "${SERVER:-}" ] && [ "$STATUS" -eq 0 ]; } ||
        fail_because end "status $status" "status $STATUS" \
            "128 + 15 is the default action's status, 0 a graceful shutdown's"
    LISTEN_PORT=$PORT server_start
    assert_echoes echo:1000 fin end
}

@test "ends on Ctrl-C (SIGINT) and when its terminal is gone (SIGHUP)" {
    local signal status

    [[ $LIKE != 06* ]] || not_for "it has handlers, which 06-shutdown.bats tests"
    for signal in INT HUP; do
        server_start
        kill -s "$signal" "$SERVER_PID"
        wait_for_exit "$SERVER_PID" ||
            fail_because end "it ends on SIG$signal" "it runs on" \
                "the signal is ignored, or blocked"
        status=$((128 + $(kill -l "$signal")))
        [ -n "${SERVER:-}" ] || [ "$STATUS" -eq "$status" ] ||
            fail_because end "status $status" "status $STATUS" \
                "the signal has a handler, or is blocked"
    done
}
