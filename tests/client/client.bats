#!/usr/bin/env bats
# What a client promises: stdin goes to the server, what comes back goes to
# stdout, byte for byte, and the exit status says whether all of it came.
#

# Names that lib/stage sets, scripts for other shells, both ends of a fifo.
# shellcheck disable=SC2153,SC2016,SC2094

load ../lib/stage

setup_file()
{
    # Random bytes have everything: NULs, line ends, no line end at the end.
    head -c 33554432 /dev/urandom >"$BATS_FILE_TMPDIR/random"
}

setup()
{
    stage_setup
    RANDOM_FILE=$BATS_FILE_TMPDIR/random
    CLIENT_ERR=$BATS_TEST_TMPDIR/client.err
    CLIENT_OUT=$BATS_TEST_TMPDIR/client.out
}

teardown()
{
    stage_teardown
}

# Skips what a lockstep client, which waits for each answer, can't do.
not_lockstep()
{
    if [[ $LIKE == 01* ]]; then
        not_for "a limit of 01: $1"
    fi
}

# bad_server MODE: the server is one that has this fault.
bad_server()
{
    SERVER_CMD=("$TOOLS/badserver" "$1")
    server_start
}

# client_start [FILE]: starts the client with stdin from FILE.
client_start()
{
    STDIN=${1:-/dev/null} start client "${CLIENT_CMD[@]}" localhost "$PORT"
    CLIENT_PID=$LAST_PID
}

# client_failed_because EXPECTED CAME CAUSE: complains, with what the client itself has said.
client_failed_because()
{
    if [ -s "$CLIENT_ERR" ]; then
        echo "the client's stderr ends with:"
        tail -n 5 "$CLIENT_ERR"
    fi
    fail_because "$(client_topic "$3")" "$@"
}

# assert_client_exits WITH CAUSE [SECONDS]: waits for the client's end, at most SECONDS
# (default $PATIENCE). WITH is the exit status that it should have, or `failure`
# for any but 0, and not by a signal. A failure needs a reason.
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
        failure:0 | failure:12[4-9] | failure:1[3-9]?) ;;
        "$STATUS:0") return ;;
        failure:* | "$STATUS:$STATUS")
            reasoned && return
            client_failed_because "a line on stderr that says why it failed" "none" \
                "it ends rightly, but does not say why"
            return 1
            ;;
    esac
    diagnose_client "$2"
    client_failed_because "exit status $1, with a reason on stderr unless it is 0" \
        "exit status $STATUS" "$CAUSE"
}

# reasoned: true if stderr has a line that is not one of the usual two.
reasoned()
{
    grep -qvxE 'Connected to server|Disconnected from server' "$CLIENT_ERR"
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
    assert_client_exits 0 "it waits for something that won't come"
    assert_came_back "$1"
}

# talk_start: starts the client on two pipes, of which this shell holds the
# other ends, for a conversation by say and hear. The descriptors 7 and 8 are
# the very ones that the client has as stdin and stdout.
talk_start()
{
    local in=$BATS_TEST_TMPDIR/in out=$BATS_TEST_TMPDIR/out

    mkfifo "$in" "$out"
    # A fifo opened for both never waits for the other side.
    exec 6<>"$in" 7<"$in" 8<>"$out"
    FLAGS_BEFORE=$(flags_of 7 8)
    start client sh -c 'exec "$@" <&7 >&8 6>&- 7>&- 8>&-' sh \
        "${CLIENT_CMD[@]}" localhost "$PORT"
    CLIENT_PID=$LAST_PID
}

say()
{
    printf '%s\n' "$1" >&6
}

# assert_hears LINE: fails unless this line comes next.
assert_hears()
{
    local line=

    if read -r -t 10 -u 8 line && [ "$line" = "$1" ]; then
        return
    fi
    client_failed_because "the line '$1' is answered before the next is typed" \
        "'$line', or nothing for 10 s" \
        "the client waits for more input, or keeps output in a buffer"
}

# hang_up: ends the client's stdin.
hang_up()
{
    exec 6>&-
}

