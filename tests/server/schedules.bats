# schedules -- calls fail, transfer less or are interrupted, as a seed decides

load ../lib/stage

setup()
{
    stage_setup
    need_shim echo_once
}

teardown() { stage_teardown; }

# need_readiness: skips a test that's only for a server that waits for
# readiness.
need_readiness()
{
    if stage_allows one_at_a_time || stage_allows process_each; then
        not_for "it waits in read and accept"
    fi
}

# need_ours: skips a test that's only for the stages' own servers.
need_ours()
{
    [ -z "${SERVER:-}" ] || not_for "for the stages' own servers"
}

# say_on FD [SECONDS]: sends a line on that connection, and gets it back within
# that time (default 5 s).
say_on()
{
    local line

    echo "Hello, server!" >&"$1"
    read -r -t "${2:-5}" line <&"$1" && [ "$line" = "Hello, server!" ]
}

# assert_answered FD: a line on that connection comes back.
assert_answered()
{
    say_on "$1" || fail_because interest "a line comes back within 5 s" \
        "none" "one connection blocks another, or it waits for an event \
that's gone"
}

# ends_on FD SECONDS: true if the server ends that connection within this time,
# and sends nothing before.
ends_on()
{
    local status=0

    read -r -t "$2" line <&"$1" || status=$?
    [ "$status" -eq 1 ] && [ -z "$line" ]
}

# silent_on FD SECONDS: true if neither data nor FIN comes for SECONDS.
silent_on()
{
    local status=0

    read -r -t "$2" line <&"$1" || status=$?
    [ "$status" -gt 128 ]
}

# open_conn FD: connects this shell to the server.
open_conn()
{
    eval "exec $1<>/dev/tcp/localhost/$PORT"
}

@test "passes every seeded schedule of short and interrupted calls" {
    local more=100

    # A quarter suffices where each connection costs a process.
    if stage_allows process_each; then
        SEEDS=$((SEEDS / 4))
        more=25
    fi
    server_start "${SHIM[@]}" "${RATES[@]}"
    server_warm_up
    assert_seeds_pass server schedule -n "$SEEDS"
    assert_injected short_read short_write eintr
    # A SERVER may block in a thread for each connection.
    if [ -z "${SERVER:-}" ] && ! stage_allows one_at_a_time &&
        ! stage_allows process_each; then
        assert_injected eagain
    fi
    assert_memory_steady assert_seeds_pass server \
        schedule -f "$SEEDS" -n "$more"
    assert_server_healthy
    assert_idle "with nothing to do"
    assert_nothing_logged
}

@test "a burst of calls that are nearly all short or interrupted" {
    local n=20

    # Some programs sleep after EINTR, and have a process for each direction.
    if [ -n "${SERVER:-}" ] && stage_allows process_each; then
        n=5
    fi
    server_start "${SHIM[@]}" SHIM_SHORT=90 SHIM_EINTR=40 SHIM_EAGAIN=40
    server_warm_up
    assert_seeds_pass server schedule -n "$n"
    assert_server_healthy
}

@test "accept fails with each error, and the server goes on" {
    local n=2 rules='' name began

    # The first connection is accepted before; the next one meets all these
    # errors.
    for name in ECONNABORTED EPROTO ENOBUFS ENOMEM EPERM EINTR EMFILE ENFILE \
        ENETDOWN EHOSTUNREACH; do
        rules+=,accept:$name:$n
        n=$((n + 1))
    done
    server_start "${SHIM[@]}" "SHIM_FAIL=${rules#,}"
    open_conn 8
    assert_answered 8
    if stage_allows one_at_a_time; then
        exec 8>&-
    fi
    look_at_clock
    began=$NOW_MS
    open_conn 9
    # A SERVER may pause for a second after each.
    say_on 9 "${SERVER:+20}" ||
        fail_because accept "an answer after ten transient errors of accept" \
        "none" "an error of accept ended the server"
    look_at_clock
    # It pauses after eight of them. (For two, 06 has a spare descriptor.)
    n=$((NOW_MS - began))
    [ -n "${SERVER:-}" ] || { [ "$n" -ge 550 ] && [ "$n" -le 2500 ]; } ||
        fail_because accept "pauses of 100 ms after errors that may last" \
            "ten calls of accept in $n ms" \
            "after some errors it calls accept again at once, or much too late"
    if ! stage_allows one_at_a_time; then
        assert_answered 8
        exec 8>&-
    fi
    exec 9>&-
    [ "$(faults accept)" -eq 10 ] ||
        fail_because accept "ten calls of accept that fail, then one that \
doesn't" "$(faults accept)" "after an error it never calls accept again"
    [ -z "${SERVER:-}" ] || assert_few_lines_logged $((n / 1000 + 2)) 2
    [ -n "${SERVER:-}" ] || [ "$(most_often_said)" -le 3 ] ||
        fail_because log "at most a line a second for each cause" \
            "$(most_often_said) times the same" "it logs every failure"
}

