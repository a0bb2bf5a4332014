# server -- starts the server under test
# shellcheck shell=bash disable=SC2034,SC2119,SC2120 # for the tests

# server_launch [VAR=…] [ARGS…]: starts the server on $LISTEN_HOST (default
# localhost) and $LISTEN_PORT (default 0, the kernel's choice), with ARGS
# before these, and doesn't wait. Sets SERVER_PID, SERVER_OUT and SERVER_ERR.
# The array SERVER_WRAP may hold a command that runs the server and keeps its
# process id, such as strace -D. A second call starts a second server.
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

# server_start [VAR=…] [ARGS…]: calls server_launch, and waits for the line that
# says where the server listens. Also sets PORT.
server_start()
{
    server_launch "$@"
    if ! wait_until $((2 * PATIENCE)) server_announced_or_ended || ! server_announced; then
        start_failed
        return 1
    fi
    PORT=${SERVER_LINE##*:}
    if [[ ${LISTEN_HOST:-} == */* ]]; then
        PORT=0 # a path has none
    elif [[ $SERVER_LINE != *:* || -z $PORT || $PORT == *[!0-9]* ]]; then
        fail_because announce "Server is listening on HOST:PORT" \
            "$SERVER_LINE" "the line must end in :PORT"
        return 1
    elif [ "$PORT" -eq 0 ]; then
        fail_because announce "the port that the server listens on" \
            "$SERVER_LINE" \
            "port 0 lets the kernel choose one: getsockname tells you which"
        return 1
    elif [ -n "${RUN_AS:-}" ] && ! is_its_own_port; then
        fail_because announce "a port on which this server listens" \
            "$PORT, on which another program listens" \
            "the line names another server's port"
        return 1
    fi
}

# is_its_own_port: false if another program than the server and its children
# listens on $PORT.
is_its_own_port()
{
    local sockets

    sockets=$(awk -v port=":$(printf %04X "$PORT")" '
        $4 == "0A" && substr($2, length($2) - 4) == port {
            print "-o -lname socket:\\[" $10 "\\]" }' /proc/net/tcp* 2>/dev/null)
    [ -n "$sockets" ] || return 0
    look_at_children "$SERVER_PID"
    # shellcheck disable=SC2046,SC2086 # lists
    find $(printf '/proc/%s/fd ' "$SERVER_PID" ${CHILDREN[@]+"${CHILDREN[@]}"}) \
        -false $sockets 2>/dev/null | grep -q .
}

# server_announced: true once the server has said where it listens. Any words
# before the :PORT will do: one test asks for the exact form.
server_announced()
{
    SERVER_LINE=
    # read fails as long as the line has no end.
    read -r SERVER_LINE <"$SERVER_OUT" && [[ $SERVER_LINE == *[0-9/]* ]]
}

server_announced_or_ended()
{
    server_announced || ! alive "$SERVER_PID"
}

# under_strace OPTION…: starts the server under strace with these options, which
# may tamper with its system calls. SERVER_PID is still the server's.
# ?NAME in an option is a call that some machines lack, such as fork on 64-bit
# ARM. A leak check, as a sanitizer does it at exit, can't be traced.
under_strace()
{
    need_tracing
    SERVER_WRAP=(strace -D -f -qq -o "$BATS_TEST_TMPDIR/strace"
        -E "ASAN_OPTIONS=${ASAN_OPTIONS:+$ASAN_OPTIONS:}detect_leaks=0" "$@")
    server_start
}

# server_kill: kills the server, but not its children.
server_kill()
{
    kill -KILL "$SERVER_PID"
    wait_for_exit "$SERVER_PID"
}

# server_warm_up: runs a connection through the server, then notes how many
# descriptors and children it has, for assert_server_healthy.
server_warm_up()
{
    peer echo:1000 fin end >/dev/null ||
        exchange_failed echo "1,000 bytes come back, then FIN" \
            "it doesn't echo, or doesn't close at EOF: all other tests need \
both"
    if [ -r /proc/self/status ]; then
        wait_until 10 no_children_left ||
            fail_because zombies "no child, once its connection has ended" \
                "$(count_children "$SERVER_PID"), $(zombies_of \
                    "$SERVER_PID") of them zombies" "$(zombie_cause)"
        look_at_fds "$SERVER_PID"
        look_at_children "$SERVER_PID"
        BASE_FDS=$FDS
        BASE_CHILDREN=${#CHILDREN[@]}
    fi
}

# look_at_fds_each: sets FDS_EACH to the number of descriptors that the server
# needs for a client; a proxy needs two. Call it after server_warm_up.
look_at_fds_each()
{
    peer_start one echo:1 wait fin end
    peer_wait one '1 waiting*'
    look_at_fds "$SERVER_PID"
    FDS_EACH=$((FDS > BASE_FDS ? FDS - BASE_FDS : 1))
    peer_continue one
    assert_peer_succeeds one
    wait_until 10 has_only_base_fds ||
        fail_because close "$BASE_FDS descriptors, as before a client" \
            "$FDS" "the server doesn't close the connection"
}

# no_children_left: true if the server has no child for a connection anymore.
no_children_left()
{
    stage_allows process_each || return 0
    look_at_children "$SERVER_PID"
    [ ${#CHILDREN[@]} -eq 0 ]
}

# server_quick [VAR=…]: does what server_start does, but in a few milliseconds,
# for tests that start many servers. Returns 1, and sets STATUS, if the server
# ends without saying where it listens.
server_quick()
{
    local line

    SERVER_ERR=$BATS_TEST_TMPDIR/quick.err
    [ -p "$BATS_TEST_TMPDIR/quick" ] || mkfifo "$BATS_TEST_TMPDIR/quick"
    exec 7<&- # or the open for writing below would not wait for the reader
    # A job, not <(…): bash now and then has no exit status of the latter.
    # shellcheck disable=SC2153 # stage_setup sets SERVER_CMD
    "${CLEAN[@]}" "$@" "${SERVER_CMD[@]}" localhost 0 \
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

# server_quick_end: ends it with SIGTERM, and checks that it was still there.
server_quick_end()
{
    kill "$SERVER_PID" 2>/dev/null || {
        fail_because accept "the server keeps running" "it has exited" \
            "one failed call ended the server"
        return 1
    }
    # EOF on its stdout means that it has exited.
    local status=0
    read -r -t 10 <&7 || status=$?
    if [ "$status" -gt 128 ]; then
        kill -KILL "$SERVER_PID"
        fail_because signals "SIGTERM ends the server" "not within 10 s" \
            "the signal is lost, or the server blocks where it shouldn't"
        return 1
    fi
    STATUS=0
    wait "$SERVER_PID" 2>/dev/null || STATUS=$?
    # 0 after a graceful shutdown, 143 by the signal; a sanitizer exits with
    # another.
    [ "$STATUS" -eq 0 ] || [ "$STATUS" -eq 143 ] ||
        fail_because signals \
            "SIGTERM ends the server, with status 0 or by the signal" \
            "exit status $STATUS; $(cat "$SERVER_ERR")" \
            "an error on its way out"
}

# echo_once: starts the server, has it echo once, and kills it.
echo_once()
{
    server_start "${SHIM[@]}" && peer -t $((5 * SLOWER)) echo:1000 fin end ||
        return 1
    kill -KILL -- "-$SERVER_PID"
    wait_for_exit "$SERVER_PID"
}
