# options -- 06's command line, and what the shell may leave it
# bats file_tags=stage:06

load ../lib/stage
setup() { stage_setup; }
teardown() { stage_teardown; }

# said STATUS ARGS…: the server exits with that status. Its output is in
# usage.out and usage.err.
said()
{
    local status=$1

    shift
    start usage "${SERVER_CMD[@]}" "$@"
    wait_for_exit "$LAST_PID"
    [ "$STATUS" -eq "$status" ] ||
        fail_because shutdown "exit $status, for: $*" "exit $STATUS" \
            "the option's argument isn't checked"
}

# promise: If something is wrong, prints the reason and usage on stderr and
# exits with 2; after -h, prints usage on stdout and exits with 0.
@test "-h tells the usage on stdout; wrong options end with exit 2" {
    said 0 -h
    [[ $(cat "$BATS_TEST_TMPDIR/usage.out") == "usage: server "* ]]
    [ ! -s "$BATS_TEST_TMPDIR/usage.err" ]
    for option in -x '-w 0' '-w 1025' '-t 0' '-t 1s' '-t 2147484'; do
        # shellcheck disable=SC2086 # an option and its value
        said 2 $option
        grep -q '^usage: server ' "$BATS_TEST_TMPDIR/usage.err"
        [ ! -s "$BATS_TEST_TMPDIR/usage.out" ]
    done
}

@test "starts with stdin, stdout and stderr closed" {
    LISTEN_HOST=$OPEN_DIR/echo.socket
    # shellcheck disable=SC2016 # for the inner shell
    SERVER_WRAP=(bash -c 'exec "$@" <&- >&- 2>&-' -)
    server_launch
    PORT=0
    wait_until 10 peer echo:1 fin end
    assert_echoes -n 10 echo:20000 fin end
}

# promise: Ignores SIGPIPE and unblocks all signals ...
@test "signals that whoever started it has blocked end it, and its workers" {
    SERVER_WRAP=(env "--block-signal=TERM,INT,CHLD")
    env --block-signal=TERM true || skip "this env has no option to block \
signals"
    server_start
    kill -TERM "$SERVER_PID"
    assert_server_ends 0
    server_start -w 1
    kill -INT "$SERVER_PID"
    assert_server_ends 0
}

# promise: Never blocks: while nobody reads stderr, the line is dropped.
@test "nobody reads its stderr: it drops lines, and serves" {
    local log=$BATS_TEST_TMPDIR/log

    need_shim echo_once
    mkfifo "$log"
    # Open it for reading too; otherwise a write would raise SIGPIPE.
    exec 9<>"$log"
    ! dd if=/dev/zero of="$log" bs=4096 count=100000 oflag=nonblock \
        2>/dev/null || fail "this system's pipes never fill up"
    # shellcheck disable=SC2016 # for the inner shell
    SERVER_WRAP=(bash -c 'exec "$@" 2>&9' -)
    server_start "${SHIM[@]}" SHIM_FAIL=accept:EMFILE:1-3
    peer -t $((10 * SLOWER)) echo:1000 fin end ||
        fail_because log "served, after 3 accepts with EMFILE" \
            "$(complaint)" \
            "it blocks in write to stderr, which nobody reads"
    assert_injected accept
}

# promise: If a wait fails for lack of memory, logs it, pauses briefly, and
# carries on.
@test "a wait that fails for lack of memory is logged, and ends nothing" {
    need_shim echo_once
    server_start "${SHIM[@]}" SHIM_FAIL=wait:ENOMEM:2
    assert_echoes -n 5 echo:20000 fin end
    assert_injected wait
    [ "$(grep -c '^loop: ' "$SERVER_ERR")" -eq 1 ] ||
        fail_because log "a line: loop: and why" "$(cat "$SERVER_ERR")" \
            "the failed wait isn't logged"
    kill -TERM "$SERVER_PID"
    assert_server_ends 0
}
