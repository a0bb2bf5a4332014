# timeouts -- 06 with -t closes idle connections, and only these
# bats file_tags=stage:06

load ../lib/stage
setup() { stage_setup; }
teardown() { stage_teardown; }

@test "-t: stopped for longer than that, it answers what has come meanwhile" {
    server_start -t 2
    peer_start late echo:10 wait send:10 wait receive fin end
    peer_wait late '1 waiting*'
    stop "$SERVER_PID"
    peer_continue late
    peer_wait late '1 waiting* 20 sent*'
    sleep 2.1 # the time that is over
    resume "$SERVER_PID"
    peer_continue late
    assert_peer_succeeds late
}

@test "-t 2: idle connections are closed, those that say little are not" {
    need_descriptors 600
    server_start -t 2
    server_warm_up
    # These don't close when the server does: it has to let go of them.
    peer_start idle -n 500 echo:10 wait end
    assert_echoes echo:10 pause:900 echo:10 pause:900 echo:10 pause:900 \
        echo:10 fin end
    assert_server_healthy
    peer_continue idle
    assert_peer_succeeds idle
    assert_nothing_logged
}
