# extras -- what the last stage promises beyond the common contract
# bats file_tags=stage:06

load ../lib/stage
setup() { stage_setup; }
teardown() { stage_teardown; }

# on_a_path: from now on the server listens on a Unix-domain socket.
on_a_path()
{
    LISTEN_HOST=$BATS_TEST_TMPDIR/echo.socket
}

# usage STATUS ARGS…: the server tells its usage and ends with that status.
usage()
{
    local status=$1

    shift
    start usage "${SERVER_CMD[@]}" "$@"
    wait_for_exit "$LAST_PID"
    [ "$STATUS" -eq "$status" ] &&
        grep -q usage "$BATS_TEST_TMPDIR/usage.out" \
            "$BATS_TEST_TMPDIR/usage.err" ||
        fail_because shutdown "the usage, and exit $status, for: $*" "exit $STATUS" \
            "an option that is not checked"
}

@test "-h tells the usage; wrong options end with exit 2" {
    usage 0 -h
    usage 2 -x
    usage 2 -w 0
    usage 2 -w many
    usage 2 -t -1
    usage 2 -t 1s
}

@test "SIGINT ends it in order: idle connections get FIN, exit 0" {
    server_start
    peer_start peers -n 20 echo:1000 end
    peer_wait peers '* 20000 received'
    kill -INT "$SERVER_PID"
    assert_peer_succeeds peers
    assert_server_ends 0
    assert_nothing_logged
}

@test "SIGTERM: what it still owes is sent, then FIN, exit 0" {
    server_start
    peer_start peers -n 3 send:8M wait end
    peer_wait peers '3 waiting*'
    kill -TERM "$SERVER_PID"
    peer_continue peers
    assert_peer_succeeds peers
    assert_server_ends 0
}

@test "SIGTERM: a peer that does not read holds it up for a second at most" {
    server_start
    peer_start peers -n 3 send:512M wait
    peer_wait peers '3 waiting*'
    kill -TERM "$SERVER_PID"
    assert_server_ends 0 "no deadline for a peer that doesn't read" 10
}

# Lets it run for a moment. True if it is there still, and refuses connections.
refuses_while_it_lives()
{
    resume "$SERVER_PID" && stop "$SERVER_PID" &&
        ! (exec 9<>"/dev/tcp/localhost/$PORT") 2>/dev/null
}

@test "SIGTERM: accepts nobody any more" {
    server_start
    peer_start peers -n 3 send:512M wait
    peer_wait peers '3 waiting*'
    kill -TERM "$SERVER_PID"
    wait_until 5 refuses_while_it_lives ||
        fail_because shutdown "connections are refused while it ends" "they are accepted" \
            "the listening socket stays open until the end"
    resume "$SERVER_PID"
    assert_server_ends 0
}

# Stopped meanwhile: both are there before the second of grace begins.
two_signals()
{
    stop "$SERVER_PID"
    kill -TERM "$SERVER_PID"
    kill -INT "$SERVER_PID"
    resume "$SERVER_PID"
    wait_for_exit "$SERVER_PID"
}

@test "a second signal ends it now, with another exit status than 0" {
    server_start
    peer_start peers -n 3 send:512M wait
    peer_wait peers '3 waiting*'
    two_signals
    [ "$STATUS" -ne 0 ] ||
        fail_because shutdown "an end at once, with another exit status than 0" \
            "exit 0: it waited on" "the second signal is not handled"
}

@test "-w 2: a second signal ends it now, with another exit status than 0" {
    server_start -w 2
    assert_workers 2
    peer_start peers -n 3 send:512M wait
    peer_wait peers '3 waiting*'
    two_signals
    [ "$STATUS" -ne 0 ] ||
        fail_because shutdown "exit status 1: what was owed is lost" "exit 0" \
            "the forced end is told as an orderly one"
}

@test "-t 5: stopped for longer, it answers what has come meanwhile" {
    server_start -t 5
    peer_start late echo:10 wait send:10 wait receive fin end
    peer_wait late '1 waiting*'
    stop "$SERVER_PID"
    peer_continue late
    peer_wait late '1 waiting* 20 sent*'
    sleep 5.2 # the time that is over
    resume "$SERVER_PID"
    peer_continue late
    assert_peer_succeeds late
}

