# 01.5 -- a thread for each connection

load exercise

# look_at_threads: sets THREADS to the number of the server's threads.
look_at_threads()
{
    local tasks=("/proc/$SERVER_PID/task"/*)

    THREADS=${#tasks[@]}
}

threads_are()
{
    look_at_threads
    [ "$THREADS" -eq "$1" ]
}

@test "01.5: each of 30 clients, beside a silent one, has a thread" {
    need_proc
    server_start
    peer_start silent wait fin end
    peer_wait silent '1 waiting*'
    peer_start crowd -n 30 -t "$PATIENCE" echo:1000 wait fin end
    wait_until "$PATIENCE" peer_is crowd '30 waiting*' ||
        fail_because 01#its-limit "30 clients served beside a silent one" \
            "$(peer_state crowd)" \
            "main still waits for a client, or closes a thread's connection"
    wait_until "$PATIENCE" threads_are 32 ||
        fail_because 01#its-limit "32 threads, with main's" \
            "$THREADS, and $(count_children "$SERVER_PID") children" \
            "it doesn't start a thread for each connection"
    peer_continue crowd silent
    assert_peer_succeeds crowd
    assert_peer_succeeds silent
    wait_until "$PATIENCE" threads_are 1 ||
        fail_because 01#main "only main's thread is left" "$THREADS threads" \
            "a thread doesn't end with its connection"
    assert_server_healthy
}

@test "01.5: 200 connections that come at once have a thread each" {
    need_backlog 200
    server_start
    stop "$SERVER_PID"
    peer_start crowd -n 200 -t "$PATIENCE" wait echo:100 fin end
    wait_until "$PATIENCE" peer_is crowd '200 waiting*'
    resume "$SERVER_PID"
    peer_continue crowd
    assert_served crowd 01#exercises "200 clients served" \
        "a thread uses another one's descriptor: does each have its own copy?"
}

@test "01.5: without a thread, a client is sent away, and the next one served" {
    local none=$BATS_TEST_TMPDIR/no-thread

    need_proc
    start_noting "CALLS_NO_THREAD=$none"
    assert_echoes echo:100 fin end
    [ "$(noted pthread_create)" -ge 1 ] ||
        skip "calls.so doesn't see this program's pthread_create"
    : >"$none"
    peer -n 3 -t "$PATIENCE" drain || fail_because 01#exercises \
        "the connection is closed when pthread_create fails" "$(complaint)" \
        "nobody serves it, and nobody closes it: check the result"
    rm "$none"
    assert_echoes -t "$PATIENCE" echo:100 fin end
    assert_server_healthy
}

# memory_of PID: prints the size of all its mappings, in KiB.
memory_of()
{
    awk '$1 == "VmSize:" { print $2 }' "/proc/$1/status"
}

@test "01.5: threads that have ended leave no stack behind" {
    local before after

    need_proc
    server_start
    peer -n 100 echo:100 fin end
    wait_until "$PATIENCE" threads_are 1
    before=$(memory_of "$SERVER_PID")
    peer -n 200 echo:100 fin end
    wait_until "$PATIENCE" threads_are 1
    after=$(memory_of "$SERVER_PID")
    # The C library keeps some stacks for the next threads.
    [ $((after - before)) -le 20000 ] ||
        fail_because 01#exercises "about as much memory as before 200 threads" \
            "$((after - before)) KiB more" \
            "a thread that is neither detached nor joined keeps its stack"
}
