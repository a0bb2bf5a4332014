# children -- what a server with a process for each connection owes them
# bats file_tags=stage:02

load ../lib/stage
setup() { stage_setup; }
teardown() { stage_teardown; }

@test "20 children that end at once leave no zombie (02)" {
    server_start
    server_warm_up
    peer_start peers -n 20 echo:100 wait fin end
    peer_wait peers '20 waiting*'
    # The children have answered; the parent may be behind.
    wait_until 5 parent_is_at_rest
    stop "$SERVER_PID"
    peer_continue peers
    assert_peer_succeeds peers
    wait_until 10 none_runs
    # Of twenty SIGCHLDs one is left. (No child may be left either: a server
    # that ignores SIGCHLD never has a zombie.)
    resume "$SERVER_PID"
    wait_until 5 zombies_are 0 ||
        fail_because zombies \
            "no zombie" "$(zombies_of "$SERVER_PID") zombies" \
            "$(zombie_cause)"
    assert_server_healthy
}

# parent_is_at_rest: it has only the descriptors that warm has found.
parent_is_at_rest()
{
    [ -z "$BASE_FDS" ] || [ "$(fds_of "$SERVER_PID")" -eq "$BASE_FDS" ]
}

none_runs()
{
    [ "$(count_children "$SERVER_PID")" -eq "$(zombies_of "$SERVER_PID")" ]
}

zombies_are()
{
    [ "$(zombies_of "$SERVER_PID")" -eq "$1" ]
}

@test "a child that ends leaves errno to whom it belongs (02)" {
    [ -z "${SERVER:-}" ] || not_for "what it logs is its own business"
    need_shim echo_once
    server_start "${SHIM[@]}" SHIM_FAIL=accept:EMFILE:1 SHIM_SIGNAL_AT=CHLD:0
    assert_echoes echo:100 fin end
    assert_injected accept
    assert_logged '^accept: Too many open files' \
        "the handler of SIGCHLD changes errno: save it, and restore it at the \
end"
}

@test "the parent keeps no connection's descriptor (02)" {
    need_proc
    server_start
    server_warm_up
    peer_start peers -n 5 echo:100 wait fin end
    peer_wait peers '5 waiting*'
    wait_until 5 parent_is_at_rest ||
        fail_because fork "$BASE_FDS descriptors in the parent" \
            "$(fds_of "$SERVER_PID")" \
            "the parent doesn't close conn_fd after fork"
    peer_continue peers
    assert_peer_succeeds peers
    assert_server_healthy
}

@test "children outlive their parent, and leave its port free (02)" {
    server_start
    peer_start peers -n 3 echo:100 wait echo:10000 fin end
    peer_wait peers '3 waiting*'
    server_kill
    LISTEN_PORT=$PORT server_start
    server_warm_up
    peer_continue peers
    assert_peer_succeeds peers
    assert_server_healthy
}

@test "a failed fork closes that connection, is logged, and ends nobody (02)" {
    local began=$SECONDS n=20

    # A SERVER may fork before its first connection.
    [ -z "${SERVER:-}" ] || n=1
    under_strace -e "trace=clone,?clone3,?fork,?vfork" \
        -e "inject=clone,?clone3,?fork,?vfork:error=EAGAIN:when=1..$n"
    if [ -n "${SERVER:-}" ] && grep -q INJECTED "$BATS_TEST_TMPDIR/strace"; then
        not_for "it forks before its first connection"
    fi
    peer -n "$n" -t 5 drain ||
        fail_because fork "$n connections closed" "one is left open" \
            "conn_fd is closed only after a successful fork"
    assert_logged '^fork: Resource temporarily unavailable' \
        "fork's error isn't logged"
    assert_few_lines_logged $((SECONDS - began + 1))
    peer echo:1000 fin end && alive "$SERVER_PID" ||
        fail_because fork "the next client is served" \
            "$(complaint)" "a failed fork ends the server"
}
