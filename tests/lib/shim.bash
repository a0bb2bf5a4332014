# shim -- makes system calls fail with tools/shim.c, and plays its schedules
# shellcheck shell=bash disable=SC2034 # for the tests

# Percentages that every schedule uses. A seed means the same as long as these
# and CONNS in tools/schedule.c don't change.
RATES=(SHIM_SHORT=25 SHIM_EINTR=8 SHIM_EAGAIN=8 SHIM_SPURIOUS=10)
SEEDS=${SEEDS:-200}
SMALL=10 # a seed of few calls

# shim_count_in FILE: makes the next program under the shim count in that file.
shim_count_in()
{
    FAULTS=$1
    SHIM=("LD_PRELOAD=$SHIM_SO" "SHIM_COUNT=$FAULTS"
        "ASAN_OPTIONS=verify_asan_link_order=0:${ASAN_OPTIONS:-}")
}

# shim_count_anew: makes the next program under the shim count from 0, in a file
# of its own, so that no test sees another run's counts.
shim_count_anew()
{
    SHIM_RUNS=$((${SHIM_RUNS:-0} + 1))
    shim_count_in "$SHIM_DIR/faults.$SHIM_RUNS"
}

# faults NAME: prints how many faults of that name the shim has injected.
faults()
{
    "$TOOLS/faults" "$FAULTS" "$1"
}

# schedule [OPTIONS]: plays seeds against the server; see tools/schedule.c.
# On 01 the connections of a seed come one after another.
schedule()
{
    local serial=()

    if stage_allows one_at_a_time; then
        serial=(-s)
    fi
    "$TOOLS/schedule" server ${serial[@]+"${serial[@]}"} "$@" localhost "$PORT"
}
