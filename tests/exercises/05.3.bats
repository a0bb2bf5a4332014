# 05.3 -- connections that have been idle for 2 seconds are closed

load exercise

@test "05.3: who says nothing for 2 s is closed, who pauses for 1 s isn't" {
    server_start
    peer_start silent -t 8 echo:10 end
    peer echo:10 pause:1000 echo:10 pause:1000 echo:10 pause:1000 echo:10 \
        fin end ||
        fail_because 05#exercises "a client that pauses for 1 s is served" \
            "$(complaint)" \
            "each message restarts its 2 s: move it to the end of the list"
    wait_for_exit "$PEER_silent" 9 && [ "$STATUS" -eq 0 ] ||
        fail_because 05#exercises "a silent client gets FIN after 2 s" \
            "$(peer_state silent)" "it never checks which connections are due"
}

@test "05.3: a message costs no system call more than before" {
    local more

    start_noting
    assert_echoes ping:100 fin end
    more=$(($(noted epoll_ctl) + $(noted timer_settime)))
    [ "$(noted wait)" -le 110 ] && [ "$more" -le 5 ] ||
        fail_because 05#exercises \
            "a wait for each of 100 messages, and no other call" \
            "$(noted wait) waits, $more epoll_ctl and timerfd_settime" \
            "a time limit needs no system call: a sorted list is enough"
}

@test "05.3: it waits for no longer than 2 s while a client is there" {
    start_noting
    assert_echoes -n 3 echo:10 fin end
    # A bit longer, where time is rounded up.
    [ "$(longest_limit)" -le 2010 ] ||
        fail_because 05#exercises "a time limit of 2,000 ms" \
            "$(longest_limit) ms" \
            "a silent client is closed too late: 2 s are IDLE_MS 2000"
}

@test "05.3: idle connections wake nobody up" {
    start_noting
    peer_start idle -n 3 -l echo:10 wait
    peer_wait idle '3 waiting*'
    forget_notes
    pause 1 # less than the limit; on a busy machine they are closed by now
    [ "$(noted wait)" -le 6 ] ||
        fail_because 05#exercises "the server sleeps while nothing is due" \
            "$(noted wait) waits in 1 s" \
            "wait until the first of the list is due, and not shorter"
}

@test "05.3: stopped for longer than that, it answers what has come" {
    server_start
    peer_start client echo:10 wait echo:1000 fin end
    peer_wait client '1 waiting*'
    stop "$SERVER_PID"
    pause 2.2 # the limit passes
    peer_continue client
    wait_until "$PATIENCE" peer_is client '*1010 sent*'
    resume "$SERVER_PID"
    assert_served client 05#exercises "what came in the meantime comes back" \
        "it closes the connection before it handles its event: close the \
connections that are due after all events of this wait"
}

# The suite's own tests of this have a bystander who is silent for longer than
# the limit where the machine is busy.
@test "05.3: floods starve nobody, and resets leave nothing behind" {
    server_start
    server_warm_up
    peer_start flood -n 16 flood fin end
    wait_until 10 peer_is flood '* 16 busy* [1-9]* received'
    assert_pings_beside "16 that flood"
    peer_continue flood
    assert_peer_succeeds flood
    assert_echoes -n 20 echo:5000 send:200K reset
    assert_server_healthy
}
