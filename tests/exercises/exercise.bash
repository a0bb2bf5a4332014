# exercise -- what the exercises' checks need beside lib/stage
# shellcheck shell=bash disable=SC2034,SC2153 # for and from the other files

load ../lib/stage
setup() { stage_setup; }
teardown() { stage_teardown; }

# start_noting [VAR=…]: starts the server so that its calls are noted (see
# tools/calls.c), lets it echo once, and forgets what it noted so far. VARs are
# for calls.so. Skips the test where that doesn't reach the program.
start_noting()
{
    need_tool calls.so
    # LD_PRELOAD ends at a blank, which this path hasn't.
    ln -sf "$TOOLS/calls.so" "$BATS_RUN_TMPDIR/calls.so"
    NOTES=$BATS_TEST_TMPDIR/calls
    server_start "LD_PRELOAD=$BATS_RUN_TMPDIR/calls.so" "CALLS=$NOTES" \
        "ASAN_OPTIONS=verify_asan_link_order=0:${ASAN_OPTIONS:-}" "$@" ||
        return 1
    server_warm_up
    [ -s "$NOTES" ] || skip "calls.so does not reach this program"
    forget_notes
}

forget_notes()
{
    : >"$NOTES"
}

# noted NAME [FD [RESULT [DETAIL]]]: prints how many such calls were noted.
# Each is a regular expression.
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

# signals_of PID FIELD: prints the mask that /proc tells: SigIgn, SigCgt, SigBlk.
signals_of()
{
    need_proc
    sed -n "s/^$2:[[:space:]]*//p" "/proc/$1/status"
}

# has_signal MASK SIGNO: true if the signal is in that mask.
has_signal()
{
    (((16#$1 >> ($2 - 1)) & 1))
}
