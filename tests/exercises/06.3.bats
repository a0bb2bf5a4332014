# 06.3 -- a worker process does the work that takes 200 ms

load exercise

# say TEXT: sends it on the connection that descriptor 9 has.
say()
{
    printf '%s\n' "$1" >&9
}

# assert_answered TEXT: this is the next line that comes back.
assert_answered()
{
    local line=

    read -r -t "$PATIENCE" -u 9 line || true
    [ "$line" = "$1" ] ||
        fail_because state "the answer: $1" "${line:-nothing}" \
            "what is sent after \`work' overtakes it, or is lost: pause the \
connection meanwhile"
}

# has_worker: sets WORKER to the id of the server's child.
has_worker()
{
    look_at_children "$SERVER_PID"
    WORKER=${CHILDREN[0]:-}
    [ -n "$WORKER" ]
}

# start_working [ARGS…]: starts the server with ARGS, has `work' sent, and stops
# the worker.
start_working()
{
    server_start "$@"
    exec 9<>"/dev/tcp/localhost/$PORT"
    # The worker may run from the start, or be forked for the work.
    if has_worker; then
        stop "$WORKER"
        say work
    else
        say work
        wait_until 1 has_worker >/dev/null ||
            fail_because starve "a child process that works" "none" \
                "the process that serves the clients computes itself"
        stop "$WORKER"
    fi
}

@test "06.3: work takes 200 ms of CPU, and then comes back" {
    local before

    need_proc
    server_start
    exec 9<>"/dev/tcp/localhost/$PORT"
    look_at_time "$SERVER_PID"
    before=$CPU_MS
    say work
    assert_answered work
    look_at_time "$SERVER_PID"
    [ $((CPU_MS - before)) -ge 150 ] ||
        fail_because starve "200 ms of CPU time for work" \
            "$((CPU_MS - before)) ms" "no process computes"
}

@test "06.3: others are served while it works" {
    start_working
    peer -t "$PATIENCE" -n 5 ping:20 fin end || fail_because starve \
        "five clients served while the worker works" "$(complaint)" \
        "the handler computes, or waits for the worker's answer"
    resume "$WORKER"
    assert_answered work
}

@test "06.3: what a client sends after work comes back after it" {
    start_working
    # These are served after `work' was read, and the next ones after `more'.
    assert_echoes -t "$PATIENCE" ping:5 fin end
    say more
    assert_echoes -t "$PATIENCE" ping:5 fin end
    resume "$WORKER"
    assert_answered work
    assert_answered more
}

# worker_is_done: true once it has computed, and sleeps or has ended.
worker_is_done()
{
    alive "$WORKER" || return 0
    look_at_time "$WORKER"
    [ "$CPU_MS" -ge 150 ] && [ "$STATE" = S ]
}

@test "06.3: a connection that ends before the work is done harms nobody" {
    start_working -t 2
    # It has been idle for too long.
    not read -r -t "$PATIENCE" -u 9
    exec 9>&-
    assert_echoes -t "$PATIENCE" ping:5 fin end
    resume "$WORKER"
    wait_until "$PATIENCE" worker_is_done
    # These come after its answer.
    assert_echoes -t "$PATIENCE" ping:5 fin end || true
    alive "$SERVER_PID" || fail_because close "the server still runs" \
        "it has ended" "the answer is for a connection that is freed"
}
