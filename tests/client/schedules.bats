# client-schedules -- what schedules.bats does to servers, done to clients

load ../lib/stage

setup()
{
    stage_setup
    need_shim client_schedule -n 1
}

teardown() { stage_teardown; }

need_ours()
{
    [ -z "${CLIENT:-}" ] || not_for "for the stages' own clients"
}

# client_schedule [OPTIONS]: runs the client once for each seed.
client_schedule()
{
    # timeout has a process group of its own: a client with kill(0, …) in it
    # would end all tests.
    env "${SHIM[@]:1}" "SHIM_COUNT=$FAULTS" timeout $((600 * SLOWER)) \
        "$TOOLS/schedule" client "$@" \
        -p "$TOOLS/shim.so" "${CLIENT_CMD[@]}"
}

@test "passes every seeded schedule of short and interrupted calls" {
    export "${RATES[@]}"
    assert_seeds_pass client client_schedule -n "$SEEDS"
    assert_injected short_read short_write eintr
    # The clients of 01 and 02 wait in read; another one may, too.
    if [ -z "${CLIENT:-}" ] && ! stage_allows one_at_a_time &&
        ! stage_allows process_each; then
        assert_injected eagain spurious
    fi
}

@test "calls that are nearly all short or interrupted" {
    export SHIM_SHORT=90 SHIM_EINTR=40 SHIM_EAGAIN=40
    assert_seeds_pass client client_schedule -n 20
}

@test "the first address does not answer, and the next is tried" {
    need_ours
    export SHIM_ADDRESS=1
    SHIM_FAIL=socket:EAFNOSUPPORT:1 assert_seeds_pass client client_schedule -n 1
    SHIM_FAIL=connect:ECONNREFUSED:1 assert_seeds_pass client client_schedule -n 1
}

# assert_client_fails_with TEXT RULE…: nobody listens, and HOST has two addresses. With these
# failures the client ends with exit status 1, and TEXT is the reason.
assert_client_fails_with()
{
    local text=$1 rules err=$BATS_TEST_TMPDIR/client.err

    shift
    rules=$*
    rm -f "$FAULTS"
    start client "${SHIM[@]}" SHIM_ADDRESS=1 "SHIM_FAIL=${rules// /,}" \
        "${CLIENT_CMD[@]}" 127.0.0.1 "$PORT"
    STATUS='no end'
    wait_for_exit "$LAST_PID" || true
    [ "$STATUS" = 1 ] && grep -qiE "$text" "$err" ||
        fail_because connect "exit status 1, and on stderr: $text" \
            "status $STATUS: $(cat "$err")" \
            "the last address's error is told, and not the one that explains"
}

@test "refused by one of two addresses: that is the reason, in both orders" {
    local other

    SERVER_CMD=("$TOOLS/badserver" refuse)
    LISTEN_HOST=127.0.0.1 server_start
    for other in EADDRNOTAVAIL ENETUNREACH; do
        assert_client_fails_with 'refused' "connect:$other:1"
        assert_client_fails_with 'refused' connect:ECONNREFUSED:1 "connect:$other:2+"
    done
    assert_client_fails_with 'refused' socket:EAFNOSUPPORT:1
    assert_client_fails_with 'refused' connect:ECONNREFUSED:1 socket:EAFNOSUPPORT:2+
}

@test "what fails before the exchange is named, with the reason" {
    need_ours
    SERVER_CMD=("$TOOLS/badserver" refuse)
    LISTEN_HOST=127.0.0.1 server_start
    # The callback of 06's client is told why, but not in which call.
    local connect=connect socket=socket host=127.0.0.1
    if [[ $LIKE == 06* ]]; then
        connect=server socket=server host=server
    fi
    assert_client_fails_with "^$socket: Too many open files$" socket:EMFILE:1+
    assert_client_fails_with "^$connect: Connection refused$" connect:ECONNREFUSED:1+
    assert_client_fails_with "^$connect: Network is unreachable$" connect:ENETUNREACH:1+
    assert_client_fails_with "^$host: Too many open files$" getaddrinfo:EMFILE:1
}

# assert_client_survives_each_failure KIND ERRNO: as each_nth, for a client: it ends with 0 and has
# given all back, or with 1 and a reason.
assert_client_survives_each_failure()
{
    local n told absent=0

    for ((n = 1; n < 300; n++)); do
        # Another file each time: to remove one would cost a process.
        FAULTS=$BATS_TEST_TMPDIR/faults.$n
        told=$(SHIM_FAIL=$1:$2:$n client_schedule -l -f 3 2>&1) || {
            fail_because client "all came back, or exit status 1 and a reason" \
                "$told with SHIM_FAIL=$1:$2:$n" \
                "the result of a call is not looked at"
            return 1
        }
        if [ "$(faults all)" -gt 0 ]; then
            absent=0
        elif [ $((absent += 1)) -eq 2 ]; then
            [ "$n" -gt 4 ] || fail "the shim has seen no $1"
            return
        fi
    done
    fail "after 300 runs there still was one more $1"
}

@test "each system call fails in turn" {
    need_ours
    assert_client_survives_each_failure any AUTO
}