@test "-t 2: idle connections are closed, those that say little are not" {
    local idle

    need_descriptors 600
    server_start -t 2
    server_warm_up
    peer_start idle -n 500 echo:10 end
    assert_echoes echo:10 pause:900 echo:10 pause:900 echo:10 pause:900 \
        echo:10 fin end
    assert_peer_succeeds idle
    assert_server_healthy
    assert_nothing_logged
}

children_are()
{
    [ "$(count_children "$SERVER_PID")" -eq "$1" ] &&
        [ "$(zombies_of "$SERVER_PID")" -eq 0 ]
}

# assert_workers N: within 5 s it has so many, and no zombie.
assert_workers()
{
    wait_until 5 children_are "$1" ||
        fail_because workers "$1 workers" "$(count_children "$SERVER_PID"), \
$(zombies_of "$SERVER_PID") of them zombies" \
            "a worker that has ended isn't reaped, or isn't replaced"
}

@test "-w 2: two workers serve; one that crashes is replaced" {
    local worker

    server_start -w 2
    assert_workers 2
    assert_echoes -n 100 echo:20000 fin end
    worker=$(children_of "$SERVER_PID" | head -n 1)
    kill -KILL "$worker"
    wait_until 5 not alive "$worker"
    assert_workers 2
    assert_echoes -n 100 echo:20000 fin end
}

@test "-w 2: SIGTERM ends the workers in order too, and frees the port" {
    local workers pid

    server_start -w 2
    assert_workers 2
    workers=$(children_of "$SERVER_PID")
    peer_start peers -n 20 echo:1000 end
    peer_wait peers '* 20000 received'
    kill -TERM "$SERVER_PID"
    assert_peer_succeeds peers
    assert_server_ends 0
    for pid in $workers; do
        wait_until 5 not alive "$pid"
    done
    LISTEN_PORT=$PORT server_start
}

