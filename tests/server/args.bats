# args -- the server's arguments, its start and its end

load ../lib/stage
setup() { stage_setup; }
teardown() { stage_teardown; }

# assert_refused STATUS ARGS…: the server ends with that status, a reason on stderr
# and nothing on stdout.
assert_refused()
{
    local status=$1

    shift
    start refused "${SERVER_CMD[@]}" "$@"
    SERVER_ERR=$BATS_TEST_TMPDIR/refused.err
    if ! wait_for_exit "$LAST_PID" 30; then
        fail_because args "exit $status for: $*" \
            "it runs: $(cat "$BATS_TEST_TMPDIR/refused.out")" \
            "the argument is not checked"
        return 1
    fi
    if [ "$STATUS" -ne "$status" ]; then
        fail_because args "exit $status for: $*" "exit $STATUS" \
            "2 is for arguments that cannot be right, 1 for all else"
        return 1
    fi
    if [ ! -s "$SERVER_ERR" ] || [ -s "$BATS_TEST_TMPDIR/refused.out" ]; then
        fail_because args "a reason on stderr, nothing on stdout, for: $*" \
            "$(wc -l <"$SERVER_ERR") and $(wc -l \
                <"$BATS_TEST_TMPDIR/refused.out") lines" \
            "printed to the wrong stream, or not at all"
        return 1
    fi
}

@test "a port that is no number from 0 to 65535 is refused, with exit 2" {
    local port

    for port in 65536 70000 4294967376 18446744073709551696 -1 +80 ' 80' \
        '80 ' 80x x '' 0x50 1e3 8.0 http; do
        assert_refused 2 localhost "$port"
    done
}

@test "too many arguments are refused, with exit 2" {
    assert_refused 2 localhost 0 more
}

@test "a name that does not resolve is refused, with exit 1, and named" {
    assert_refused 1 no..host 0
    [ -n "${SERVER:-}" ] || grep -q '^no\.\.host: ' "$SERVER_ERR" ||
        fail_because addresses "no..host: and why" "$(cat "$SERVER_ERR")" \
            "what could not be resolved is not named"
}

@test "an address that is not this machine's is refused: exit 1, and bind" {
    # 192.0.2.0/24 is kept for examples (RFC 5737): no machine has it.
    assert_refused 1 192.0.2.99 0
    [ -n "${SERVER:-}" ] || grep -q '^bind: ' "$SERVER_ERR" ||
        fail_because addresses "bind: and why" "$(cat "$SERVER_ERR")" \
            "the call that failed is not named"
}

@test "a port that another server has is refused, with exit 1 and why" {
    server_start
    server_warm_up
    assert_refused 1 localhost "$PORT"
    grep -qiE 'in use|EADDRINUSE' "$SERVER_ERR" ||
        fail_because addresses "the reason: address in use" "$(cat "$SERVER_ERR")" \
            "errno was lost before it was told"
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
        fail_because addresses "the reason: permission denied" "$(cat "$SERVER_ERR")" \
            "errno was lost before it was told"
}

@test "HOST * is every address of this machine, and announced as it is" {
    [ -z "${SERVER:-}" ] || not_for "* is a word of glibc's getaddrinfo"
    getconf GNU_LIBC_VERSION >/dev/null 2>&1 ||
        skip "* is a word of glibc's getaddrinfo"
    LISTEN_HOST='*' server_start
    [ "$(cat "$SERVER_OUT")" = "Server is listening on *:$PORT" ] ||
        fail_because announce "Server is listening on *:$PORT" \
            "$(cat "$SERVER_OUT")" "HOST is announced as it was given"
    "$TOOLS/peer" 127.0.0.1 "$PORT" echo:1000 fin end
    "$TOOLS/peer" 127.0.0.2 "$PORT" echo:1000 fin end ||
        fail_because addresses "an echo on 127.0.0.2 as well" "none" \
            "getaddrinfo without AI_PASSIVE gives the loopback address only"
}

@test "listens on the address that it is given" {
    LISTEN_HOST=127.0.0.1 server_start
    [ "$(cat "$SERVER_OUT")" = "Server is listening on 127.0.0.1:$PORT" ] ||
        fail_because announce "Server is listening on 127.0.0.1:$PORT" \
            "$(cat "$SERVER_OUT")" "HOST is announced as it was given"
    LISTEN_HOST=127.0.0.1 assert_echoes echo:1000 fin end
}

@test "without arguments it is localhost 8000" {
    # The stages that are tested beside this one take turns.
    if command -v flock >/dev/null; then
        exec 9>"${RESULTS:-$BATS_RUN_TMPDIR}/port-8000"
        flock 9
    fi
    start default "${SERVER_CMD[@]}"
    SERVER_PID=$LAST_PID
    SERVER_OUT=$BATS_TEST_TMPDIR/default.out
    SERVER_ERR=$BATS_TEST_TMPDIR/default.err
    wait_until 10 server_announced_or_ended
    # Somebody else may have that port: then it says so.
    grep -qx 'Server is listening on localhost:8000' "$SERVER_OUT" ||
        grep -qiE 'in use|EADDRINUSE' "$SERVER_ERR" ||
        fail_because args "Server is listening on localhost:8000" \
            "$(cat "$SERVER_OUT")" "other defaults"
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

@test "ends on SIGTERM, by the default action (06: in order), port free" {
    local status=143

    server_start
    server_warm_up
    kill -TERM "$SERVER_PID"
    wait_for_exit "$SERVER_PID" ||
        fail_because end "it ends on SIGTERM" "it runs on" "the signal is \
ignored, its handler only sets a flag, or what is open keeps the loop alive"
    case $LIKE in
        06*) status=0 ;;
    esac
    [ "$STATUS" -eq "$status" ] ||
        { [ -n "${SERVER:-}" ] && [ "$STATUS" -eq 0 ]; } ||
        fail_because end "status $status" "status $STATUS" \
            "128 + 15 is the default action's, 0 an end in order"
    LISTEN_PORT=$PORT server_start
    assert_echoes echo:1000 fin end
}
