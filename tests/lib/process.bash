# process -- starts programs, waits for them, and looks at them
# shellcheck shell=bash disable=SC2034 # for the tests

# A test runner may ignore SIGPIPE or SIGINT, and programs inherit that. Where
# env can, it sets every signal to its default. This is checked once for each
# run.
if [ -z "${DEFAULT_SIGNALS+asked}" ]; then
    DEFAULT_SIGNALS=
    if env --default-signal true 2>/dev/null; then
        DEFAULT_SIGNALS=--default-signal
    fi
    export DEFAULT_SIGNALS
fi

# set_clean_env: sets the array CLEAN to an env command that starts a program
# with every signal at its default, and without the suite's own variables: a
# program under test shouldn't learn where results, tests and solutions are.
set_clean_env()
{
    local name

    CLEAN=(env ${DEFAULT_SIGNALS:+"$DEFAULT_SIGNALS"})
    for name in RESULTS TESTS_DIR STAGES_DIR STAGE SERVER CLIENT LIKE PART \
        FILES FILTER REPORT REPORTS TESTED RUN_AS RUN_DIR OLDPWD "${!BATS_@}"; do
        CLEAN+=(-u "$name")
    done
}

# start NAME COMMAND…: runs the command in the background in a process group
# of its own, with a clean environment, stdin from $STDIN (default /dev/null),
# stdout to $BATS_TEST_TMPDIR/NAME.out, stderr to NAME.err. Sets LAST_PID. The
# teardown kills it and its children.
start()
{
    local name=$1

    shift
    set -m
    "${CLEAN[@]}" "$@" \
        <"${STDIN:-/dev/null}" >"$BATS_TEST_TMPDIR/$name.out" \
        2>"$BATS_TEST_TMPDIR/$name.err" 3>&- 4>&- 5>&- &
    LAST_PID=$!
    set +m
    STARTED+=("$LAST_PID")
}

# take_turns: until this test's end, makes those that want a fixed port too wait
# for it, also in other runs. It locks a folder that every user has.
take_turns()
{
    if command -v flock >/dev/null; then
        exec 5</tmp
        flock 5
    fi
}

# wait_until SECONDS COMMAND…: runs the command again and again until it
# succeeds. Fails after SECONDS. A jump of the clock between two tries counts as
# at most 2 s: when a laptop or a virtual machine wakes up, the clock jumps
# ahead, though no program has run in the meantime.
wait_until()
{
    local limit=$(($1 * SLOWER)) last=$SECONDS passed
    local left=$((limit + 1))

    shift
    until "$@" >/dev/null 2>&1; do
        passed=$((SECONDS - last))
        last=$SECONDS
        if [ "$passed" -lt 0 ] || [ "$passed" -gt 2 ]; then
            passed=2
        fi
        left=$((left - passed))
        if [ "$left" -le 0 ]; then
            fail "not within $limit s: $*"
            return 1
        fi
        nap
    done
}

# pause SECONDS: sleeps; where bash can, without a process, since starting one
# takes CPU time, which would disturb the tests that measure it.
pause()
{
    local never=$BATS_RUN_TMPDIR/never

    if [ "${BASH_VERSINFO[0]}" -lt 4 ]; then
        sleep "$1"
        return
    fi
    [ -p "$never" ] || mkfifo "$never" 2>/dev/null || true
    # A fifo that is open for reading and writing has no data and no EOF.
    read -r -t "$1" <>"$never" || true
}

# look_at_clock: sets NOW_MS to a time in milliseconds, with a resolution of
# about 10 ms. Only Linux has this clock.
look_at_clock()
{
    read -r NOW_MS _ </proc/uptime
    NOW_MS=${NOW_MS/./}0
}

# nap: sleeps for 20 ms.
nap()
{
    pause 0.02
}

not()
{
    ! "$@"
}

