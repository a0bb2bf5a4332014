# workers -- 06 with -w: workers accept, a parent looks after them
# bats file_tags=stage:06
#
# tests/loop/program_test.c tests when they are replaced or killed, because time
# is virtual there.

load ../lib/stage
setup() { stage_setup; }
teardown() { stage_teardown; }

# workers_start N [ARGS…]: starts the server with N workers, and sets the array
# WORKERS to their ids.
workers_start()
{
    server_start -w "$@"
    assert_workers "$1" || return 1
    WORKERS=("${CHILDREN[@]}")
}

children_are()
{
    look_at_children "$SERVER_PID"
    [ ${#CHILDREN[@]} -eq "$1" ] && [ "$ZOMBIES" -eq 0 ]
}

# assert_workers N: within 5 s the server has N workers, and no zombie.
assert_workers()
{
    wait_until 5 children_are "$1" ||
        fail_because workers "$1 workers" \
            "${#CHILDREN[@]}, $ZOMBIES of them zombies" \
            "a worker that has ended isn't reaped, or isn't replaced"
}

# workers_are_gone: true if no worker runs, and the port is free.
workers_are_gone()
{
    local pid

    for pid in "${WORKERS[@]}"; do
        wait_until 5 not alive "$pid" || return 1
    done
    LISTEN_PORT=$PORT server_start
}

# promise: Forks count workers, and a new one for each that ends ... This makes
# no loop and no thread, so a program may fork after it and have several
# processes accept.
@test "-w 2: two workers serve; one that crashes is replaced" {
    workers_start 2
    assert_echoes -n 100 echo:20000 fin end
    kill -KILL "${WORKERS[0]}"
    wait_until 5 not alive "${WORKERS[0]}"
    assert_echoes -n 10 echo:1000 fin end
    assert_workers 2
    assert_echoes -n 100 echo:20000 fin end
}

@test "-w 2: SIGTERM ends the workers gracefully too, and frees the port" {
    workers_start 2
    peer_start peers -n 20 echo:1000 end
    peer_wait peers '* 20000 received'
    kill -TERM "$SERVER_PID"
    assert_peer_succeeds peers
    assert_server_ends 0
    assert_nothing_logged
    workers_are_gone
}

# promise: It makes a loop of its own. stop_fd becomes readable (EOF) ...
@test "-w 2: workers end when their parent is killed, and free the port" {
    workers_start 2
    server_kill
    workers_are_gone
}

# promise: At the first SIGINT or SIGTERM, calls on_stop(arg) and asks the
# workers to end ...
@test "-w 2: a second signal ends it now, with another exit status than 0" {
    workers_start 2
    peer_start peers -n 3 send:512M wait
    peer_wait peers '3 waiting*'
    # Stop the server meanwhile, so that both come before the second of grace.
    stop "$SERVER_PID"
    kill -TERM "$SERVER_PID"
    kill -INT "$SERVER_PID"
    resume "$SERVER_PID"
    wait_for_exit "$SERVER_PID"
    [ "$STATUS" -eq 1 ] ||
        fail_because workers \
            "exit status 1: pending output is lost" "exit $STATUS" \
            "it exits as after a graceful shutdown"
}

# promise: Returns the exit status when all have ended ...
@test "-w 2: SIGTERM kills a worker that is stopped, and says so with exit 1" {
    workers_start 2
    stop "${WORKERS[0]}"
    kill -TERM "$SERVER_PID"
    wait_for_exit "$SERVER_PID" 4 ||
        fail_because workers \
            "it ends within about two seconds" "it runs after 4 s" \
            "the parent waits for a worker that never ends"
    [ "$STATUS" -eq 1 ] && [ "$(grep -c '^worker: ' "$SERVER_ERR")" -eq 1 ] &&
        not alive "${WORKERS[0]}" ||
        fail_because workers "status 1, a line worker:, and no worker left" \
            "status $STATUS; $(cat "$SERVER_ERR")" \
            "a worker that doesn't end is left running, or isn't logged"
}

@test "-w 2: Ctrl-C, which parent and workers get, ends them all gracefully" {
    local waits='?epoll_wait,epoll_pwait,?poll,ppoll' before pid

    need_tracing
    # Delay what the workers wait for.
    SERVER_WRAP=(strace -D -f -qq -o "$BATS_TEST_TMPDIR/strace" -e signal=none
        -e "trace=exit_group,$waits" -e "inject=$waits:delay_exit=250000")
    # A sanitizer can't look for leaks under strace.
    ASAN_OPTIONS=${ASAN_OPTIONS:-}:detect_leaks=0 workers_start 2
    before=$(fds_of "$SERVER_PID")
    for pid in "${WORKERS[@]}"; do
        wait_until 5 handles_signals "$pid"
    done
    kill -INT "$SERVER_PID"
    # The parent closes the listening socket and its end of the workers' pair
    # before the workers get their own signal.
    wait_until 5 fds_are $((before - 2))
    kill -INT "${WORKERS[@]}"
    assert_server_ends 0
    wait_until 5 three_exits
    ! grep 'exit_group([1-9]' "$BATS_TEST_TMPDIR/strace" ||
        fail_because workers \
            "three processes that exit with 0" "the lines above" \
            "a worker's first signal is taken for the second"
}

# handles_signals PID: that worker has its own handlers: one for SIGTERM, none
# for SIGCHLD, which the parent's loop has.
handles_signals()
{
    local caught

    caught=$((16#$(awk '$1 == "SigCgt:" { print $2 }' "/proc/$1/status")))
    ((caught & 1 << 14 && !(caught & 1 << 16)))
}

fds_are()
{
    [ "$(fds_of "$SERVER_PID")" -eq "$1" ]
}

three_exits()
{
    [ "$(grep -c "exit_group(" "$BATS_TEST_TMPDIR/strace")" -eq 3 ]
}
