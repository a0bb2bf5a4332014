# chaos -- the fault shim, the schedules, and what must hold after them
# shellcheck shell=bash
#
# To be loaded after stage.bash. Says what the shim does with environment
# variables: tools/shim.c lists them.

# What every schedule uses: percentages. Seeds mean the same as long as these
# and CONNS in tools/schedule.c stay as they are.
# shellcheck disable=SC2034 # for the tests
RATES=(SHIM_SHORT=25 SHIM_EINTR=8 SHIM_EAGAIN=8 SHIM_SPURIOUS=10)
SEEDS=${SEEDS:-400}
SMALL=10 # a seed of few calls

# need_shim ONCE…: skips the test if the shim does not reach the program under
# test, as with one that is linked statically, or one whose language makes its
# system calls itself, as Go does. ONCE is a command that runs it once: echo_once
# for servers. Sets the array SHIM: variables for `env`, to which a test adds
# others.
need_shim()
{
    local reached=$BATS_FILE_TMPDIR/reached

    need_tool shim.so
    need_tool schedule
    need_tool faults
    FAULTS=$BATS_TEST_TMPDIR/faults
    SHIM=("LD_PRELOAD=$TOOLS/shim.so" "SHIM_COUNT=$FAULTS"
        "ASAN_OPTIONS=verify_asan_link_order=0:${ASAN_OPTIONS:-}")
    # Asked once for each file. A program that does not get this far is not
    # let off: the test itself will say so.
    if [ ! -e "$reached" ]; then
        SHIM_SHORT=100 "$@" >/dev/null 2>&1 || return 0
        faults all >"$reached" 2>/dev/null || true
        rm -f "$FAULTS"
    fi
    if [ "$(cat "$reached")" -gt 0 ] 2>/dev/null; then
        return 0
    fi
    if [ -z "${SERVER:-}${CLIENT:-}" ] &&
        ldd "$STAGES_DIR/$STAGE/server" >/dev/null 2>&1; then
        fail "the shim does not reach $STAGE, though it is linked dynamically"
        return 1
    fi
    skip "the shim does not reach this program's system calls"
}

# echo_once: starts the server, has a short echo, and ends it.
echo_once()
{
    server_start "${SHIM[@]}" && peer -t $((5 * SLOWER)) echo:1000 fin end ||
        return 1
    kill -KILL -- "-$SERVER_PID"
    end_of "$SERVER_PID"
}

# faults NAME: prints how many faults of that name the shim has injected.
faults()
{
    "$TOOLS/faults" "$FAULTS" "$1"
}