# state_of PID: sets STATE to the letter that ps shows: R for running, S for
# sleeping, T for stopped (t: under strace), Z for a zombie. Fails if there is
# no such process.
state_of()
{
    local stat

    if [ -r /proc/self/stat ]; then
        read -r stat 2>/dev/null <"/proc/$1/stat" || return 1
        # The name, in parentheses, may hold blanks.
        STATE=${stat##*) }
    else
        STATE=$(ps -o stat= -p "$1") || return 1
    fi
    STATE=${STATE:0:1}
}

# alive PID: true while it runs (a zombie doesn't).
alive()
{
    state_of "$1" && [ "$STATE" != Z ]
}

# wait_for_exit PID [SECONDS]: waits until a started process has ended, at most
# SECONDS (default $PATIENCE), and sets STATUS to its exit status (128 + the
# number for a signal). server_death then takes its end as expected.
wait_for_exit()
{
    if ! wait_until "${2:-$PATIENCE}" not alive "$1"; then
        return 1
    fi
    STATUS=0
    ENDED+=" $1"
    # The shell prints a message about a job that a signal has ended.
    wait "$1" 2>/dev/null || STATUS=$?
}

# stop PID, resume PID: do what Ctrl-Z and fg do. stop returns once the process
# has stopped.
stop()
{
    kill -STOP "$1"
    wait_until 5 stopped "$1"
}

stopped()
{
    state_of "$1" && [[ $STATE == [Tt] ]]
}

resume()
{
    kill -CONT "$1"
}

# look_at_children PID: sets the array CHILDREN to the ids of its children,
# zombies included, and ZOMBIES to the number of zombies. Tests call this again
# and again, so it starts no process where there's /proc.
look_at_children()
{
    local id list stat state parent

    CHILDREN=()
    ZOMBIES=0
    if [ -r "/proc/$1/task/$1/children" ]; then
        for list in "/proc/$1"/task/*/children; do
            { read -r -a list <"$list"; } 2>/dev/null || true
            CHILDREN+=(${list[@]+"${list[@]}"})
        done
        for id in ${CHILDREN[@]+"${CHILDREN[@]}"}; do
            state_of "$id" && [ "$STATE" = Z ] && ZOMBIES=$((ZOMBIES + 1))
        done
        return 0
    fi
    if [ ! -r /proc/self/stat ]; then
        while read -r id parent state; do
            note_child "$1" "$id" "$parent" "$state"
        done < <(ps -A -o pid= -o ppid= -o stat=)
        return
    fi
    for id in /proc/[0-9]*; do
        # Some processes end during this loop.
        { read -r stat <"$id/stat"; } 2>/dev/null || continue
        # The name, in parentheses, may hold any character.
        stat=${stat##*) }
        state=${stat%% *}
        parent=${stat#* }
        note_child "$1" "${id##*/}" "${parent%% *}" "$state"
    done
}

# note_child PID ID PARENT STATE: adds process ID to CHILDREN and ZOMBIES if it
# is a child of PID.
note_child()
{
    if [ "$3" = "$1" ]; then
        CHILDREN+=("$2")
        [[ $4 != Z* ]] || ZOMBIES=$((ZOMBIES + 1))
    fi
}

# look_at_fds PID: sets FDS to the number of its open descriptors.
look_at_fds()
{
    local fds=("/proc/$1/fd"/*)

    FDS=${#fds[@]}
    # In a container root may not read this, but the program's own user may.
    if [[ ${fds[0]} == *\* && ${#CAGE[@]} -gt 0 ]]; then
        FDS=$("${CAGE[@]}" ls "/proc/$1/fd" | wc -l)
    fi
}

# children_of PID: prints the ids of its children, zombies included, a line
# each.
children_of()
{
    look_at_children "$1"
    [ ${#CHILDREN[@]} -eq 0 ] || printf '%s\n' "${CHILDREN[@]}"
}

# count_children PID, zombies_of PID, fds_of PID: each prints a number. In a
# loop, the functions above are cheaper.
count_children()
{
    look_at_children "$1"
    echo "${#CHILDREN[@]}"
}

zombies_of()
{
    look_at_children "$1"
    echo "$ZOMBIES"
}

fds_of()
{
    look_at_fds "$1"
    echo "$FDS"
}

# rss_of PID, hwm_of PID: print how much memory it has now, and the most that it
# has had, in KiB. rss_of counts its private pages where the kernel can, because
# on some kernels VmRSS is off by more than the tests allow.
rss_of()
{
    local files=("/proc/$1/status")

    if [ -r "/proc/$1/smaps_rollup" ]; then
        files+=("/proc/$1/smaps_rollup")
    fi
    ${CAGE[@]+"${CAGE[@]}"} \
        awk '$1 == "Anonymous:" { own = $2 } $1 == "VmRSS:" { rss = $2 }
        END { print own == "" ? rss : own }' "${files[@]}"
}

hwm_of()
{
    awk '$1 == "VmHWM:" { print $2 }' "/proc/$1/status"
}

# look_at_time PID: sets CPU_MS to how many milliseconds of CPU time it and its
# children have used, and SLICES to how often the kernel has let them run.
look_at_time()
{
    local pid ran times

    CPU_MS=0
    SLICES=0
    look_at_children "$1"
    for pid in "$1" ${CHILDREN[@]+"${CHILDREN[@]}"}; do
        { read -r ran _ times <"/proc/$pid/schedstat"; } 2>/dev/null ||
            continue
        CPU_MS=$((CPU_MS + ran / 1000000))
        SLICES=$((SLICES + times))
    done
}
