# 02.2 -- no handler for SIGCHLD, and no zombies

load exercise

no_child()
{
    [ "$(count_children "$SERVER_PID")" -eq 0 ]
}

@test "02.2: 20 children end and leave no zombie while the parent is stopped" {
    need_proc
    server_start
    assert_echoes echo:100 fin end
    wait_until "$PATIENCE" no_child ||
        fail_because zombies "no zombie, though nobody waits for it" \
            "$(zombies_of "$SERVER_PID") zombies" \
            "the default ignores SIGCHLD, and keeps zombies: that's not the \
same as SIG_IGN. Read waitpid(2), Notes"
    server_warm_up
    peer_start peers -n 20 echo:100 wait fin end
    peer_wait peers '20 waiting*'
    wait_until "$PATIENCE" has_only_base_fds
    stop "$SERVER_PID"
    peer_continue peers
    assert_peer_succeeds peers
    wait_until "$PATIENCE" no_child ||
        fail_because zombies "no child is left, nor a zombie" \
            "$(zombies_of "$SERVER_PID") zombies" \
            "the kernel still keeps each child's exit status for the parent"
    resume "$SERVER_PID"
    assert_echoes echo:1000 fin end
}
