# surroundings -- what the program that starts a server may leave behind

load ../lib/stage
setup() { stage_setup; }
teardown() { stage_teardown; }

# free_port: sets PORT to a port that was free a moment ago.
free_port()
{
    server_start
    server_kill
}

listens()
{
    (exec 9<>"/dev/tcp/localhost/$PORT") 2>/dev/null
}

rests_or_ended()
{
    peer_is "$2" '* 0 busy*' || ! alive "$1"
}

# closed_at_start REDIRECTIONS: starts the server with these. While a client is
# connected, accept and fork fail, which the server logs: no client may see a
# byte of the log.
closed_at_start()
{
    local fd name pid rule=accept:EMFILE:3-4

    if stage_allows process_each; then
        rule=fork:EAGAIN:2
    fi
    shim_count_anew
    # shellcheck disable=SC2016 # for the inner shell
    SERVER_WRAP=(bash -c 'exec "$@" '"$1" -)
    LISTEN_PORT=$PORT server_launch "${SHIM[@]}" "SHIM_FAIL=$rule"
    wait_until 10 listens ||
        fail_because descriptors "it listens, started with $1" "it does not" \
            "it takes a line that it can't print for a fatal error"
    for fd in 0 1 2; do
        [[ $(readlink "/proc/$SERVER_PID/fd/$fd") != socket:* ]] ||
            fail_because descriptors "no socket as descriptor $fd" \
                "one, started with $1" \
                "a socket has the number of stdin, stdout or stderr"
    done
    if stage_allows one_at_a_time; then
        assert_echoes echo:1000 fin end
    else
        # A server may close this connection, but must not send a byte to it.
        name=first$SERVER_COUNT
        peer_start "$name" -l echo:1 wait echo:1000 fin end
        look_up_peer "$name"
        pid=$PEER_PID
        wait_until 10 rests_or_ended "$pid" "$name"
        assert_echoes echo:1000 fin end
        ! alive "$pid" || peer_continue "$name"
        wait_until 10 not alive "$pid"
        [ ! -s "$BATS_TEST_TMPDIR/$name.err" ] ||
            fail_because descriptors \
                "an echo and nothing else, started with $1" \
                "$(cat "$BATS_TEST_TMPDIR/$name.err")" \
                "a connection has the number of stderr, and gets what the \
server logs"
    fi
    peer -n 10 echo:20000 fin end ||
        fail_because descriptors "ten clients served, started with $1" \
            "$(complaint)" "a socket has the number of stdin, stdout or stderr"
    server_kill
}

@test "stdin, stdout or stderr closed: serves, and sends nothing of its own" {
    local closed

    [ -z "${SERVER:-}" ] || not_for "the contract asks it of clients only"
    need_shim echo_once
    free_port
    for closed in '<&-' '>&-' '2>&-' '>&- 2>&-' '<&- >&- 2>&-'; do
        closed_at_start "$closed"
    done
}

@test "all signals blocked: SIGTERM ends it, no child stays behind" {
    local status=143

    SERVER_WRAP=("$TOOLS/inherit" -b)
    server_start
    assert_echoes -n 20 echo:100 fin end
    wait_until 5 childless ||
        fail_because signals "no child, 20 connections later" \
            "$(zombies_of "$SERVER_PID") zombies" \
            "SIGCHLD stays blocked, as it was inherited"
    kill -TERM "$SERVER_PID"
    wait_for_exit "$SERVER_PID" ||
        fail_because signals "it ends on SIGTERM" "it runs on" \
            "the inherited signal mask still blocks the signal"
    [[ $LIKE != 06* ]] || status=0
    [ "$STATUS" -eq "$status" ] ||
        { [ -n "${SERVER:-}" ] && [ "$STATUS" -eq 0 ]; } ||
        fail_because signals "status $status" "status $STATUS" \
            "128 + 15 is the default action's status, 0 a graceful shutdown's"
}

childless()
{
    look_at_children "$SERVER_PID"
    [ ${#CHILDREN[@]} -eq 0 ]
}
