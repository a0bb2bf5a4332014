# client -- starts the client under test, and checks what it did
# shellcheck shell=bash
# Names that lib/stage sets, scripts for other shells, both ends of a fifo.
# shellcheck disable=SC2153,SC2016,SC2094,SC2034

load ../lib/stage

client_setup()
{
    stage_setup
    CLIENT_ERR=$BATS_TEST_TMPDIR/client.err
    CLIENT_OUT=$BATS_TEST_TMPDIR/client.out
    CLIENT_IN=/dev/null
}

# random_file BYTES: writes random bytes to $BATS_FILE_TMPDIR/random, for
# setup_file. They have NULs, newlines, and no newline at the end.
random_file()
{
    head -c "$1" /dev/urandom >"$BATS_FILE_TMPDIR/random"
}

# file_of BYTES: sets FILE to a file with the first BYTES of these.
file_of()
{
    FILE=$BATS_TEST_TMPDIR/$1.random
    head -c "$1" "$BATS_FILE_TMPDIR/random" >"$FILE"
}

# Skips a test that a lockstep client, which waits for each answer, can't pass.
not_lockstep()
{
    if [[ $LIKE == 01* ]]; then
        not_for "a limit of 01: $1"
    fi
}

# ours_only: skips a test of what only our own clients promise.
ours_only()
{
    [ -z "${CLIENT:-}" ] || not_for "for the stages' own clients"
}

# bad_server MODE: starts a server with this fault (see tools/badserver.c).
bad_server()
{
    SERVER_CMD=("$TOOLS/badserver" "$1")
    server_start
}

# client_run COMMAND…: starts the command, which runs the client.
client_run()
{
    start client "$@"
    CLIENT_PID=$LAST_PID
}

# client_start [FILE]: starts the client with stdin from FILE.
client_start()
{
    CLIENT_IN=${1:-/dev/null}
    STDIN=$CLIENT_IN client_run "${CLIENT_CMD[@]}" localhost "$PORT"
}

# client_failed_because EXPECTED CAME CAUSE: calls fail_because, and shows the
# client's stderr.
client_failed_because()
{
    if [ -s "$CLIENT_ERR" ]; then
        echo "the client's stderr ends with:"
        tail -n 5 "$CLIENT_ERR"
    fi
    fail_because "$(client_topic "$3")" "$@"
}

# assert_client_exits WITH CAUSE [SECONDS]: waits for the client's end, at most
# SECONDS (default $PATIENCE). WITH is the exit status that it should have, or
# `failure`: 1, or for a CLIENT any but 0, and not by a signal. A failure needs
# a reason.
assert_client_exits()
{
    local seconds=${3:-$PATIENCE} CAUSE

    if ! wait_for_exit "$CLIENT_PID" "$seconds" >/dev/null; then
        diagnose_client "$2"
        client_failed_because "the client ends" \
            "it still runs after $seconds s" "$CAUSE"
        return 1
    fi
    case $1:$STATUS in
        failure:1 | "$STATUS:$STATUS") ;;
        failure:0 | failure:12[4-9] | failure:1[3-9]?) false ;;
        failure:*) [ -n "${CLIENT:-}" ] ;;
        *) false ;;
    esac || {
        diagnose_client "$2"
        client_failed_because \
            "exit status $1, with a reason on stderr unless it is 0" \
            "exit status $STATUS" "$CAUSE"
        return 1
    }
    [ "$STATUS" -eq 0 ] || reasoned ||
        client_failed_because "a line on stderr that says why it failed" \
            "none" \
            "its exit status is right, but it doesn't say why"
}

# reasoned: true if stderr has a line besides the usual two.
reasoned()
{
    grep -qvxE 'Connected to server|Disconnected from server' "$CLIENT_ERR"
}

# assert_client_says LINE…: our own client's stderr has exactly these lines.
assert_client_says()
{
    local expected

    [ -z "${CLIENT:-}" ] || return 0
    expected=$(printf '%s\n' "$@")
    [ "$(cat "$CLIENT_ERR")" = "$expected" ] ||
        client_failed_because "on stderr: ${expected//$'\n'/; }" \
            "$(cat "$CLIENT_ERR")" \
            "a message is missing, has other words, or isn't true"
}

# assert_client_fails REASON: the client exits with 1, and prints this reason
# between "Connected to server" and "Disconnected from server".
assert_client_fails()
{
    assert_client_exits failure "its message on stderr doesn't name the \
reason" &&
        assert_client_says "Connected to server" "$1" \
            "Disconnected from server"
}

# assert_came_back FILE: fails unless stdout has what FILE has.
assert_came_back()
{
    local diff CAUSE

    diff=$(cmp "$1" "$CLIENT_OUT" 2>&1) && return
    diagnose_copy "$1"
    client_failed_because "stdout has the $(wc -c <"$1") bytes of stdin" \
        "$(wc -c <"$CLIENT_OUT") bytes: $diff" "$CAUSE"
}