@test "two causes within a second are both logged" {
    local rules=accept:EMFILE:1,accept:ENOBUFS:2 other='No buffer space'

    need_ours
    if stage_allows process_each; then
        rules=accept:EMFILE:1,fork:EAGAIN:1
        other='^fork: Resource temporarily unavailable'
    fi
    server_start "${SHIM[@]}" "SHIM_FAIL=$rules"
    # The server may close one; it serves the other.
    assert_echoes -l -n 2 echo:100 fin end
    assert_injected all
    assert_logged '^accept: Too many open files'
    assert_logged "$other"
}

# served_after_waits N: has the server echo until N of its waits have failed.
served_after_waits()
{
    open_conn 8
    while [ "$(faults wait)" -lt "$1" ]; do
        say_on 8 || fail_because spin "an answer after failed waits" \
            "none: $(cat "$SERVER_ERR")" \
            "a failed wait was taken for the end, or for ready sockets" ||
            return
    done
    exec 8>&-
    assert_seeds_pass server schedule -n 1
}

@test "the wait fails, for want of memory or for now: logged, and it serves" {
    need_readiness
    need_ours
    server_start "${SHIM[@]}" SHIM_FAIL=wait:ENOMEM:1
    served_after_waits 1
    assert_logged ': Cannot allocate memory' '' wait
    shim_count_anew
    server_start "${SHIM[@]}" SHIM_FAIL=wait:EAGAIN:2
    served_after_waits 1
    assert_logged ': Resource temporarily unavailable' '' wait
}

@test "the wait fails twelve times: a line a second, and a pause after each" {
    local began n rules=

    need_readiness
    need_ours
    # Make every second one fail, since 06 uses poll to see if it can log a
    # line.
    for n in 2 4 6 8 10 12 14 16 18 20 22 24; do
        rules+=,wait:ENOMEM:$n
    done
    server_start "${SHIM[@]}" "SHIM_FAIL=${rules#,}"
    look_at_clock
    began=$NOW_MS
    served_after_waits 12
    look_at_clock
    [ $((NOW_MS - began)) -ge 1000 ] ||
        fail_because wait "pauses of 100 ms, after twelve failed waits" \
            "all of them within $((NOW_MS - began)) ms" \
            "there's no pause after a failed wait: a spin"
    assert_logged ': Cannot allocate memory' '' wait
    assert_few_lines_logged $(((NOW_MS - began) / 1000 + 1))
    [ "$(most_often_said)" -ge 2 ] ||
        fail_because wait "a line again after a second" "one line" \
            "an error is logged only once, ever"
}

@test "accept fails beside a busy connection: not tried at each message" {
    local busy

    need_readiness
    need_ours
    server_start "${SHIM[@]}" SHIM_FAIL=accept:ENFILE:2+
    peer_start busy echo:1 wait ping:5000 fin end
    peer_wait busy '1 waiting*'
    open_conn 9
    wait_until 10 accept_has_failed
    peer_continue busy
    assert_peer_succeeds busy
    # A pause of 100 ms makes some ten tries a second.
    [ "$(faults accept)" -le 500 ] ||
        fail_because accept \
            "at most 500 calls of accept during 5,000 messages" \
            "$(faults accept)" "any wake-up ends the pause after EMFILE"
    exec 9>&-
}

accept_has_failed()
{
    [ "$(faults accept)" -gt 0 ]
}

@test "held up at each look at the clock, it still accepts after a pause" {
    need_readiness
    need_ours
    # A pause of 100 ms ends between two readings of the clock.
    server_start "${SHIM[@]}" SHIM_CLOCK_DELAY=60 SHIM_FAIL=accept:EMFILE:1
    open_conn 9
    say_on 9 ||
        fail_because accept "an answer after a pause of accept" "none" \
        "the time left of the pause was negative, which waits forever"
    assert_injected delay accept
    exec 9>&-
}

# assert_start_fails_with LINE RULE…: with these failures the server ends at
# once, with exit status 1 and that line on stderr, and announces nothing.
assert_start_fails_with()
{
    local line=$1 rules

    shift
    rules=$*
    shim_count_anew
    start failing "${SHIM[@]}" SHIM_ADDRESS=1 "SHIM_FAIL=${rules// /,}" \
        "${SERVER_CMD[@]}" localhost 0
    SERVER_ERR=$BATS_TEST_TMPDIR/failing.err
    STATUS='no end'
    wait_for_exit "$LAST_PID" || true
    [ "$STATUS" = 1 ] && [ "$(cat "$SERVER_ERR")" = "$line" ] &&
        [ ! -s "$BATS_TEST_TMPDIR/failing.out" ] ||
        fail_because addresses \
            "exit status 1, nothing on stdout, on stderr: $line" \
            "status $STATUS: $(cat "$BATS_TEST_TMPDIR"/failing.*)" \
            "it names another call, errno is lost, or it tries the next \
address"
}

