# stage -- starts the program under test, watches it, and cleans up
# shellcheck shell=bash disable=SC2034,SC2119,SC2120 # for the tests
#
# A bats file loads this file and says:
#
#     load lib/stage
#     setup() { stage_setup; }
#     teardown() { stage_teardown; }
#
# The environment tells what to test (tests/run sets it):
#
#     STAGE       folder of the stage, such as 03-select (default: 05-epoll)
#     STAGES_DIR  where the stages' folders are (default: the project's root)
#     SERVER      another server in place of the stage's: a command, any
#                 language; HOST and PORT are appended
#     CLIENT      another client, in the same way
#     LIKE        the stage whose limits are allowed (default: STAGE)
#     VALGRIND=1  runs server and client under valgrind (make valgrind), and
#                 allows ten times as long
#     PATIENCE    how many seconds an exchange may take (default: 30); more
#                 for a machine that is very slow or busy
#
# Functions that check something return 1 and print what was expected, what
# came, the likely cause and the chapter to read.

TESTS_DIR=${TESTS_DIR:-$(cd "${BASH_SOURCE[0]%/*}/.." && pwd)}
ROOT_DIR=${TESTS_DIR%/*}
STAGES_DIR=${STAGES_DIR:-$ROOT_DIR}
STAGE=${STAGE:-05-epoll}
LIKE=${LIKE:-$STAGE}
TOOLS=$TESTS_DIR/tools

# By how much every deadline is longer, and how many seconds an exchange may
# take that only a fault would hold up.
SLOWER=${VALGRIND:+10}
SLOWER=${SLOWER:-1}
PATIENCE=${PATIENCE:-30}

# The tests compare messages.
export LC_ALL=C

# A runner may have had SIGPIPE or SIGINT ignored, which is inherited. Where
# env can, it sets every signal to its default. Asked once for each file.
if [ -z "${DEFAULT_SIGNALS+asked}" ]; then
    DEFAULT_SIGNALS=
    if env --default-signal true 2>/dev/null; then
        DEFAULT_SIGNALS=--default-signal
    fi
    export DEFAULT_SIGNALS
fi

# stage_setup: to be called by setup. Sets the arrays SERVER_CMD and
# CLIENT_CMD, to which a test appends HOST and PORT.
stage_setup()
{
    SERVER_CMD=("$STAGES_DIR/$STAGE/server")
    CLIENT_CMD=("$STAGES_DIR/$STAGE/client")
    # The user's own words: to be split and unquoted as a shell does.
    if [ -n "${SERVER:-}" ]; then
        eval "SERVER_CMD=($SERVER)"
    fi
    if [ -n "${CLIENT:-}" ]; then
        eval "CLIENT_CMD=($CLIENT)"
    fi
    if [ -n "${VALGRIND:-}" ]; then
        SERVER_CMD=(valgrind -q --log-file="$BATS_TEST_TMPDIR/valgrind.%p"
            "${SERVER_CMD[@]}")
        CLIENT_CMD=(valgrind -q --log-file="$BATS_TEST_TMPDIR/valgrind.%p"
            "${CLIENT_CMD[@]}")
    fi
    SERVER_PID=
    SERVER_WRAP=()
    BYSTANDER=
    BASE_FDS=
    STARTED=()
    # bats notes where it is before each command, in functions as well. The
    # line of the test is enough for its report: a sixth of the time is saved.
    set +T
}

# stage_teardown: to be called by teardown. Kills every process that start
# and server_start have made, with their children. Fails when a sanitizer has
# complained on the stderr of any.
stage_teardown()
{
    local pid

    for pid in ${STARTED[@]+"${STARTED[@]}"}; do
        kill -KILL -- "-$pid" 2>/dev/null || kill -KILL "$pid" 2>/dev/null
        wait "$pid" 2>/dev/null
    done
    if complaints; then
        echo "A sanitizer or valgrind complained: see the lines above."
        return 1
    fi
    return 0
}

# complaints: prints what a sanitizer or valgrind has said; fails if nothing.
# (The teardown runs in a trap, where `return` alone would give another status.)
complaints()
{
    local file said=()

    for file in "$BATS_TEST_TMPDIR"/*.err; do
        [ ! -s "$file" ] || said+=("$file")
    done
    if [ -n "${VALGRIND:-}" ]; then
        cat "$BATS_TEST_TMPDIR"/valgrind.* 2>/dev/null | grep .
    elif [ ${#said[@]} -gt 0 ]; then
        grep -hE 'Sanitizer|runtime error:' "${said[@]}"
    else
        false
    fi
}

# fail SENTENCE…: prints the sentences, a line each, and returns 1.
fail()
{
    printf '%s\n' "$@"
    return 1
}

# chapter NN: prints the name of the chapter of stage NN (00 to 09).
chapter()
{
    case $1 in
        00) echo docs/00-start.md ;;
        01) echo docs/01-blocking.md ;;
        02) echo docs/02-fork.md ;;
        03) echo docs/03-select.md ;;
        04) echo docs/04-poll.md ;;
        05) echo docs/05-epoll.md ;;
        06) echo docs/06-eventloop.md ;;
        07) echo docs/07-inside-node.md ;;
        08) echo docs/08-inside-nginx.md ;;
        *) echo docs/09-next.md ;;
    esac
}

# because CHAPTER EXPECTED CAME CAUSE: the form of every complaint. Prints it
# with the end of the server's stderr, and returns 1. CHAPTER is a number,
# 00 to 09, or `stage` for the chapter of the stage under test.
because()
{
    local number=$1

    if [ "$number" = stage ]; then
        number=${LIKE%%-*}
    fi
    echo "expected: $2"
    echo "came:     $3"
    echo "likely:   $4"
    echo "read:     $(chapter "$number")"
    if [ -s "${SERVER_ERR:-}" ]; then
        echo "the server's stderr ends with:"
        tail -n 5 "$SERVER_ERR"
    fi
    return 1
}

# stage_allows LIMIT: true if the stage named by LIKE has that limit:
#     one_at_a_time   a second connection waits for the first (01)
#     process_each    a process for each connection (02)
#     fd_setsize      connections beyond FD_SETSIZE are refused (03)
stage_allows()
{
    case $LIKE:$1 in
        01*:one_at_a_time | 02*:process_each | 03*:fd_setsize) return 0 ;;
        *) return 1 ;;
    esac
}

# not_for REASON: what this test asks for is no promise of this stage, or of
# this kind of server. tests/run neither shows nor counts the test.
not_for()
{
    skip "not for $LIKE: $1"
}

# not_under_valgrind: what follows would meet valgrind, and not the program.
not_under_valgrind()
{
    [ -z "${VALGRIND:-}" ] || not_for "under valgrind"
}

# need PROGRAM: skips the test if it is not installed.
need()
{
    command -v "$1" >/dev/null || skip "$1 is not installed"
}

# need_tool NAME: skips the test where tools/Makefile does not build it.
need_tool()
{
    [ -e "$TOOLS/$1" ] || skip "needs $1, which is built on Linux only"
}

# need_proc: skips the test where /proc does not tell about processes.
need_proc()
{
    [ -r /proc/self/status ] || skip "this system has no /proc as on Linux"
}

# need_descriptors N: raises this shell's limit of open files to N, or skips.
need_descriptors()
{
    local hard

    hard=$(ulimit -H -n)
    if [ "$hard" != unlimited ] && [ "$hard" -lt "$1" ]; then
        skip "needs $1 descriptors, and the hard limit is $hard"
    fi
    ulimit -S -n "$1"
}

# need_tracing: skips the test where strace is missing or may not trace.
need_tracing()
{
    not_under_valgrind
    need strace
    if ! [ -e "$BATS_FILE_TMPDIR/traces" ]; then # asked once for each file
        strace -D -o /dev/null true 2>/dev/null ||
            skip "strace may not trace here"
        : >"$BATS_FILE_TMPDIR/traces"
    fi
}

# wait_until SECONDS COMMAND…: runs the command again and again until it
# succeeds; fails after SECONDS. What the clock has leapt between two looks
# counts as 2 s at most: a laptop or a virtual machine that has slept wakes up
# with the clock ahead, and nothing has run meanwhile.
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

# nap: waits for 20 ms, where it can without a process, which would cost more
# than what is waited for.
nap()
{
    local never=$BATS_RUN_TMPDIR/never

    if [ "${BASH_VERSINFO[0]}" -lt 4 ]; then
        sleep 0.02
        return
    fi
    [ -p "$never" ] || mkfifo "$never"
    # Opened for both, a fifo has no data and no end.
    read -r -t 0.02 <>"$never" || true
}

# start NAME COMMAND…: runs the command in the background in a process group
# of its own, with every signal at its default, stdin from $STDIN (default
# /dev/null), stdout to $BATS_TEST_TMPDIR/NAME.out, stderr to NAME.err. Sets
# LAST_PID. The teardown kills it and its children.
start()
{
    local name=$1

    shift
    set -m
    env ${DEFAULT_SIGNALS:+"$DEFAULT_SIGNALS"} "$@" \
        <"${STDIN:-/dev/null}" >"$BATS_TEST_TMPDIR/$name.out" \
        2>"$BATS_TEST_TMPDIR/$name.err" 3>&- 4>&- &
    LAST_PID=$!
    set +m
    STARTED+=("$LAST_PID")
}

# server_launch [VAR=…] [ARGS…]: starts the server on $LISTEN_HOST (default
# localhost) and $LISTEN_PORT (default 0, the kernel's choice), with ARGS
# before these, and does not wait. Sets SERVER_PID, SERVER_OUT, SERVER_ERR.
# SERVER_WRAP, an array, may hold a command to run it under, such as strace
# -D, that leaves the server its process id. Call it again for a second one.
server_launch()
{
    local vars=()

    while [[ ${1:-} == [A-Za-z_]*=* ]]; do
        vars+=("$1")
        shift
    done
    SERVER_COUNT=$((${SERVER_COUNT:-0} + 1))
    start "server$SERVER_COUNT" ${vars[@]+"${vars[@]}"} \
        ${SERVER_WRAP[@]+"${SERVER_WRAP[@]}"} "${SERVER_CMD[@]}" "$@" \
        "${LISTEN_HOST:-localhost}" "${LISTEN_PORT:-0}"
    SERVER_PID=$LAST_PID
    SERVER_OUT=$BATS_TEST_TMPDIR/server$SERVER_COUNT.out
    SERVER_ERR=$BATS_TEST_TMPDIR/server$SERVER_COUNT.err
}

# server_start [VAR=…] [ARGS…]: as server_launch, and waits for the line that
# says where it listens. Sets PORT as well.
server_start()
{
    local unseen="printed to stderr, no newline, or not flushed (fflush)"

    server_launch "$@"
    if ! wait_until 20 server_spoke_or_ended || ! server_spoke; then
        because 01 \
            "a line on stdout: Server is listening on HOST:PORT" \
            "$(head -c 200 "$SERVER_OUT") $(head -c 500 "$SERVER_ERR")" \
            "$unseen; or it ended: ${SERVER_CMD[*]}"
        return 1
    fi
    PORT=${SERVER_LINE##*:}
    if [[ ${LISTEN_HOST:-} == */* ]]; then
        PORT=0 # a path has none
    elif [[ $SERVER_LINE != *:* || -z $PORT || $PORT == *[!0-9]* ]]; then
        because 01 "Server is listening on HOST:PORT" "$SERVER_LINE" \
            "the line must end in :PORT"
        return 1
    fi
}