# bitten NAME…: the shim has injected faults of each name, or the test proves
# nothing.
bitten()
{
    local name

    for name in "$@"; do
        [ "$(faults "$name")" -gt 0 ] || {
            fail "the shim has injected no $name: this test proves nothing"
            return 1
        }
    done
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

# seeded schedule N COMMAND…: runs it; when it fails, tells how to replay. For
# `server` or `client`.
seeded()
{
    local side=$1 told seed

    shift
    if told=$("$@" 2>&1); then
        return 0
    fi
    seed=$(sed -n 's/.*seed \([0-9]*\):.*/\1/p' <<<"$told" | head -n 1)
    because stage "$SEEDS seeds pass" "$told" \
        "a short, interrupted or refused call is not handled where it can come"
    echo "replay:   .ci/soak replay $STAGE $side ${seed:-0}"
    return 1
}

# calm: two idle seconds cost the server at most one tick of CPU.
calm()
{
    [ -r /proc/self/stat ] || return 0
    idles 2 1 "in which nothing happens"
}

# steady COMMAND…: runs it twice; the second time the server's memory grows by
# at most 256 KiB. Memory of a sanitizer is not counted, nor that of a SERVER,
# whose language may have a collector of garbage that takes its time.
steady()
{
    local before after

    "$@" || return 1
    [ -r /proc/self/status ] || return 0
    wait_until 10 quiet
    before=$(rss_of "$SERVER_PID")
    "$@" || return 1
    wait_until 10 quiet
    after=$(rss_of "$SERVER_PID")
    if [ -n "${SERVER:-}" ] ||
        grep -q libasan "/proc/$SERVER_PID/maps" 2>/dev/null; then
        return 0
    fi
    [ $((after - before)) -le 256 ] ||
        because stage "at most 256 KiB more after a second round" \
            "$((after - before)) KiB more" \
            "something of each connection is never freed"
}

# server_quick [VAR=…]: as server_start, at a few milliseconds, for tests that
# start many. Returns 1 if the server ended without saying where it listens.
server_quick()
{
    local line

    SERVER_ERR=$BATS_TEST_TMPDIR/quick.err
    [ -p "$BATS_TEST_TMPDIR/quick" ] || mkfifo "$BATS_TEST_TMPDIR/quick"
    exec 7<&- # or the open for writing below would not wait for the reader
    # A job, not <(…): bash now and then has no exit status of the latter.
    # shellcheck disable=SC2153 # stage_setup sets SERVER_CMD
    env --default-signal "$@" "${SERVER_CMD[@]}" localhost 0 \
        >"$BATS_TEST_TMPDIR/quick" 2>"$SERVER_ERR" 3>&- 4>&- &
    SERVER_PID=$!
    exec 7<"$BATS_TEST_TMPDIR/quick"
    STARTED+=("$SERVER_PID")
    read -r -t 10 line <&7 || {
        kill -KILL "$SERVER_PID" 2>/dev/null # if it does neither
        STATUS=0
        wait "$SERVER_PID" || STATUS=$?
        return 1
    }
    PORT=${line##*[!0-9]}
}

# server_quick_end: kills it, and checks that it was still there.
server_quick_end()
{
    kill "$SERVER_PID" 2>/dev/null || {
        because stage "the server goes on" "it has ended" \
            "one failed call was taken for the end"
        return 1
    }
    # EOF on its stdout: it is gone.
    local status=0
    read -r -t 10 <&7 || status=$?
    if [ "$status" -gt 128 ]; then
        kill -KILL "$SERVER_PID"
        because stage "SIGTERM ends the server" "not within 10 s" \
            "the signal is lost, or the server waits where it should not"
        return 1
    fi
    STATUS=0
    wait "$SERVER_PID" 2>/dev/null || STATUS=$?
    # In order, or by the signal. A sanitizer's report gives another one.
    [ "$STATUS" -eq 0 ] || [ "$STATUS" -eq 143 ] ||
        because stage "SIGTERM ends the server, with 0 or by the signal" \
            "exit status $STATUS; $(cat "$SERVER_ERR")" \
            "its end goes wrong"
}

# each_nth KIND ERRNO: for n = 1, 2, … until the nth call of the kind no
# longer comes: it fails, and the server either ends at once with a reason, or
# serves on; at most the connection that it was for is lost.
each_nth()
{
    local n told lost absent=0

    for ((n = 1; n < 300; n++)); do
        # Another file each time: to remove one would cost a process.
        FAULTS=$BATS_TEST_TMPDIR/faults.$n
        if server_quick "${SHIM[@]}" "SHIM_COUNT=$FAULTS" \
            "SHIM_FAIL=$1:$2:$n"; then
            told=$(schedule -l -f "$SMALL" -n 1 2>&1) || {
                fail "$told" "with SHIM_FAIL=$1:$2:$n"
                return 1
            }
            # When the call has not come, all have had their turn. (The server
            # may not have come to it yet, but not twice.)
            if [ "$(faults all)" -eq 0 ]; then
                server_quick_end || return 1
                absent=$((absent + 1))
                [ "$absent" -eq 2 ] || continue
                [ "$n" -gt 2 ] || fail "the shim has seen no $1"
                return
            fi
            absent=0
            [[ $told =~ ([0-9]+)\ lost ]]
            lost=${BASH_REMATCH[1]}
            told=$(schedule -f "$SMALL" -n 1 2>&1) || {
                fail "$told" "with SHIM_FAIL=$1:$2:$n"
                return 1
            }
            [ "$lost" -le 1 ] || {
                because stage "at most the connection that met the failure" \
                    "$lost lost with SHIM_FAIL=$1:$2:$n" \
                    "trouble of one connection is made the trouble of others"
                return 1
            }
            server_quick_end || {
                fail "with SHIM_FAIL=$1:$2:$n"
                return 1
            }
        elif [ "$STATUS" -ne 1 ] || ! [ -s "$SERVER_ERR" ]; then
            because stage "exit status 1, and a reason on stderr" \
                "exit status $STATUS with SHIM_FAIL=$1:$2:$n" \
                "the result of a call is not looked at"
            return 1
        fi
    done
    fail "after 300 runs there still was one more $1"
}