@test "what fails at the start is named, with the reason, and is the end" {
    need_ours
    assert_start_fails_with 'socket: Too many open files' socket:EMFILE:1
    assert_start_fails_with 'bind: Permission denied' bind:EACCES:1
    assert_start_fails_with 'bind: Address already in use' bind:EADDRINUSE:1
    # The first address isn't this machine's, the second is in use.
    assert_start_fails_with 'bind: Address already in use' \
        bind:EADDRNOTAVAIL:1 bind:EADDRINUSE:2
    assert_start_fails_with 'listen: Address already in use' \
        listen:EADDRINUSE:1
    assert_start_fails_with 'getsockname: No buffer space available' \
        getsockname:ENOBUFS:1+
    case $LIKE in
        0[345]*)
            # The first three calls check if stdin, stdout and stderr are open.
            assert_start_fails_with 'fcntl: Invalid argument' fcntl:EINVAL:4
            assert_start_fails_with 'fcntl: Invalid argument' fcntl:EINVAL:5
            ;;
    esac
    case $LIKE in
        04*)
            assert_start_fails_with 'realloc: Cannot allocate memory' \
                malloc:ENOMEM:1
            ;;
        05*)
            assert_start_fails_with 'epoll_create1: Too many open files' \
                epoll_create:EMFILE:1
            assert_start_fails_with 'epoll_ctl: Cannot allocate memory' \
                epoll_ctl:ENOMEM:1
            ;;
    esac
}

@test "a name is not resolved for want of descriptors: not System error" {
    need_ours
    assert_start_fails_with 'localhost: Too many open files' \
        getaddrinfo:EMFILE:1
}

@test "a connection is gone before accept looks at it" {
    need_readiness
    server_start "${SHIM[@]}" SHIM_FAIL=accept:STEAL:2+
    open_conn 8
    assert_answered 8
    open_conn 9
    # A thread that blocks in accept hasn't waited for readiness before, so it gets
    # this connection.
    if [ -n "${SERVER:-}" ] && say_on 9 && [ "$(faults steal)" -eq 0 ]; then
        not_for "it blocks in accept, and waits for no readiness"
    fi
    # The stolen connection ends without a byte.
    ends_on 9 5 ||
        fail_because nonblock "the connection ends without a byte" \
            "it doesn't, within 5 s" \
            "the listening socket is blocking: accept blocks until the next \
connection"
    assert_injected steal
    say_on 8 ||
        fail_because nonblock \
            "the first connection is still answered" "nothing" \
        "the listening socket is blocking: accept blocks until the next \
connection"
    exec 8>&- 9>&-
}

@test "accept comes late, and the peers have gone" {
    server_start "${SHIM[@]}" SHIM_ACCEPT_DELAY=5
    assert_seeds_pass server schedule -n 20
    assert_injected delay
}

@test "spurious wakeups on idle sockets" {
    need_readiness
    server_start "${SHIM[@]}" SHIM_SPURIOUS=80
    open_conn 8
    assert_answered 8
    assert_seeds_pass server schedule -n 20
    # A program may wait with calls that the shim doesn't know.
    if [ -z "${SERVER:-}" ]; then
        assert_injected spurious
    fi
    assert_answered 8
    exec 8>&-
}

@test "every wait is interrupted, fifty times" {
    need_readiness
    server_start "${SHIM[@]}" SHIM_FAIL=wait:EINTR:1-50
    assert_seeds_pass server schedule -n 5
    assert_nothing_logged
}

@test "fork fails for one connection, and the next is served" {
    need_ours
    stage_allows process_each || not_for "it does not fork"
    server_start "${SHIM[@]}" SHIM_FAIL=fork:EAGAIN:2
    open_conn 8
    assert_answered 8
    open_conn 9
    ends_on 9 5 ||
        fail_because fork "the connection whose fork has failed is closed" \
            "it is left open" \
            "conn_fd is closed only after a successful fork"
    exec 9>&-
    open_conn 9
    say_on 9 ||
        fail_because fork "the connection after a failed fork is served" \
        "no answer" "a failed fork ended the server, or -1 was taken for a PID"
    assert_answered 8
    exec 8>&- 9>&-
    [ "$(wc -l <"$SERVER_ERR")" -eq 1 ] ||
        fail_because fork "a line on stderr: fork and why" \
            "$(cat "$SERVER_ERR")" "fork's error isn't logged"
}