# assert_client_echoes FILE: the client sends FILE, and all of it comes back.
assert_client_echoes()
{
    server_start
    client_start "$1"
    assert_client_exits 0 "it waits for something that never comes"
    assert_came_back "$1"
}

# talk_start [VAR=…]: starts the client on two pipes, of which this shell holds
# the other ends, for a conversation by say and hear. The descriptors 7 and 8
# are the very ones that the client has as stdin and stdout.
talk_start()
{
    local in=$BATS_TEST_TMPDIR/in out=$BATS_TEST_TMPDIR/out

    [ -p "$in" ] || mkfifo "$in" "$out"
    # Opening a fifo for reading and writing never blocks.
    exec 6<>"$in" 7<"$in" 8<>"$out"
    FLAGS_BEFORE=$(flags_of 7 8)
    client_run sh -c 'exec "$@" <&7 >&8 6>&- 7>&- 8>&-' sh env "$@" \
        "${CLIENT_CMD[@]}" "${LISTEN_HOST:-localhost}" "$PORT"
}

say()
{
    printf '%s\n' "$1" >&6
}

# assert_hears LINE: fails unless this line comes next.
assert_hears()
{
    local line=

    if read -r -t $((10 * SLOWER)) -u 8 line && [ "$line" = "$1" ]; then
        return
    fi
    client_failed_because \
        "the line '$1' is answered before the next is typed" \
        "'$line', or nothing for $((10 * SLOWER)) s" \
        "the client waits for more input, or keeps output in a buffer"
}

# hang_up: ends the client's stdin.
hang_up()
{
    exec 6>&-
}

# unread_start FILE [COMMAND…]: starts the client, with COMMAND before it, with
# stdin from FILE and stdout to a pipe that nobody reads: its ends are this
# shell's descriptor 8.
unread_start()
{
    local file=$1 out=$BATS_TEST_TMPDIR/unread

    shift
    [ -p "$out" ] || mkfifo "$out"
    exec 8<>"$out"
    STDIN=$file client_run sh -c 'exec "$@" >"$0" 6>&- 8>&-' "$out" "$@" \
        "${CLIENT_CMD[@]}" localhost "$PORT"
}

# read_all_of_it: starts `reader`, which reads that pipe to its end.
read_all_of_it()
{
    exec 9<"$BATS_TEST_TMPDIR/unread" 8>&-
    STDIN=/dev/fd/9 start reader "$@"
    READER_PID=$LAST_PID
    exec 9<&-
}

# connected: true once the client has said so, or anything else.
connected()
{
    [ -s "$CLIENT_ERR" ]
}

# waiting PID: true if it's blocked in a system call, or has ended.
waiting()
{
    STATE=
    state_of "$1" || true
    [[ $STATE != [RTD] ]]
}

# count_slices: sets SLICES to how often the kernel has let the client's
# processes run. Like time_slices, but without reading every process of the
# machine, if the kernel lists the children.
count_slices()
{
    local pid times list=/proc/$CLIENT_PID/task/$CLIENT_PID/children
    local children=()

    if [ ! -e "$list" ]; then
        SLICES=$(time_slices "$CLIENT_PID")
        return
    fi
    # read fails at the end of a file without a newline, though it has read it.
    { read -r -a children <"$list"; } 2>/dev/null || true
    SLICES=
    for pid in "$CLIENT_PID" ${children[@]+"${children[@]}"}; do
        { read -r _ _ times <"/proc/$pid/schedstat"; } 2>/dev/null || times=0
        SLICES+=" $times"
    done
}

# at_rest: true if the client is connected and has done nothing for 0.1 s.
at_rest()
{
    local before

    connected || return
    count_slices
    before=$SLICES
    for _ in 1 2 3 4 5; do
        nap
    done
    count_slices
    [ "$SLICES" = "$before" ] && waiting "$CLIENT_PID"
}

# server_dies: kills the server, with all its processes.
server_dies()
{
    kill -KILL -- "-$SERVER_PID"
    wait_for_exit "$SERVER_PID"
}

# flags_of FD…: prints their file status flags, in octal, if there's /proc.
flags_of()
{
    local fd key value flags=

    for fd in "$@"; do
        [ -r "/proc/self/fdinfo/$fd" ] || continue
        while read -r key value; do
            [ "$key" != flags: ] || flags+=" $value"
        done <"/proc/self/fdinfo/$fd"
    done
    echo "${flags# }"
}

# assert_flags_kept WHEN: fails unless stdin and stdout have the flags that
# they had before.
assert_flags_kept()
{
    [ "$(flags_of 7 8)" = "$FLAGS_BEFORE" ] && return
    client_failed_because "file status flags $FLAGS_BEFORE, as before" \
        "$(flags_of 7 8) $1" \
        "O_NONBLOCK is set on a descriptor that others share"
}