# under_strace OPTION…: starts the server with strace's options, which may
# tamper with its system calls, and leaves it its process id. In them ?NAME is
# a call that some machines do not have, such as fork on 64-bit ARM.
under_strace()
{
    need_tracing
    SERVER_WRAP=(strace -D -f -qq -o "$BATS_TEST_TMPDIR/strace" "$@")
    server_start
}

# server_spoke: true once the server has said where it listens. Other words
# before the :PORT do too, here: one test asks for the exact form.
server_spoke()
{
    SERVER_LINE=
    # read fails as long as the line has no end.
    read -r SERVER_LINE <"$SERVER_OUT" && [[ $SERVER_LINE == *[0-9/]* ]]
}

server_spoke_or_ended()
{
    server_spoke || ! alive "$SERVER_PID"
}

# state_of PID: sets STATE to the letter by which ps tells of it: R or S runs
# or waits, T is stopped (t: under strace), Z a zombie. Fails if there is no
# such process.
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

# alive PID: true while it runs (a zombie does not).
alive()
{
    state_of "$1" && [ "$STATE" != Z ]
}

# end_of PID [SECONDS]: waits until a started process has ended, at most
# SECONDS (default 10), and sets STATUS to its exit status (128 + the number
# for a signal).
end_of()
{
    if ! wait_until "${2:-10}" not alive "$1"; then
        return 1
    fi
    STATUS=0
    # The shell tells of a job that a signal has ended.
    wait "$1" 2>/dev/null || STATUS=$?
}