@test "the first address does not work, and the next is tried" {
    need_ours
    server_start "${SHIM[@]}" SHIM_ADDRESS=1 SHIM_FAIL=socket:EAFNOSUPPORT:1
    assert_seeds_pass server schedule -n 1
    assert_injected socket
    server_warm_up
    shim_count_anew
    server_start "${SHIM[@]}" SHIM_ADDRESS=1 SHIM_FAIL=bind:EADDRNOTAVAIL:1
    assert_seeds_pass server schedule -n 1
    assert_injected bind
    wait_until 5 has_only_base_fds ||
        fail_because addresses \
            "$BASE_FDS descriptors, as without a failed bind" \
            "$FDS" "the socket of the first address isn't closed"
}

@test "the first address works: the next is left alone" {
    need_ours
    has_ipv6 || skip "this machine has no ::1"
    server_start "${SHIM[@]}"
    server_warm_up
    shim_count_anew
    # The first is ::1 then.
    server_start "${SHIM[@]}" SHIM_ADDRESS=1
    LISTEN_HOST=::1 peer echo:1000 fin end ||
        fail_because addresses "an echo on ::1, the first address" \
            "$(complaint)" "it listens on another address"
    wait_until 5 has_only_base_fds ||
        fail_because addresses \
            "$BASE_FDS descriptors, as with one address" "$FDS" \
            "it tries further addresses, though it has a listening socket"
}

@test "each allocation fails in turn" {
    need_ours
    need_readiness # the others allocate nothing
    assert_survives_each_failure malloc ENOMEM
}

@test "no memory when the 65th client comes: the others are served" {
    local n rules=

    need_ours
    need_readiness
    # Some arrays grow then. In 04 two connections get no memory, then the first
    # array, then the second.
    for n in 64 68 71 74; do
        rules+=,malloc:ENOMEM:$n
    done
    server_start "${SHIM[@]}" "SHIM_FAIL=${rules#,}"
    server_warm_up
    peer_start peers -n 100 -l echo:100 wait echo:100 fin end
    peer_wait peers '* 0 busy*'
    peer_continue peers
    assert_peer_succeeds peers
    n=$(faults malloc)
    [ "$n" -eq 4 ] && [ "$(field lost "$(peer_state peers)")" -le "$n" ] ||
        fail_because memory "four calls fail, at most four clients are lost" \
            "$n failed; $(peer_state peers)" \
            "it uses an array that couldn't grow, or one failure drops many \
clients"
    assert_logged ': Cannot allocate memory'
    assert_server_healthy
}

@test "each system call fails in turn" {
    need_ours
    assert_survives_each_failure any AUTO
}

@test "the wall clock jumps an hour ahead and back" {
    local jump

    for jump in 3600 -3600; do
        server_start "${SHIM[@]}" "SHIM_CLOCK=$jump:1" \
            SHIM_FAIL=accept:EMFILE:2-3
        schedule -n 5
        schedule -f 5 -n 1
    done
}

@test "an idle connection's time is not the wall clock's" {
    [[ $LIKE == 06* ]] || not_for "it has no timers"
    need_ours
    server_start "${SHIM[@]}" SHIM_CLOCK=3600:300 -t 3
    open_conn 8
    assert_answered 8
    # When this returns, the clock has jumped, and nothing was closed by that.
    silent_on 8 1.5
    say_on 8 ||
        fail_because timers "the connection lives 3 s after its last byte" \
        "it was closed when the wall clock moved" \
        "the timers use CLOCK_REALTIME: use CLOCK_MONOTONIC"
    exec 8>&-
    server_start "${SHIM[@]}" SHIM_CLOCK=-3600:300 -t 1
    open_conn 8
    assert_answered 8
    ends_on 8 8 ||
        fail_because timers "the idle connection is closed after a second" \
            "not within eight" "the timers use CLOCK_REALTIME: use \
CLOCK_MONOTONIC"
    exec 8>&-
}

@test "SIGTERM just before the nth wait ends the server" {
    [[ $LIKE == 06* ]] || not_for "it has no signal handlers"
    need_ours
    local n

    for n in 1 2 3 4 5; do
        shim_count_anew
        server_start "${SHIM[@]}" "SHIM_SIGNAL_AT=TERM:$n"
        # Each line causes a wait. No line must follow the signal: it would wake
        # a server that has missed the signal.
        (
            trap '' PIPE
            [ "$(faults signal)" -gt 0 ] || open_conn 8
            while [ "$(faults signal)" -eq 0 ] && say_on 8; do
                sleep 0.05 # for the server to reach its wait
            done
        ) 2>/dev/null || true
        wait_for_exit "$SERVER_PID" 5 ||
            fail_because signals "the server ends" "it still waits" \
                "the signal came between the check and the wait"
        [ "$STATUS" -eq 0 ] ||
            fail_because shutdown "exit status 0" "$STATUS" "a graceful \
shutdown isn't an error"
    done
}
