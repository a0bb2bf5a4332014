#!/usr/bin/env bats
# What server/schedules.bats does to servers, done to clients: seeded schedules
# of short, interrupted and failed system calls.

# Names that lib/stage sets.
# shellcheck disable=SC2153

load client

setup()
{
    client_setup
    need_shim client_schedule -n 1
}

teardown()
{
    stage_teardown
}

# client_schedule [OPTIONS]: runs the client once for each seed.
client_schedule()
{
    # All of need_shim's SHIM but LD_PRELOAD.
    # timeout has a process group of its own: a client with kill(0, …) in it
    # would end all tests.
    "${CLEAN[@]}" ASAN_OPTIONS=verify_asan_link_order=0:${ASAN_OPTIONS:-} \
        SHIM_COUNT="$FAULTS" timeout $((600 * SLOWER)) \
        "$TOOLS/schedule" client "$@" \
        -p "$SHIM_SO" "${CLIENT_CMD[@]}"
}

# refusing_server: sets PORT to a port on which nobody listens, and nobody can.
refusing_server()
{
    LISTEN_HOST=127.0.0.1 bad_server refuse
}

@test "passes every seeded schedule of short and interrupted calls" {
    export "${RATES[@]}"
    assert_seeds_pass client client_schedule -n "$SEEDS"
    assert_injected short_read short_write eintr
    # The clients of 01 and 02 block in read; another client may too.
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
    local failure

    ours_only
    export SHIM_ADDRESS=1
    for failure in socket:EAFNOSUPPORT:1 connect:ECONNREFUSED:1; do
        SHIM_FAIL=$failure assert_seeds_pass client client_schedule -n 1
    done
}

# need_two_addresses: skips a test that needs the shim's second address. A
# CLIENT may not look up a HOST that's a number.
need_two_addresses()
{
    [ -z "${CLIENT:-}" ] ||
        "$TOOLS/faults" "$BATS_FILE_TMPDIR/shim-counts" |
        grep -q '^getaddrinfo ' ||
        not_for "its HOST, a number, has one address"
}

# fds_with RULE: sets FDS to how many descriptors the client has open once it
# has got an answer, after those failures.
fds_with()
{
    talk_start "${SHIM[@]}" SHIM_ADDRESS=1 "SHIM_FAIL=$1"
    say hello
    assert_hears hello
    FDS=$(fds_of "$CLIENT_PID")
    hang_up
    assert_client_exits 0 "it tries only the first address"
    exec 8>&-
}

@test "the socket of an address that does not answer is closed" {
    local one

    need_two_addresses
    need_proc
    # Not the same number: one of the two addresses is ::1.
    LISTEN_HOST=127.0.0.1
    server_start
    fds_with socket:EAFNOSUPPORT:1
    one=$FDS
    fds_with connect:ECONNREFUSED:1
    [ "$FDS" -eq "$one" ] ||
        client_failed_because "$one open descriptors after a refusal, too" \
            "$FDS" "the socket that was refused stays open"
}

# client_with RULE…: runs the client to its end, with these failures and two
# addresses for HOST.
client_with()
{
    local rules=$*

    rm -f "$FAULTS"
    STDIN=$TESTS_DIR/run client_run "${SHIM[@]}" SHIM_ADDRESS=1 \
        "SHIM_FAIL=${rules// /,}" "${CLIENT_CMD[@]}" 127.0.0.1 "$PORT"
    STATUS='no end'
    wait_for_exit "$CLIENT_PID" || true
}

# assert_client_fails_with TEXT RULE…: with these failures the client ends with
# exit status 1, and TEXT is the reason.
assert_client_fails_with()
{
    local text=$1

    shift
    client_with "$@"
    [ "$STATUS" = 1 ] && grep -qiE "$text" "$CLIENT_ERR" ||
        fail_because connect "exit status 1, and on stderr: $text" \
            "status $STATUS: $(cat "$CLIENT_ERR")" \
            "it prints the error of the last address instead of the one that \
explains the failure"
}

@test "refused by one of two addresses: that is the reason, in both orders" {
    local other

    need_two_addresses
    refusing_server
    for other in EADDRNOTAVAIL ENETUNREACH; do
        assert_client_fails_with refused "connect:$other:1"
        assert_client_fails_with refused connect:ECONNREFUSED:1 \
            "connect:$other:2+"
    done
    assert_client_fails_with refused socket:EAFNOSUPPORT:1
    assert_client_fails_with refused connect:ECONNREFUSED:1 \
        socket:EAFNOSUPPORT:2+
}