@test "-w 2: Ctrl-C, which parent and workers get, ends them all in order" {
    local waits='?epoll_wait,epoll_pwait,?poll,ppoll' pids before pid

    need_tracing
    # The workers are slow to see what they have waited for.
    SERVER_WRAP=(strace -D -f -qq -o "$BATS_TEST_TMPDIR/strace" -e signal=none
        -e "trace=exit_group,$waits" -e "inject=$waits:delay_exit=500000")
    # Which can't look for leaks under strace.
    server_start "ASAN_OPTIONS=${ASAN_OPTIONS:-}:detect_leaks=0" -w 2
    assert_workers 2
    before=$(fds_of "$SERVER_PID")
    mapfile -t pids < <(children_of "$SERVER_PID")
    for pid in "${pids[@]}"; do
        wait_until 5 handles_signals "$pid"
    done
    kill -INT "$SERVER_PID"
    # The parent closes the listening socket and its end of the workers' pair:
    # that comes before their own signal.
    wait_until 5 fds_are $((before - 2))
    kill -INT "${pids[@]}"
    assert_server_ends 0
    wait_until 5 three_exits
    ! grep 'exit_group([1-9]' "$BATS_TEST_TMPDIR/strace" ||
        fail_because workers "three processes that exit with 0" "the lines above" \
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

@test "-w 2: workers end when their parent is killed, and free the port" {
    local workers pid

    server_start -w 2
    assert_workers 2
    workers=$(children_of "$SERVER_PID")
    server_kill
    for pid in $workers; do
        wait_until 5 not alive "$pid"
    done
    LISTEN_PORT=$PORT server_start
}

@test "-w 2: a failed fork is told, and tried again" {
    [ -z "${SERVER:-}" ] || not_for "it may start its workers another way"
    need_shim echo_once
    server_start "${SHIM[@]}" SHIM_FAIL=fork:EAGAIN:1 -w 2
    wait_until 5 children_are 2 ||
        fail_because workers "two workers" "$(count_children "$SERVER_PID")" \
            "a worker whose fork has failed is never started again"
    assert_injected fork
    [ "$(grep -c '^fork: ' "$SERVER_ERR")" -eq 1 ] ||
        fail_because workers "a line on stderr: fork: and why" "$(cat "$SERVER_ERR")" \
            "fork's error is not told"
    assert_echoes -n 20 echo:20000 fin end
}

@test "nobody reads its stderr: it drops lines, and serves" {
    local log=$BATS_TEST_TMPDIR/log

    need_shim echo_once
    mkfifo "$log"
    # Open for reading too, or there would be SIGPIPE.
    exec 9<>"$log"
    ! dd if=/dev/zero of="$log" bs=4096 count=100000 oflag=nonblock \
        2>/dev/null || fail "this system's pipes have no end"
    # shellcheck disable=SC2016 # for the inner shell
    SERVER_WRAP=(bash -c 'exec "$@" 2>&9' -)
    server_start "${SHIM[@]}" SHIM_FAIL=accept:EMFILE:1-19
    peer -t $((10 * SLOWER)) echo:1000 fin end ||
        fail_because log "served, after 19 accepts with EMFILE" \
            "$(complaint)" "it waits in write until somebody reads its complaints"
    assert_injected accept
}

@test "a HOST with a slash is a Unix-domain socket" {
    on_a_path
    server_start
    [ "$(cat "$SERVER_OUT")" = "Server is listening on $LISTEN_HOST" ] ||
        fail_because socket-file "Server is listening on $LISTEN_HOST" \
            "$(cat "$SERVER_OUT")" "a path has no port"
    server_warm_up
    assert_echoes -n 50 echo:70000 fin end
    assert_server_healthy
    "${CLIENT_CMD[@]}" "$LISTEN_HOST" <"$TESTS_DIR/run" \
        >"$BATS_TEST_TMPDIR/came"
    cmp "$TESTS_DIR/run" "$BATS_TEST_TMPDIR/came" ||
        fail_because client "the client gets its file back" "see above" \
            "HOST with a slash is a path for the client, too"
    kill -TERM "$SERVER_PID"
    wait_for_exit "$SERVER_PID"
    [ ! -e "$LISTEN_HOST" ] ||
        fail_because socket-file "the socket's file is gone after the end" "it is there" \
            "no unlink"
}

@test "a dead server's socket file is replaced, a live one's is not" {
    on_a_path
    server_start
    server_kill
    [ -S "$LISTEN_HOST" ]
    server_start
    server_warm_up
    start second "${SERVER_CMD[@]}" "$LISTEN_HOST"
    wait_for_exit "$LAST_PID"
    [ "$STATUS" -eq 1 ] && grep -qi 'in use' "$BATS_TEST_TMPDIR/second.err" ||
        fail_because socket-file "status 1, and: address in use" \
            "status $STATUS: $(cat "$BATS_TEST_TMPDIR/second.err")" \
            "a file that a server listens on is taken from it"
    assert_server_healthy
}

# child_of_server: sets CHILD to its only child.
child_of_server()
{
    CHILD=$(children_of "$SERVER_PID") && [ -n "$CHILD" ]
}

@test "-w 1: a worker told to end right after its fork does end" {
    need_tracing
    # The child is slow to give back the handlers that it has inherited.
    SERVER_WRAP=(strace -D -f -qq -o "$BATS_TEST_TMPDIR/strace"
        -e trace=rt_sigaction -e inject=rt_sigaction:delay_enter=300000)
    server_start -w 1
    wait_until 5 child_of_server
    kill -TERM "$CHILD"
    wait_until 10 not alive "$CHILD" ||
        fail_because workers "the worker ends" "it goes on" \
            "the signal went to a handler of the parent's loop"
}

@test "a file that is no socket is left alone" {
    on_a_path
    echo mine >"$LISTEN_HOST"
    start refused "${SERVER_CMD[@]}" "$LISTEN_HOST"
    wait_for_exit "$LAST_PID"
    [ "$STATUS" -eq 1 ] && [ "$(cat "$LISTEN_HOST")" = mine ] ||
        fail_because socket-file "status 1, and the file as it was" \
            "status $STATUS" "unlink, though it is no socket"
}

@test "starts with stdin, stdout and stderr closed" {
    on_a_path
    # shellcheck disable=SC2016 # for the inner shell
    SERVER_WRAP=(bash -c 'exec "$@" <&- >&- 2>&-' -)
    server_launch
    PORT=0
    wait_until 10 peer echo:1 fin end
    assert_echoes -n 10 echo:20000 fin end
}

@test "-w 2: SIGTERM kills a worker that is stopped, and says so with exit 1" {
    local worker

    server_start -w 2
    assert_workers 2
    worker=$(children_of "$SERVER_PID" | head -n 1)
    stop "$worker"
    kill -TERM "$SERVER_PID"
    wait_for_exit "$SERVER_PID" 4 ||
        fail_because workers "an end within two seconds or so" "none within 4 s" \
            "the parent waits for a worker that never ends"
    [ "$STATUS" -eq 1 ] && [ "$(grep -c '^worker: ' "$SERVER_ERR")" -eq 1 ] &&
        not alive "$worker" ||
        fail_because workers "status 1, a line worker:, and no worker left" \
            "status $STATUS; $(cat "$SERVER_ERR")" \
            "a worker that doesn't end is left, or isn't reported"
}

@test "signals that whoever started it has blocked end it, and replace workers" {
    local worker

    SERVER_WRAP=(env "--block-signal=TERM,INT,CHLD")
    env --block-signal=TERM true || skip "this env cannot block signals"
    server_start -w 1
    wait_until 5 child_of_server
    worker=$CHILD
    sleep 1.1 # else a second passes before it is replaced
    kill -KILL "$worker"
    wait_until 5 not alive "$worker"
    assert_workers 1
    kill -TERM "$SERVER_PID"
    assert_server_ends 0
}

@test "a wait that fails for lack of memory is logged, and ends nothing" {
    need_shim echo_once
    server_start "${SHIM[@]}" SHIM_FAIL=wait:ENOMEM:2
    assert_echoes -n 5 echo:20000 fin end
    assert_injected wait
    [ "$(grep -c '^loop: ' "$SERVER_ERR")" -eq 1 ] ||
        fail_because log "a line: loop: and why" "$(cat "$SERVER_ERR")" \
            "the failed wait is not logged"
    kill -TERM "$SERVER_PID"
    assert_server_ends 0
}

@test "a server's file that another one has replaced is left alone" {
    local old

    on_a_path
    server_start
    old=$SERVER_PID
    rm "$LISTEN_HOST"
    server_start
    kill -TERM "$old"
    wait_for_exit "$old"
    [ "$STATUS" -eq 0 ] ||
        fail_because shutdown "exit status 0" "$STATUS" "its file is gone"
    assert_server_healthy
}

# server_of_node SCRIPT: the client's server is that script.
server_of_node()
{
    need node
    SERVER_CMD=(node -e "const net = require('net');
        const [host, port] = process.argv.slice(1);
        const server = net.createServer({ allowHalfOpen: true }, $1);
        server.listen(port, host, () => console.log('Server is listening on '
            + host + ':' + server.address().port));")
    server_start
}

# assert_client_exits STATUS WORDS: what the client said, and its exit status.
assert_client_exits()
{
    STDIN=$TESTS_DIR/run start client "${CLIENT_CMD[@]}" localhost "$PORT"
    wait_for_exit "$LAST_PID" 5 || fail_because client "the client ends" "it hangs" \
        "it waits for a FIN that never comes"
    [ "$STATUS" -eq "$1" ] && grep "$2" "$BATS_TEST_TMPDIR/client.err" ||
        fail_because client "exit status $1, and on stderr: $2" \
            "status $STATUS: $(cat "$BATS_TEST_TMPDIR/client.err")" \
            "what came back isn't counted, or the end isn't told"
}

@test "client: all came back, and the server never closes: ends all the same" {
    server_of_node '(s) => s.on("data", (data) => s.write(data))'
    assert_client_exits 0 'does.*close'
    cmp "$TESTS_DIR/run" "$BATS_TEST_TMPDIR/client.out" ||
        fail_because client "stdout is what stdin was" "see above" \
            "it ends before all is written to stdout"
}

@test "client: more comes back than was sent: says so at once, exit 1" {
    server_of_node '(s) => s.on("data", (data) => s.write(data + data))'
    assert_client_exits 1 'more came back than was sent'
}
