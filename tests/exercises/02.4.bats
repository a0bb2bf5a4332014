# 02.4 -- never more than 50 children

load exercise

children_are()
{
    [ "$(count_children "$SERVER_PID")" -eq "$1" ]
}

# start_crowd N: starts N clients that stay; 50 of them are served.
start_crowd()
{
    peer_start crowd -n "$1" echo:100 wait fin end
    wait_until "$PATIENCE" peer_is crowd '[5-9][0-9] waiting*' >/dev/null || true
    peer_is crowd '50 waiting*' ||
        fail_because fork "50 of $1 clients served" "$(peer_state crowd)" \
            "it accepts more than 50, or stops earlier"
    wait_until "$PATIENCE" has_only_base_fds ||
        fail_because fork "$BASE_FDS descriptors in the parent" "$FDS" \
            "it accepts first, and waits then: the 51st client should stay in \
the accept queue"
}

@test "02.4: of 60 clients 50 are served; the others wait, and come next" {
    need_proc
    server_start
    server_warm_up
    start_crowd 60
    assert_idle "at the limit of 50 children"
    peer_is crowd '50 waiting, 10 busy, 0 done, 0 lost*' && children_are 50 ||
        fail_because fork "50 children, 10 clients in the accept queue" \
            "$(count_children "$SERVER_PID") children; $(peer_state crowd)" \
            "it exceeds the limit, or closes connections: at the limit, don't \
call accept"
    look_at_children "$SERVER_PID"
    ! has_signal "$(signals_of "${CHILDREN[0]}" SigBlk)" "$(kill -l CHLD)" ||
        fail_because signals "no signal blocked in a child" "SIGCHLD is" \
            "the child inherits what the parent has blocked: restore it there"
    peer_continue crowd
    wait_until "$PATIENCE" peer_is crowd '*, 60 done*' ||
        fail_because zombies "the 10 are served when others end" \
            "$(peer_state crowd)" "children that ended aren't counted down"
    assert_server_healthy
}

@test "02.4: 50 children that end at once make room for 50" {
    server_start
    server_warm_up
    start_crowd 50
    stop "$SERVER_PID"
    peer_continue crowd
    assert_peer_succeeds crowd
    wait_until 10 none_runs
    resume "$SERVER_PID"
    peer_start crowd -n 50 echo:100 wait fin end
    wait_until "$PATIENCE" peer_is crowd '50 waiting*' ||
        fail_because zombies "50 more clients served" \
            "$(peer_state crowd)" \
            "one SIGCHLD may stand for many children: count each child that \
you reap"
    peer_continue crowd
    assert_peer_succeeds crowd
}

@test "02.4: forks that failed aren't counted" {
    need_shim echo_once
    server_start "${SHIM[@]}" SHIM_FAIL=fork:EAGAIN:1-50
    peer -n 50 -t "$PATIENCE" drain
    assert_injected fork
    peer -t "$PATIENCE" echo:100 fin end || fail_because fork \
        "a client served after 50 forks failed" "$(complaint)" \
        "a fork that failed has made no child: count after the check"
}

# none_runs: true if all its children are zombies.
none_runs()
{
    look_at_children "$SERVER_PID"
    [ ${#CHILDREN[@]} -eq "$ZOMBIES" ]
}

@test "02.4: a child ends between the check and the wait" {
    local stop=$BATS_TEST_TMPDIR/stop

    start_noting "CALLS_STOP=$stop"
    peer_start crowd -n 49 echo:100 wait fin end
    peer_wait crowd '49 waiting*'
    wait_until "$PATIENCE" is_at_rest
    : >"$stop"
    # With this one it's at the limit, and stops where it would wait.
    peer_start last echo:100 wait fin end
    peer_wait last '1 waiting*'
    wait_until "$PATIENCE" stopped "$SERVER_PID" ||
        skip "it waits in no call that can be held up"
    peer_continue last
    assert_peer_succeeds last
    wait_until 10 has_a_zombie
    rm "$stop"
    resume "$SERVER_PID"
    peer -t "$PATIENCE" echo:100 fin end || fail_because 02#exercises \
        "the next client is served" "$(complaint)" \
        "SIGCHLD came after the check and before the wait, so it doesn't end \
the wait: block it, and unblock it in sigsuspend"
}

has_a_zombie()
{
    [ "$(zombies_of "$SERVER_PID")" -eq 1 ]
}