@test "refused by none of two addresses: the first one's error is told" {
    need_two_addresses
    refusing_server
    assert_client_fails_with 'unreachable|ENETUNREACH' \
        connect:ENETUNREACH:1 connect:EADDRNOTAVAIL:2
    ours_only
    assert_client_fails_with 'not supported' socket:EAFNOSUPPORT:1+
}

@test "what fails before the exchange is named, with the reason" {
    ours_only
    refusing_server
    # The callback of 06's client learns the error, but not which call failed.
    local connect=connect socket=socket host=127.0.0.1
    if [[ $LIKE == 06* ]]; then
        connect=server socket=server host=server
    fi
    assert_client_fails_with "^$socket: Too many open files$" socket:EMFILE:1+
    assert_client_fails_with "^$connect: Connection refused$" \
        connect:ECONNREFUSED:1+
    assert_client_fails_with "^$connect: Network is unreachable$" \
        connect:ENETUNREACH:1+
    assert_client_fails_with "^$host: Too many open files$" \
        getaddrinfo:EMFILE:1
}

@test "what fails in the exchange is named, with the reason" {
    local rule rules=()

    ours_only
    LISTEN_HOST=127.0.0.1
    server_start
    case $LIKE in
        02*)
            rules=('pipe: Too many open files/pipe:EMFILE:1'
                'fork: Resource temporarily unavailable/fork:EAGAIN:1')
            ;;
        03*) rules=('select: Cannot allocate memory/wait:ENOMEM:1') ;;
        04*) rules=('poll: Cannot allocate memory/wait:ENOMEM:1') ;;
        05*)
            rules=('epoll_create1: Too many open files/epoll_create:EMFILE:1'
                'epoll_ctl: Cannot allocate memory/epoll_ctl:ENOMEM:2'
                'epoll_wait: Cannot allocate memory/wait:ENOMEM:1')
            ;;
        06*)
            rules=('loop: Invalid argument/wait:EINVAL:2'
                'client: Too many open files/epoll_create:EMFILE:1'
                'stdin: Cannot allocate memory/epoll_ctl:ENOMEM:4'
                'stdout: Cannot allocate memory/epoll_ctl:ENOMEM:5')
            # With its other poller 06 makes no such calls.
            client_with epoll_create:EMFILE:1
            [ "$(faults all)" -gt 0 ] || rules=("${rules[0]}")
            ;;
    esac
    if [[ $LIKE == 0[3-5]* ]]; then
        # The first three calls are for stdin, stdout and stderr.
        rules+=('fcntl: Bad file descriptor/fcntl:EBADF:4'
            'fcntl: Bad file descriptor/fcntl:EBADF:5')
    fi
    # The shim counts writes to the socket only, since stdout is a file here.
    rules+=('server: No buffer space available/write:ENOBUFS:1')
    for rule in "${rules[@]}"; do
        assert_client_fails_with "^${rule%/*}\$" "${rule#*/}"
    done
}

@test "FIN is sent once" {
    local calls

    ours_only
    LISTEN_HOST=127.0.0.1
    server_start
    client_with
    [ "$STATUS" = 0 ]
    calls=$("$TOOLS/faults" "$FAULTS" | awk '$1 == "shutdown" { print $4 }')
    [ "$calls" = 1 ] ||
        client_failed_because "one call of shutdown" \
            "${calls:-none}" \
            "it is called in each iteration after the end of stdin"
}

# assert_client_survives_each_failure KIND ERRNO: for n = 1, 2, … until the nth
# call of the kind no longer comes: it fails, and the client ends with 0 and
# has given all back, or with 1 and a reason.
assert_client_survives_each_failure()
{
    local n told absent=0

    for ((n = 1; n < 300; n++)); do
        # Use another file each time: removing one would cost a process.
        FAULTS=$SHIM_DIR/faults.$n
        told=$(SHIM_FAIL=$1:$2:$n client_schedule -l -f 3 2>&1) || {
            fail_because client \
                "everything comes back, or exit status 1 and a reason" \
                "$told with SHIM_FAIL=$1:$2:$n" \
                "the result of a call isn't checked"
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
    ours_only
    assert_client_survives_each_failure any AUTO
}