# kill_server: ends it at once, but not its children.
kill_server()
{
    kill -KILL "$SERVER_PID"
    end_of "$SERVER_PID"
}

not()
{
    ! "$@"
}

# look_at_children PID: sets the array CHILDREN to the ids of its children,
# zombies too, and ZOMBIES to the number of these. No process is started for
# it where /proc tells, as tests wait for a number of children to come.
look_at_children()
{
    local id stat state parent

    CHILDREN=()
    ZOMBIES=0
    if [ ! -r /proc/self/stat ]; then
        while read -r id parent state; do
            note_child "$1" "$id" "$parent" "$state"
        done < <(ps -A -o pid= -o ppid= -o stat=)
        return
    fi
    for id in /proc/[0-9]*; do
        # Some end while this looks.
        { read -r stat <"$id/stat"; } 2>/dev/null || continue
        # The name, in parentheses, may have anything in it.
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

# children_of PID: prints the ids of its children, a line each, zombies too.
children_of()
{
    look_at_children "$1"
    [ ${#CHILDREN[@]} -eq 0 ] || printf '%s\n' "${CHILDREN[@]}"
}

# count_children PID, zombies_of PID, fds_of PID: each prints a number.
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
    local fds=("/proc/$1/fd"/*)

    echo "${#fds[@]}"
}

# rss_of PID, hwm_of PID: prints its memory now, and at most so far, in KiB.
# Now: its own pages where the kernel counts these, as VmRSS of some kernels
# is off by more than is asked here.
rss_of()
{
    local files=("/proc/$1/status")

    if [ -r "/proc/$1/smaps_rollup" ]; then
        files+=("/proc/$1/smaps_rollup")
    fi
    awk '$1 == "Anonymous:" { own = $2 } $1 == "VmRSS:" { rss = $2 }
        END { print own == "" ? rss : own }' "${files[@]}"
}

hwm_of()
{
    awk '$1 == "VmHWM:" { print $2 }' "/proc/$1/status"
}

# cpu_ticks PID: prints the CPU time that it and its children, those that
# live and those that it has waited for, have used: in ticks of 10 ms.
cpu_ticks()
{
    local pid stat fields sum=0

    look_at_children "$1"
    for pid in "$1" ${CHILDREN[@]+"${CHILDREN[@]}"}; do
        { read -r stat <"/proc/$pid/stat"; } 2>/dev/null || continue
        # After the name: the state is field 0, utime 11, and so on.
        # shellcheck disable=SC2206 # to be split
        fields=(${stat##*) })
        sum=$((sum + fields[11] + fields[12]))
        if [ "$pid" = "$1" ]; then
            sum=$((sum + fields[13] + fields[14]))
        fi
    done
    echo "$sum"
}

# stop PID, resume PID: as Ctrl-Z and fg do. stop returns when it has stopped.
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

# idles SECONDS TICKS WHEN [PID]: the server, or that process, lives and uses
# at most so many ticks (10 ms) of CPU in so many seconds, its children's among
# them. WHEN is for the message. Three tries: what is left to clean up from
# before comes to its end, a spin does not.
idles()
{
    local before after pid=${4:-$SERVER_PID}

    need_proc
    for _ in 1 2 3; do
        before=$(cpu_ticks "$pid")
        sleep "$1"
        after=$(cpu_ticks "$pid")
        if ! alive "$pid"; then
            because stage "it waits $3" "it has ended" \
                "what it waits for was taken for an end, or an error"
            return 1
        fi
        if [ $((after - before)) -le "$2" ]; then
            return 0
        fi
    done
    because stage "at most $2 ticks of CPU in $1 s $3" \
        "$((after - before)) ticks" \
        "it asks for an event that it then does nothing about: a spin"
}

# says_few SECONDS: the server's stderr has at most a line a second, and one
# more, in a run of so many seconds.
says_few()
{
    local lines

    lines=$(wc -l <"$SERVER_ERR")
    [ "$lines" -le $(($1 + 1)) ] ||
        because stage "at most $(($1 + 1)) lines on stderr in $1 s" \
            "$lines lines" "one line for each failed call"
}

# says_nothing: the server's stderr is empty.
says_nothing()
{
    [ ! -s "$SERVER_ERR" ] ||
        because stage "nothing on stderr, as nothing was wrong" \
            "$(wc -l <"$SERVER_ERR") lines" "normal events taken for errors"
}

# peer [OPTIONS] STEP…: runs the scripted peer (see tools/peer.c) against the
# server, on $LISTEN_HOST. Prints what it prints; fails as it fails.
peer()
{
    "$TOOLS/peer" "${LISTEN_HOST:-localhost}" "$PORT" \
        -t $((PATIENCE * SLOWER)) "$@"
}

# peer_start NAME [OPTIONS] STEP…: the same in the background. Sets LAST_PID.
peer_start()
{
    local name=$1

    shift
    start "$name" "$TOOLS/peer" "${LISTEN_HOST:-localhost}" "$PORT" \
        -t $((PATIENCE * SLOWER)) "$@"
}

# peer_rests NAME PATTERN [SECONDS]: waits until that peer has told a state
# which matches the pattern, such as '* 0 busy*'; at most 10 s.
peer_rests()
{
    if ! wait_until "${3:-10}" peer_told "$1" "$2"; then
        because stage "the peers come to rest: $2" \
            "$(peer_state "$1") $(cat "$BATS_TEST_TMPDIR/$1.err")" \
            "a connection is not served"
        return 1
    fi
}

# peer_state NAME: the last state that it has told.
peer_state()
{
    look_at_peer "$1"
    echo "$PEER_STATE"
}

# look_at_peer NAME: sets PEER_STATE to that, and starts no process for it.
look_at_peer()
{
    PEER_STATE=
    # read up to a NUL fails at the end of the file, which it has read.
    read -r -d '' PEER_STATE <"$BATS_TEST_TMPDIR/$1.out" || true
    PEER_STATE=${PEER_STATE##*$'\n'}
}

peer_told()
{
    look_at_peer "$1"
    # shellcheck disable=SC2053 # a pattern
    [[ $PEER_STATE == $2 ]]
}

# peer_ends PID NAME [SECONDS]: waits until that peer has ended, and fails
# unless all went as it should for it.
peer_ends()
{
    if ! end_of "$1" "${3:-$((PATIENCE + 5))}" || [ "$STATUS" -ne 0 ]; then
        because stage "all that was sent comes back, and then FIN" \
            "$(peer_state "$2") $(cat "$BATS_TEST_TMPDIR/$2.err")" \
            "bytes lost or another's, a connection dropped or left open"
        return 1
    fi
}

# pings_beside WHOM: of 500 round trips beside them half take less than 100 ms,
# and 99 in 100 less than a second, as the machine itself may hold up some. Who
# is starved waits each time.
pings_beside()
{
    local told median p99

    if ! told=$(peer -t $((120 * SLOWER)) ping:500 2>&1); then
        because stage "500 pings are answered beside $1" "$told" \
            "the server waits for, or is kept busy by, another connection"
        return 1
    fi
    median=$(sed -n 's/.*median \([0-9]*\) us.*/\1/p' <<<"$told")
    p99=$(sed -n 's/.*p99 \([0-9]*\) us.*/\1/p' <<<"$told")
    [ "$median" -lt $((100000 * SLOWER)) ] &&
        [ "$p99" -lt $((1000000 * SLOWER)) ] ||
        because stage "a median below 100 ms, a p99 below 1 s beside $1" \
            "a median of $median us, a p99 of $p99 us" \
            "a connection is served until it has nothing more"
}

# warm: notes the baseline that healthy compares with. Call it after
# server_start: it runs one connection through the server first.
warm()
{
    peer echo:1000 fin end >/dev/null ||
        because 01 "1,000 bytes come back, then FIN" "the peer's complaint above" \
            "it does not echo yet: nothing else can be tested"
    if [ -r /proc/self/status ]; then
        wait_until 10 quiet
        BASE_FDS=$(fds_of "$SERVER_PID")
        BASE_CHILDREN=$(count_children "$SERVER_PID")
    fi
}

# bystander: connects a client whose exchange, before and after the harm, must
# not be touched by it; healthy asks. None on 01, where it would be in the way.
bystander()
{
    if stage_allows one_at_a_time; then
        return
    fi
    peer_start bystander -t 60 -s 7 echo:1000 wait echo:10000 fin end
    BYSTANDER=$LAST_PID
    peer_rests bystander '1 waiting*'
}

bystander_ends()
{
    if [ -z "$BYSTANDER" ]; then
        return
    fi
    kill -USR1 "$BYSTANDER"
    STATUS=stuck
    end_of "$BYSTANDER" || true
    BYSTANDER=
    if [ "$STATUS" != 0 ]; then
        because stage "a bystander's bytes come back" \
            "its exit status: $STATUS; $(cat "$BATS_TEST_TMPDIR/bystander.err")" \
            "one connection's trouble touches another"
        return 1
    fi
}

# quiet: true if the server has no child left of a connection.
quiet()
{
    stage_allows process_each || return 0
    look_at_children "$SERVER_PID"
    [ ${#CHILDREN[@]} -eq 0 ]
}

at_baseline()
{
    look_at_children "$SERVER_PID"
    [ ${#CHILDREN[@]} -le "$BASE_CHILDREN" ] &&
        [ "$(fds_of "$SERVER_PID")" -le "$BASE_FDS" ]
}

# healthy: to be called at the end of a test that has harmed connections. The
# server lives, echoes 64 KiB to a new client and the bystander's bytes, has no
# zombie, and its descriptors and children are back where warm has found them.
healthy()
{
    local came

    if ! alive "$SERVER_PID"; then
        because stage "the server goes on" "it has ended" \
            "one connection's trouble was taken for its own"
        return 1
    fi
    if ! came=$(peer -t $((5 * SLOWER)) echo:65536 fin end 2>&1); then
        because stage "a new client gets its 64 KiB back" "$came" \
            "the server waits for, or is kept busy by, an old connection"
        return 1
    fi
    bystander_ends || return 1
    if [ -z "$BASE_FDS" ]; then
        return 0
    fi
    if ! wait_until 10 at_baseline; then
        because stage \
            "$BASE_FDS descriptors and $BASE_CHILDREN children, as before" \
            "$(fds_of "$SERVER_PID") descriptors, $(count_children \
                "$SERVER_PID") children" \
            "a connection was not closed, or a child not waited for"
        return 1
    fi
}
