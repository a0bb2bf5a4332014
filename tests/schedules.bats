# schedules -- calls fail, come short and are interrupted, as a seed says
# grades: server

load lib/stage
load lib/chaos

setup()
{
    stage_setup
    need_shim echo_once
}

teardown() { stage_teardown; }

# Skips what only makes sense for a server that waits for readiness.
need_readiness()
{
    if stage_allows one_at_a_time || stage_allows process_each; then
        not_for "it waits in read and accept"
    fi
}

# The programs of other languages may have reasons to end that ours have not.
need_ours()
{
    [ -z "${SERVER:-}" ] || not_for "for the stages' own servers"
}

# say_on FD: sends a line on it, and gets it back within 5 s.
say_on()
{
    local line

    echo "Hello, server!" >&"$1"
    read -r -t 5 line <&"$1" && [ "$line" = "Hello, server!" ]
}

# ends_on FD SECONDS: the server ends that connection within this time, and
# sends nothing before.
ends_on()
{
    local status=0

    read -r -t "$2" line <&"$1" || status=$?
    [ "$status" -eq 1 ] && [ -z "$line" ]
}

# silent_on FD SECONDS: neither data nor an end comes on it for so long.
silent_on()
{
    local status=0

    read -r -t "$2" line <&"$1" || status=$?
    [ "$status" -gt 128 ]
}

# open_conn FD: a connection of this shell.
open_conn()
{
    eval "exec $1<>/dev/tcp/localhost/$PORT"
}

@test "passes every seeded schedule of short and interrupted calls" {
    local more=100

    # Where each connection costs a process, a quarter.
    if stage_allows process_each; then
        SEEDS=$((SEEDS / 4))
        more=25
    fi
    server_start "${SHIM[@]}" "${RATES[@]}"
    warm
    seeded server schedule -n "$SEEDS"
    bitten short_read short_write eintr
    # A SERVER may block in a thread for each connection.
    if [ -z "${SERVER:-}" ] && ! stage_allows one_at_a_time &&
        ! stage_allows process_each; then
        bitten eagain
    fi
    steady seeded server schedule -f "$SEEDS" -n "$more"
    healthy
    calm
    [ ! -s "$SERVER_ERR" ]
}

@test "a burst of calls that are nearly all short or interrupted" {
    server_start "${SHIM[@]}" SHIM_SHORT=90 SHIM_EINTR=40 SHIM_EAGAIN=40
    warm
    seeded server schedule -n 20
    healthy
}

@test "accept fails with each error, and the server goes on" {
    local n=2 rules='' name

    # The first connection is there before; the next meets all of these.
    for name in ECONNABORTED EPROTO ENOBUFS ENOMEM EPERM EINTR EMFILE ENFILE \
        ENETDOWN EHOSTUNREACH; do
        rules+=,accept:$name:$n
        n=$((n + 1))
    done
    server_start "${SHIM[@]}" "SHIM_FAIL=${rules#,}"
    open_conn 8
    say_on 8
    if stage_allows one_at_a_time; then
        exec 8>&-
    fi
    open_conn 9
    say_on 9 || because stage "an answer after ten passing errors of accept" \
        "none" "an error of accept was taken for the end"
    if ! stage_allows one_at_a_time; then
        say_on 8
        exec 8>&-
    fi
    exec 9>&-
    [ "$(faults accept)" -eq 10 ]
    [ "$(wc -l <"$SERVER_ERR")" -le 4 ] ||
        because stage "at most a line a second on stderr" \
            "$(wc -l <"$SERVER_ERR") lines" "each failure is reported"
}

@test "a connection is gone before accept looks at it" {
    need_readiness
    server_start "${SHIM[@]}" SHIM_FAIL=accept:STEAL:2+
    open_conn 8
    say_on 8
    open_conn 9
    # The stolen one ends without a byte.
    ends_on 9 5
    [ "$(faults steal)" -ge 1 ]
    say_on 8 || because 03 "the first connection is still answered" "nothing" \
        "the listening socket is blocking: accept waits for the next one"
    exec 8>&- 9>&-
}

@test "accept comes late, and the peers have gone" {
    server_start "${SHIM[@]}" SHIM_ACCEPT_DELAY=5
    seeded server schedule -n 20
    bitten delay
}

@test "idle sockets are called ready" {
    need_readiness
    server_start "${SHIM[@]}" SHIM_SPURIOUS=80
    open_conn 8
    say_on 8
    seeded server schedule -n 20
    # A program may wait with calls that the shim does not know.
    if [ -z "${SERVER:-}" ]; then
        bitten spurious
    fi
    say_on 8
    exec 8>&-
}

@test "every wait is interrupted, fifty times" {
    need_readiness
    server_start "${SHIM[@]}" SHIM_FAIL=wait:EINTR:1-50
    seeded server schedule -n 5
    [ ! -s "$SERVER_ERR" ]
}

@test "fork fails for one connection, and the next is served" {
    need_ours
    stage_allows process_each || not_for "it does not fork"
    server_start "${SHIM[@]}" SHIM_FAIL=fork:EAGAIN:2
    open_conn 8
    say_on 8
    open_conn 9
    ends_on 9 5
    exec 9>&-
    open_conn 9
    say_on 9 || because 02 "the connection after a failed fork is served" \
        "no answer" "a failed fork was taken for the end, or for a child"
    say_on 8
    exec 8>&- 9>&-
    [ "$(wc -l <"$SERVER_ERR")" -eq 1 ]
}

@test "the first address does not work, and the next is tried" {
    need_ours
    server_start "${SHIM[@]}" SHIM_ADDRESS=1 SHIM_FAIL=socket:EAFNOSUPPORT:1
    seeded server schedule -n 1
    [ "$(faults socket)" -eq 1 ]
    rm "$FAULTS"
    server_start "${SHIM[@]}" SHIM_ADDRESS=1 SHIM_FAIL=bind:EADDRNOTAVAIL:1
    seeded server schedule -n 1
}

@test "each allocation fails in turn" {
    need_ours
    need_readiness # the others allocate nothing
    each_nth malloc ENOMEM
}

@test "each system call fails in turn" {
    need_ours
    each_nth any AUTO
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
    say_on 8
    # The jump is over when this returns, and nothing was closed by it.
    silent_on 8 1.5
    say_on 8 || because 06 "the connection lives 3 s after its last byte" \
        "it was closed when the wall clock moved" \
        "the timers are on CLOCK_REALTIME"
    exec 8>&-
    server_start "${SHIM[@]}" SHIM_CLOCK=-3600:300 -t 1
    open_conn 8
    say_on 8
    ends_on 8 8 ||
        because 06 "the idle connection is closed after a second" \
            "not within eight" "the timers are on CLOCK_REALTIME"
    exec 8>&-
}

@test "SIGTERM just before the nth wait ends the server" {
    [[ $LIKE == 06* ]] || not_for "it has no signal handlers"
    need_ours
    local n

    for n in 1 2 3 4 5; do
        rm -f "$FAULTS"
        server_start "${SHIM[@]}" "SHIM_SIGNAL_AT=TERM:$n"
        # Each line causes a wait. None must follow the signal: it would wake
        # a server that has missed it.
        (
            trap '' PIPE
            [ "$(faults signal)" -gt 0 ] || open_conn 8
            while [ "$(faults signal)" -eq 0 ] && say_on 8; do
                sleep 0.05 # for the server to reach its wait
            done
        ) 2>/dev/null || true
        end_of "$SERVER_PID" 5 ||
            because 06 "the server ends" "it still waits" \
                "the signal came between the check and the wait"
        [ "$STATUS" -eq 0 ]
    done
}