# stop_client, continue_client: as Ctrl-Z and fg, to all of its processes.
stop_client()
{
    local pid

    kill -STOP -- "-$CLIENT_PID" || return
    for pid in "$CLIENT_PID" $(children_of "$CLIENT_PID"); do
        wait_until 5 stopped_or_ended "$pid"
    done
}

stopped_or_ended()
{
    STATE=
    state_of "$1" || true
    [[ $STATE != [RSDI] ]]
}

continue_client()
{
    kill -CONT -- "-$CLIENT_PID"
}

# waiting PID: true if it is in a system call that waits, or has ended.
waiting()
{
    STATE=
    state_of "$1" || true
    [[ $STATE != [RTD] ]]
}

# through_pipes FILE BYTES: starts BYTES of FILE on their way through a pipe,
# the client and another pipe to a comparison. The exit status is the client's
# own, or 3 if that is 0 and yet not all has come.
through_pipes()
{
    start client bash -c 'file=$0 n=$1 said=$2
        shift 2
        head -c "$n" "$file" | "$@" |
            cmp - <(head -c "$n" "$file") >"$said" 2>&1
        status=("${PIPESTATUS[@]}")
        [ "${status[1]}" -eq 0 ] || exit "${status[1]}"
        cat "$said" >&2
        [ "${status[2]}" -eq 0 ] || exit 3' \
        "$1" "$2" "$BATS_TEST_TMPDIR/cmp" "${CLIENT_CMD[@]}" localhost "$PORT"
    CLIENT_PID=$LAST_PID
}

# connected: true once the client has said so, or anything else.
connected()
{
    test -s "$CLIENT_ERR"
}

# offset_of PID: prints how far its stdin, a file, has been read.
offset_of()
{
    awk '$1 == "pos:" { print $2 }' "/proc/$1/fdinfo/0"
}

# stuck PID: true if it is connected, and has read nothing for a moment.
stuck()
{
    local before

    connected || return
    before=$(offset_of "$1")
    sleep 1 # the moment
    [ "$(offset_of "$1")" -eq "$before" ]
}

# server_dies: kills the server, with all its processes.
server_dies()
{
    kill -KILL -- "-$SERVER_PID"
}

# flags_of FD…: prints their file status flags, in octal, where /proc tells.
flags_of()
{
    local fd

    for fd in "$@"; do
        [ -r "/proc/self/fdinfo/$fd" ] || continue
        awk '$1 == "flags:" { print $2 }' "/proc/self/fdinfo/$fd"
    done | xargs
}

# assert_flags_kept WHEN: fails unless stdin and stdout have the flags of before.
assert_flags_kept()
{
    [ "$(flags_of 7 8)" = "$FLAGS_BEFORE" ] && return
    client_failed_because "file status flags $FLAGS_BEFORE, as before" \
        "$(flags_of 7 8) $1" \
        "O_NONBLOCK is set on a descriptor that others share"
}

@test "client: a small file comes back" {
    printf 'Hello, server!\nHow are you?\n' >"$BATS_TEST_TMPDIR/small"
    assert_client_echoes "$BATS_TEST_TMPDIR/small"
}

@test "client: stderr says connected and disconnected, stdout nothing" {
    assert_client_echoes /dev/null
    run diff "$CLIENT_ERR" - <<<$'Connected to server\nDisconnected from server'
    [ "$status" -eq 0 ] ||
        client_failed_because "these two lines on stderr, and no other" "$output" \
            "debug output, or stdout and stderr are mixed up"
}

@test "client: an empty file ends at once" {
    : >"$BATS_TEST_TMPDIR/empty"
    assert_client_echoes "$BATS_TEST_TMPDIR/empty"
}

@test "client: stdin may be /dev/null" {
    assert_client_echoes /dev/null
}

@test "client: a single byte comes back" {
    printf x >"$BATS_TEST_TMPDIR/byte"
    assert_client_echoes "$BATS_TEST_TMPDIR/byte"
}

