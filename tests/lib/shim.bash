# shim -- makes system calls fail, as tools/shim.c can; plays schedules of it
# shellcheck shell=bash

# What every schedule uses: percentages. Seeds mean the same as long as these
# and CONNS in tools/schedule.c stay as they are.
# shellcheck disable=SC2034 # for the tests
RATES=(SHIM_SHORT=25 SHIM_EINTR=8 SHIM_EAGAIN=8 SHIM_SPURIOUS=10)
SEEDS=${SEEDS:-400}
SMALL=10 # a seed of few calls

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
