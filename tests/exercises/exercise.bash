# exercise -- what the exercises' checks need beside lib/stage
# shellcheck shell=bash disable=SC2034,SC2120,SC2153 # for and from the others

load ../lib/stage
setup() { stage_setup; }
teardown() { stage_teardown; }

# start_noting [VAR=…]: starts the server so that its calls are recorded (see
# tools/calls.c), lets it echo once, and clears the record. VARs are for
# calls.so. Skips the test if that doesn't reach the program.
start_noting()
{
    need_tool calls.so
    # LD_PRELOAD ends at a blank; this path has none.
    ln -sf "$TOOLS/calls.so" "$BATS_RUN_TMPDIR/calls.so"
    NOTES=$BATS_TEST_TMPDIR/calls
    server_start "LD_PRELOAD=$BATS_RUN_TMPDIR/calls.so" "CALLS=$NOTES" \
        "ASAN_OPTIONS=verify_asan_link_order=0:${ASAN_OPTIONS:-}" "$@" ||
        return 1
    server_warm_up
    [ -s "$NOTES" ] || skip "calls.so doesn't reach this program"
    forget_notes
}

forget_notes()
{
    : >"$NOTES"
}

# noted NAME [FD [RESULT [DETAIL]]]: prints how many such calls were recorded.
# Each argument is a regular expression.
noted()
{
    grep -cE "^$1 ${2:-[^ ]*} ${3:-[^ ]*}( ${4:-.*})?\$" "$NOTES" || true
}

# most_in_a_turn NAME: prints the most calls of that name that have succeeded
# between one wait for events and the next.
most_in_a_turn()
{
    awk -v name="$1" '
        $1 == "wait" { n = 0 }
        $1 == name && $3 >= 0 && ++n > most { most = n }
        END { print most + 0 }' "$NOTES"
}

# longest_limit: prints the longest time limit that was set, in milliseconds.
longest_limit()
{
    awk '$1 == "limit" && $3 == 0 && $4 > most { most = $4 }
        END { print most + 0 }' "$NOTES"
}

# assert_served NAME TOPIC EXPECTED CAUSE: that peer gets every byte back. CAUSE
# is the likely cause in this exercise.
assert_served()
{
    look_up_peer "$1"
    STATUS=stuck
    wait_for_exit "$PEER_PID" "$((PATIENCE + 1))" >/dev/null || true
    [ "$STATUS" = 0 ] || fail_because "$2" "$3" "$(complaint "$1")" "$4"
}

# signals_of PID FIELD: prints SigIgn, SigCgt or SigBlk, a mask in /proc.
signals_of()
{
    sed -n "s/^$2:[[:space:]]*//p" "/proc/$1/status"
}

# has_signal MASK SIGNO: true if the signal is in that mask.
has_signal()
{
    (((16#$1 >> ($2 - 1)) & 1))
}

# is_at_rest: true if the server has slept for 0.1 s.
is_at_rest()
{
    local ran

    look_at_time "$SERVER_PID"
    ran=$SLICES
    pause 0.1
    look_at_time "$SERVER_PID"
    [ "$SLICES" -eq "$ran" ] && state_of "$SERVER_PID" && [ "$STATE" = S ]
}

# accept_a_crowd: 40 clients connect while the server is stopped; then it
# accepts and serves them.
accept_a_crowd()
{
    start_noting
    stop "$SERVER_PID"
    peer_start crowd -n 40 wait echo:100 fin end
    wait_until 5 peer_is crowd '40 waiting*'
    resume "$SERVER_PID"
    peer_continue crowd
    wait_until 5 peer_is crowd '*, 40 done*' >/dev/null ||
        fail_because accept "40 clients served" "$(peer_state crowd)" \
            "it stops accepting: is the cap for each iteration?"
}

assert_accepts_16()
{
    local most

    accept_a_crowd
    most=$(most_in_a_turn accept)
    [ "$most" -le 16 ] ||
        fail_because starve "at most 16 accepted between two waits" "$most" \
            "there's no cap: while new connections come, nobody else is served"
    [ "$most" -eq 16 ] ||
        fail_because accept "16 of 40 accepted before the next wait" "$most" \
            "it returns to the wait while connections are in the accept queue"
}

# assert_accepts_until_eagain: no two accepts fail between two waits, and what
# comes after that is accepted without a pause.
assert_accepts_until_eagain()
{
    accept_a_crowd
    awk '$1 == "wait" { n = 0 }
         $1 == "accept" && $3 < 0 && ++n == 2 { exit 1 }' "$NOTES" ||
        fail_because nonblock "no more accept after EAGAIN" "several" \
            "EAGAIN says that the accept queue is empty: leave the loop"
    assert_echoes -t "$PATIENCE" echo:100 fin end
    [ "$(noted wait '' 0)" -eq 0 ] ||
        fail_because nonblock "no pause after EAGAIN" "a wait that timed out" \
            "EAGAIN is no failure: pause only after the others"
}