@test "client: no end of line at the end is needed, none is added" {
    printf 'one\ntwo' >"$BATS_TEST_TMPDIR/text"
    assert_client_echoes "$BATS_TEST_TMPDIR/text"
}

@test "client: NULs and all other bytes, in sizes around the buffers'" {
    local size pids=()

    server_start
    for size in 1 4095 4096 4097 16383 16385 65537 1000003; do
        head -c "$size" "$RANDOM_FILE" >"$BATS_TEST_TMPDIR/$size"
        STDIN=$BATS_TEST_TMPDIR/$size start "client$size" \
            "${CLIENT_CMD[@]}" localhost "$PORT"
        pids+=("$LAST_PID:$size")
    done
    for size in "${pids[@]}"; do
        CLIENT_PID=${size%:*}
        size=${size#*:}
        CLIENT_OUT=$BATS_TEST_TMPDIR/client$size.out
        CLIENT_ERR=$BATS_TEST_TMPDIR/client$size.err
        assert_client_exits 0 "it waits for something that won't come"
        assert_came_back "$BATS_TEST_TMPDIR/$size"
    done
}

@test "client: a regular file of 10 MB comes back" {
    head -c 10000000 "$RANDOM_FILE" >"$BATS_TEST_TMPDIR/10M"
    assert_client_echoes "$BATS_TEST_TMPDIR/10M"
}

@test "client: 32 MiB of random bytes through pipes come back" {
    server_start
    through_pipes "$RANDOM_FILE" 33554432
    assert_client_exits 0 "a short write's rest is lost, or both sides wait" \
        $((4 * PATIENCE))
}

@test "client: 128 MiB through pipes without a deadlock" {
    server_start
    through_pipes /dev/zero 134217728
    assert_client_exits 0 "all is written before anything is read: both sides wait" \
        $((4 * PATIENCE))
}

@test "client: each line is answered before the next is typed" {
    local line

    server_start
    talk_start
    for line in one 'two words' '' four; do
        say "$line"
        assert_hears "$line"
    done
    hang_up
    assert_client_exits 0 "it does not see the end of its stdin"
}

@test "client: on a terminal lines are answered, Ctrl-Z, fg, Ctrl-D work" {
    not_under_valgrind
    server_start
    start client "$TOOLS/pty" "${CLIENT_CMD[@]}" localhost "$PORT"
    CLIENT_PID=$LAST_PID
    if wait_for_exit "$CLIENT_PID" 45 && [ "$STATUS" -eq 98 ]; then
        skip "no terminal to be had: $(tail -n 1 "$CLIENT_ERR")"
    fi
    assert_client_exits 0 "EINTR after fg is taken for an error"
}

@test "client: stopped while it waits, then continued, it goes on" {
    server_start
    talk_start
    say before
    assert_hears before
    wait_until 5 waiting "$CLIENT_PID"
    stop_client
    continue_client
    # Input that is there already would hide an EINTR.
    wait_until 5 waiting "$CLIENT_PID"
    say after
    assert_hears after
    hang_up
    assert_client_exits 0 "EINTR is taken for an error"
}

@test "client: stopped and continued in mid-transfer, it loses nothing" {
    local stops=0

    server_start
    through_pipes /dev/zero 67108864
    wait_until 10 connected
    while [ "$stops" -lt 5 ] && alive "$CLIENT_PID" && stop_client; do
        continue_client
        stops=$((stops + 1))
        nap
    done
    [ "$stops" -gt 0 ] ||
        fail "it had ended before the first stop: this test proves nothing"
    assert_client_exits 0 "EINTR is an error to it, or a short write's rest is lost" \
        $((4 * PATIENCE))
}

@test "client: half-close: a server that answers only after FIN is heard" {
    not_lockstep "it waits for each answer before it sends on"
    bad_server late
    head -c 40000 "$RANDOM_FILE" >"$BATS_TEST_TMPDIR/file"
    client_start "$BATS_TEST_TMPDIR/file"
    assert_client_exits 0 "close in place of shutdown(SHUT_WR), or neither of them"
    assert_came_back "$BATS_TEST_TMPDIR/file"
}

@test "client: costs no CPU after its stdin's end, the server silent" {
    not_under_valgrind
    not_lockstep "it has sent nothing, and waits for nothing"
    bad_server silent
    client_start /dev/null
    wait_until 5 connected
    assert_idle "after the end of /dev/null" "$CLIENT_PID"
    # The end of a pipe is another event than that of a file.
    bad_server silent
    : >"$CLIENT_ERR" # the first client's words
    talk_start
    wait_until 5 connected
    hang_up
    assert_idle "after the end of a pipe" "$CLIENT_PID"
}

@test "client: costs no CPU while nobody reads its stdout" {
    local size

    not_under_valgrind
    need_proc
    mkfifo "$BATS_TEST_TMPDIR/full"
    exec 8<>"$BATS_TEST_TMPDIR/full"
    # The first is read to its end; the second is too much for the sockets.
    for size in 200K 64M; do
        server_start
        truncate -s "$size" "$BATS_TEST_TMPDIR/zeros"
        : >"$CLIENT_ERR" # an earlier client's words
        STDIN=$BATS_TEST_TMPDIR/zeros start client sh -c 'exec "$@" >&8' sh \
            "${CLIENT_CMD[@]}" localhost "$PORT"
        CLIENT_PID=$LAST_PID
        wait_until 10 stuck "$CLIENT_PID"
        assert_idle "with stdout full, $size on stdin" "$CLIENT_PID"
        alive "$CLIENT_PID" ||
            client_failed_because "it waits until stdout can be written" "it has ended" \
                "a full pipe is taken for an error"
    done
}

# dies_while_idle: the client has been answered, then its server dies.
dies_while_idle()
{
    server_start
    talk_start
    say hello
    assert_hears hello
    server_dies
    if [[ $LIKE == 01* ]]; then
        # Lockstep reads stdin and nothing else: it learns at the next line.
        say 'anybody there?'
    fi
}

@test "client: the server dies while stdin is idle: exit 1" {
    dies_while_idle
    assert_client_exits 1 "it waits on stdin alone"
}

@test "client: it ends with the server, even if SIGTERM is ignored" {
    env --ignore-signal=TERM true 2>/dev/null ||
        skip "env has no --ignore-signal here"
    CLIENT_CMD=(env --ignore-signal=TERM "${CLIENT_CMD[@]}")
    dies_while_idle
    assert_client_exits 1 "a process of it waits for one that a signal does not end"
}

@test "client: the server is reset in mid-transfer: exit 1" {
    bad_server reset=1000000
    client_start /dev/zero
    assert_client_exits 1 "a failed read or write on the socket is not an error"
}

@test "client: the server is killed in mid-transfer: exit 1" {
    server_start
    through_pipes /dev/zero 8589934592
    wait_until 5 connected
    server_dies
    assert_client_exits 1 "the end of the echo is taken for success"
}

@test "client: the server swallows the last byte: exit 1" {
    bad_server truncate=5
    printf 'hello\n' >"$BATS_TEST_TMPDIR/hello"
    client_start "$BATS_TEST_TMPDIR/hello"
    assert_client_exits 1 "what came back is not counted"
    [ "$(cat "$CLIENT_OUT")" = hello ] ||
        client_failed_because "stdout has what came: hello" \
            "$(cat "$CLIENT_OUT")" "output is kept in a buffer, or made up"
}

@test "client: the server ends the echo in the middle of a file: exit 1" {
    bad_server truncate=100000
    client_start "$RANDOM_FILE"
    assert_client_exits 1 "the server's FIN is taken for success"
}

# sends_too_much MODE: the server is one that sends more than it gets: the
# client tells, whether it has sent a line or more than a buffer.
sends_too_much()
{
    local file=$BATS_TEST_TMPDIR/file size

    for size in 6 100000; do
        bad_server "$1"
        head -c "$size" "$RANDOM_FILE" >"$file"
        client_start "$file"
        assert_client_exits 1 "it counts whether enough comes back, not too much"
        [ -n "${CLIENT:-}" ] || grep -q '^server: more came' "$CLIENT_ERR" ||
            client_failed_because "server: more came back than was sent" \
                "$(cat "$CLIENT_ERR")" "more is told as less"
        server_kill
    done
}

@test "client: the server says each thing twice: exit 1, more came back" {
    sends_too_much twice
}

@test "client: the server greets before it echoes: exit 1, more came back" {
    sends_too_much greeting
}

@test "client: the server adds a byte at the end: exit 1, more came back" {
    sends_too_much extra
}

# talk BYTES: sets TOOK to the microseconds that half of such messages take at
# most, to a server that answers only when it has all of one.
talk()
{
    bad_server "gather=$1"
    # By start: a client with kill(0, …) in it ends its process group.
    start talk "$TOOLS/talk" "$1" 20 "${CLIENT_CMD[@]}" localhost "$PORT"
    wait_for_exit "$LAST_PID" "$PATIENCE" >/dev/null && [ "$STATUS" -eq 0 ] ||
        client_failed_because "20 messages of $1 bytes come back" \
            "$(cat "$BATS_TEST_TMPDIR/talk.err")" \
            "the client waits for more input, or has ended"
    TOOK=$(cat "$BATS_TEST_TMPDIR/talk.out")
}

@test "client: a message in several pieces is not held back (Nagle)" {
    local one

    not_lockstep "it waits for the answer to each piece"
    talk 4000
    one=$TOOK
    talk 20000
    # Five times as many bytes; 40 ms for a late ACK is hundreds of times.
    [ "$TOOK" -le $((100 * one)) ] ||
        client_failed_because "20,000 bytes take at most 100 times as long as 4,000" \
            "$TOOK us, and $one us" \
            "no TCP_NODELAY: the second write waits for an ACK of the first"
}

@test "client: a full disk: not 0, the reason, no hang" {
    [ -w /dev/full ] || skip "this system has no /dev/full"
    server_start
    STDIN=$RANDOM_FILE start client sh -c 'exec "$@" >/dev/full' sh \
        "${CLIENT_CMD[@]}" localhost "$PORT"
    CLIENT_PID=$LAST_PID
    assert_client_exits failure "write to stdout is not checked"
}

@test "client: a full disk is seen with a single byte, too" {
    [ -w /dev/full ] || skip "this system has no /dev/full"
    server_start
    printf x >"$BATS_TEST_TMPDIR/byte"
    STDIN=$BATS_TEST_TMPDIR/byte start client \
        sh -c 'exec "$@" >/dev/full' sh "${CLIENT_CMD[@]}" localhost "$PORT"
    CLIENT_PID=$LAST_PID
    assert_client_exits failure "write to stdout is not checked, or at exit only"
}

@test "client: stdout's reader leaves: not 0, the reason, no hang" {
    server_start
    STDIN=/dev/zero start client bash -c '"$@" | head -c 1 >/dev/null
        exit "${PIPESTATUS[0]}"' bash "${CLIENT_CMD[@]}" localhost "$PORT"
    CLIENT_PID=$LAST_PID
    assert_client_exits failure "SIGPIPE ends it silently, or EPIPE is not seen"
}

@test "client: stdin's and stdout's file status flags stay as they are" {
    [ -r /proc/self/fdinfo/0 ] || skip "no /proc/self/fdinfo here"
    server_start
    talk_start
    say hello
    assert_hears hello
    assert_flags_kept "while it runs"
    hang_up
    assert_client_exits 0 "it does not see the end of its stdin"
    assert_flags_kept "after it"
}

@test "client: stdin and stdout may be non-blocking, and stay so" {
    [ -r /proc/self/fdinfo/0 ] || skip "no /proc/self/fdinfo here"
    server_start
    CLIENT_CMD=("$TOOLS/inherit" -n 0 -n 1 "${CLIENT_CMD[@]}")
    talk_start
    say hello
    assert_hears hello
    # It has nothing to read now.
    wait_until 5 waiting "$CLIENT_PID"
    FLAGS_BEFORE=$(flags_of 7 8)
    ((8#${FLAGS_BEFORE##* } & 8#4000)) || fail "stdout is not non-blocking"
    say again
    assert_hears again
    assert_flags_kept "while it runs"
    hang_up
    assert_client_exits 0 "EAGAIN on stdin is taken for an error"
    assert_flags_kept "after it"
}

@test "client: stdout is non-blocking and full: it waits, and loses nothing" {
    local fifo=$BATS_TEST_TMPDIR/fifo file=$BATS_TEST_TMPDIR/file

    need_proc
    head -c 300000 "$RANDOM_FILE" >"$file"
    server_start
    mkfifo "$fifo"
    exec 8<>"$fifo" # not for the server: the reader waits for its end
    STDIN=$file start client sh -c 'exec "$@" >"$0"' "$fifo" \
        "$TOOLS/inherit" -n 1 "${CLIENT_CMD[@]}" localhost "$PORT"
    CLIENT_PID=$LAST_PID
    wait_until 10 stuck "$CLIENT_PID"
    exec 9<"$fifo" 8>&-
    STDIN=/dev/fd/9 start reader cat
    exec 9<&-
    assert_client_exits 0 "EAGAIN on stdout is taken for an error"
    wait_for_exit "$LAST_PID"
    CLIENT_OUT=$BATS_TEST_TMPDIR/reader.out assert_came_back "$file"
}

@test "client: all signals blocked: SIGTERM ends it all the same" {
    CLIENT_CMD=("$TOOLS/inherit" -b "${CLIENT_CMD[@]}")
    server_start
    talk_start
    say hello
    assert_hears hello
    kill -TERM "$CLIENT_PID"
    wait_for_exit "$CLIENT_PID" ||
        client_failed_because "it ends on SIGTERM" "it runs on" \
            "the signal stays blocked, as it was inherited"
}

# closed_at_start REDIRECTIONS: starts the client so, with a file as stdin and
# as stdout.
closed_at_start()
{
    STDIN=$BATS_TEST_TMPDIR/file start client \
        bash -c 'exec "$@" '"$1" - "${CLIENT_CMD[@]}" localhost "$PORT"
    CLIENT_PID=$LAST_PID
}

# ends_with STATUS REDIRECTIONS [REASON]: it ends so, and tells the reason.
ends_with()
{
    closed_at_start "$2"
    STATUS=
    if ! wait_for_exit "$CLIENT_PID" || [ "$STATUS" -ne "$1" ]; then
        client_failed_because "exit status $1, started with $2" "${STATUS:-no end}" \
            "its socket has the number of stdin, stdout or stderr"
        return 1
    fi
    [ -z "${3:-}" ] || grep -q "$3" "$CLIENT_ERR" ||
        client_failed_because "the reason: $3" "$(cat "$CLIENT_ERR")" \
            "the error of another call, or none"
}

@test "client: stdin or stdout closed at the start: exit 1, and which" {
    not_under_valgrind
    [ -z "${CLIENT:-}" ] || not_for "its language may open /dev/null there"
    server_start
    head -c 40000 "$RANDOM_FILE" >"$BATS_TEST_TMPDIR/file"
    ends_with 1 '<&-' '^stdin: Bad file descriptor'
    ends_with 1 '>&-' '^stdout: Bad file descriptor'
    ends_with 1 '<&- >&-' '^stdin: Bad file descriptor'
    # Nobody is told, but it neither hangs nor says that all is well.
    ends_with 1 '>&- 2>&-'
    ends_with 1 '<&- >&- 2>&-'
}

@test "client: stderr closed at the start: all is copied, and nothing else" {
    not_under_valgrind
    server_start
    head -c 40000 "$RANDOM_FILE" >"$BATS_TEST_TMPDIR/file"
    ends_with 0 '2>&-'
    assert_came_back "$BATS_TEST_TMPDIR/file"
    # Its own words are not sent to the server either, and reflected.
    : >"$BATS_TEST_TMPDIR/file"
    ends_with 0 '2>&-'
    assert_came_back "$BATS_TEST_TMPDIR/file"
}

@test "client: nothing listening: exit 1 and the reason" {
    bad_server refuse
    client_start
    assert_client_exits 1 "connect's result is not looked at"
    ! grep -q '^Connected' "$CLIENT_ERR" ||
        client_failed_because "not a word of a connection" "$(cat "$CLIENT_ERR")" \
            "said before connect has succeeded"
}

@test "client: a host that does not resolve: exit 1 and the reason" {
    # An empty label is no name: nobody is asked, so nobody is waited for.
    start client "${CLIENT_CMD[@]}" no..host 8000
    CLIENT_PID=$LAST_PID
    assert_client_exits 1 "getaddrinfo's result is not looked at"
}

@test "client: a bad port or too many arguments: exit 2 and the reason" {
    local port pids=() i=0

    for port in 65536 70000 4294967376 -1 +80 ' 80' '80 ' 80x x '' 0x50; do
        start "client$i" "${CLIENT_CMD[@]}" localhost "$port"
        pids+=("$LAST_PID:'$port'")
        i=$((i + 1))
    done
    start "client$i" "${CLIENT_CMD[@]}" localhost 80 80
    pids+=("$LAST_PID:80 80")
    i=0
    for port in "${pids[@]}"; do
        CLIENT_PID=${port%%:*}
        CLIENT_ERR=$BATS_TEST_TMPDIR/client$i.err
        assert_client_exits 2 "client localhost ${port#*:} was not refused"
        i=$((i + 1))
    done
}

@test "client: started with 1,100 open files (03: ends with 1 and why)" {
    need_descriptors 2000
    CLIENT_CMD=(bash -c 'for ((i = 3; i < 1100; i++)); do
        eval "exec $i</dev/null"; done; exec "$@"' - "${CLIENT_CMD[@]}")
    if ! stage_allows fd_setsize; then
        assert_client_echoes "$TESTS_DIR/run"
        return
    fi
    server_start
    client_start "$TESTS_DIR/run"
    assert_client_exits 1 "the socket is put behind the end of the set"
    grep -q '^select: no room for descriptor [0-9]' "$CLIENT_ERR" ||
        client_failed_because "select: no room for descriptor, and which" "another reason" \
            "FD_SET was called with it, or the limit is not told"
}

@test "client: every address of a host is tried" {
    local address

    # A name with two addresses, in a hosts file of this test's own.
    need unshare
    printf '127.0.0.2 two.test\n127.0.0.1 two.test\n' \
        >"$BATS_TEST_TMPDIR/hosts"
    printf 'multi on\n' >"$BATS_TEST_TMPDIR/host.conf"
    cat >"$BATS_TEST_TMPDIR/with-hosts" <<'SCRIPT'
dir=$1
shift
mount --bind "$dir/hosts" /etc/hosts || exit 1
mount --bind "$dir/host.conf" /etc/host.conf || exit 1
exec "$@"
SCRIPT
    local with_hosts=(unshare --map-root-user --mount
        sh "$BATS_TEST_TMPDIR/with-hosts" "$BATS_TEST_TMPDIR")
    run "${with_hosts[@]}" getent ahosts two.test
    [[ $output == *127.0.0.1*127.0.0.2* || $output == *127.0.0.2*127.0.0.1* ]] ||
        skip "a hosts file of our own is not possible here"

    # On one of the two the first attempt is refused.
    printf 'hello\n' >"$BATS_TEST_TMPDIR/hello"
    for address in 127.0.0.1 127.0.0.2; do
        LISTEN_HOST=$address server_start
        STDIN=$BATS_TEST_TMPDIR/hello start client \
            "${with_hosts[@]}" "${CLIENT_CMD[@]}" two.test "$PORT"
        CLIENT_PID=$LAST_PID
        assert_client_exits 0 "it gives up after the first address"
        assert_came_back "$BATS_TEST_TMPDIR/hello"
    done
}
