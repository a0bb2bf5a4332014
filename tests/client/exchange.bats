#!/usr/bin/env bats
# What a client promises: stdin goes to the server, what comes back goes to
# stdout, byte for byte, whatever the two are, and neither waits for the other.

# Names that lib/stage sets, scripts for other shells.
# shellcheck disable=SC2153,SC2016

load client

setup_file()
{
    # From about 6.5 MiB on, both sides would wait for each other.
    random_file 33554432
}

setup()
{
    client_setup
    RANDOM_FILE=$BATS_FILE_TMPDIR/random
}

teardown()
{
    stage_teardown
}

# stop_client, continue_client: do to all its processes what Ctrl-Z and fg do.
stop_client()
{
    local pid

    kill -STOP -- "-$CLIENT_PID" || return
    for pid in "$CLIENT_PID" $(children_of "$CLIENT_PID"); do
        wait_until 5 stopped_or_ended "$pid"
    done
}

stopped_or_ended()
{
    STATE=
    state_of "$1" || true
    [[ $STATE != [RSDI] ]]
}

continue_client()
{
    kill -CONT -- "-$CLIENT_PID"
}

# through_pipes FILE [FIFO]: sends what comes from FIFO, then FILE, through a
# pipe, the client and another pipe to a comparison. The exit status is the
# client's own, or 3 if that is 0 although bytes are missing.
through_pipes()
{
    client_run bash -c 'file=$0 first=$1 said=$2
        shift 2
        cat "$first" "$file" | "$@" | cmp - "$file" >"$said" 2>&1
        status=("${PIPESTATUS[@]}")
        [ "${status[1]}" -eq 0 ] || exit "${status[1]}"
        cat "$said" >&2
        [ "${status[2]}" -eq 0 ] || exit 3' \
        "$1" "${2:-/dev/null}" "$BATS_TEST_TMPDIR/cmp" \
        "${CLIENT_CMD[@]}" localhost "$PORT"
}

@test "client: a small file comes back" {
    printf 'Hello, server!\nHow are you?\n' >"$BATS_TEST_TMPDIR/small"
    assert_client_echoes "$BATS_TEST_TMPDIR/small"
    bad_server capitals
    client_start "$BATS_TEST_TMPDIR/small"
    assert_client_exits 0 "it waits for something that never comes"
    tr a-z A-Z <"$BATS_TEST_TMPDIR/small" | cmp -s - "$CLIENT_OUT" ||
        client_failed_because "what the server sends: HELLO, SERVER!" \
            "$(head -n 1 "$CLIENT_OUT")" \
            "it prints what it has read from stdin, not what it receives"
}

@test "client: stderr says connected and disconnected, stdout nothing" {
    assert_client_echoes /dev/null
    printf '%s\n' 'Connected to server' 'Disconnected from server' \
        >"$BATS_TEST_TMPDIR/said"
    run diff "$CLIENT_ERR" "$BATS_TEST_TMPDIR/said"
    [ "$status" -eq 0 ] ||
        client_failed_because "these two lines on stderr, and no other" \
            "$output" \
            "debug output, or stdout and stderr are mixed up"
}

@test "client: an empty file ends at once" {
    : >"$BATS_TEST_TMPDIR/empty"
    assert_client_echoes "$BATS_TEST_TMPDIR/empty"
}

@test "client: stdin may be /dev/null" {
    assert_client_echoes /dev/null
}

@test "client: a single byte comes back" {
    printf x >"$BATS_TEST_TMPDIR/byte"
    assert_client_echoes "$BATS_TEST_TMPDIR/byte"
}

@test "client: no end of line at the end is needed, none is added" {
    printf 'one\ntwo' >"$BATS_TEST_TMPDIR/text"
    assert_client_echoes "$BATS_TEST_TMPDIR/text"
}

@test "client: NULs and all other bytes, in sizes around the buffers'" {
    local size pids=()

    server_start
    for size in 1 4095 4096 4097 16383 16384 16385 65537 1000003; do
        file_of "$size"
        STDIN=$FILE start "client$size" "${CLIENT_CMD[@]}" localhost "$PORT"
        pids+=("$LAST_PID:$size")
    done
    for size in "${pids[@]}"; do
        CLIENT_PID=${size%:*}
        size=${size#*:}
        CLIENT_OUT=$BATS_TEST_TMPDIR/client$size.out
        CLIENT_ERR=$BATS_TEST_TMPDIR/client$size.err
        assert_client_exits 0 "it waits for something that never comes"
        assert_came_back "$BATS_TEST_TMPDIR/$size.random"
    done
}

@test "client: a regular file of 10 MB comes back" {
    file_of 10000000
    assert_client_echoes "$FILE"
}

@test "client: 32 MiB of random bytes through pipes, without a deadlock" {
    server_start
    through_pipes "$RANDOM_FILE"
    assert_client_exits 0 "the rest of a short write is lost, or both sides \
wait" \
        $((4 * PATIENCE))
}

@test "client: each line is answered before the next is typed" {
    local line

    server_start
    talk_start
    for line in one 'two words' '' four; do
        say "$line"
        assert_hears "$line"
    done
    hang_up
    assert_client_exits 0 "it doesn't notice the end of its stdin"
}

@test "client: on a terminal lines are answered, Ctrl-Z, fg, Ctrl-D work" {
    not_under_valgrind
    server_start
    client_run "$TOOLS/pty" "${CLIENT_CMD[@]}" localhost "$PORT"
    if wait_for_exit "$CLIENT_PID" 45 && [ "$STATUS" -eq 98 ]; then
        skip "no terminal available: $(tail -n 1 "$CLIENT_ERR")"
    fi
    assert_client_exits 0 "EINTR after fg is taken for an error"
}

@test "client: stdout may be /dev/null" {
    server_start
    STDIN=$TESTS_DIR/run client_run sh -c 'exec "$@" >/dev/null' sh \
        "${CLIENT_CMD[@]}" localhost "$PORT"
    assert_client_exits 0 \
        "it waits until a file is ready, which epoll never reports"
}

@test "client: stdin and stdout may be the two directions of a socket" {
    local line

    # Node's child_process and inetd start programs in this way.
    server_start
    need node
    client_run node -e 'const { spawn } = require("child_process");
        const [command, ...args] = process.argv.slice(1);
        const client = spawn(command, args, { stdio: ["pipe", "pipe", 2] });
        client.stdout.once("data", (data) => {
            process.stdout.write(data);
            client.stdin.end("and goodbye\n");
            client.stdout.pipe(process.stdout);
        });
        client.stdin.write("hello\n");
        client.on("exit", (code) => process.exitCode = code);' \
        "${CLIENT_CMD[@]}" localhost "$PORT"
    assert_client_exits 0 "it doesn't read, write or end a socket as it does \
a pipe"
    printf 'hello\nand goodbye\n' >"$BATS_TEST_TMPDIR/both"
    assert_came_back "$BATS_TEST_TMPDIR/both"
}

@test "client: stopped while it waits, then continued, it goes on" {
    server_start
    talk_start
    say before
    assert_hears before
    wait_until 5 waiting "$CLIENT_PID"
    stop_client
    continue_client
    # If input were there already, EINTR couldn't occur.
    wait_until 5 waiting "$CLIENT_PID"
    say after
    assert_hears after
    hang_up
    assert_client_exits 0 "EINTR is taken for an error"
}

@test "client: stopped and continued in mid-transfer, it loses nothing" {
    local stops=0 go=$BATS_TEST_TMPDIR/go

    server_start
    file_of 16777216
    mkfifo "$go"
    through_pipes "$FILE" "$go"
    wait_until 10 connected
    : >"$go" # now it begins
    while [ "$stops" -lt 5 ] && alive "$CLIENT_PID" && stop_client; do
        continue_client
        stops=$((stops + 1))
    done
    [ "$stops" -gt 0 ] ||
        fail "it had exited before the first stop, so this test proves nothing"
    assert_client_exits 0 \
        "EINTR is taken for an error, or the rest of a short write is lost" \
        $((4 * PATIENCE))
}

@test "client: half-close: a server that answers only after FIN is heard" {
    not_lockstep "it waits for each answer before it sends on"
    bad_server late
    file_of 40000
    client_start "$FILE"
    assert_client_exits 0 \
        "it calls close instead of shutdown(SHUT_WR), or neither of them"
    assert_came_back "$FILE"
}

@test "client: FIN goes out while stdout is full" {
    not_lockstep "it reads on when the answer has been written"
    need_proc
    server_start
    server_warm_up
    mkfifo "$BATS_TEST_TMPDIR/in"
    exec 6<>"$BATS_TEST_TMPDIR/in"
    unread_start "$BATS_TEST_TMPDIR/in"
    file_of 200000
    cat "$FILE" >&6
    wait_until 10 at_rest
    # The client also sends what's typed now, and then FIN.
    echo "one more line" | tee -a "$FILE" >&6
    hang_up
    wait_until 10 at_baseline ||
        client_failed_because "the server gets all of stdin, and FIN" \
            "it waits" \
            "a write to stdout blocks, or FIN waits for stdout"
    read_all_of_it cat
    assert_client_exits 0 "it doesn't write everything to stdout"
    wait_for_exit "$READER_PID"
    CLIENT_OUT=$BATS_TEST_TMPDIR/reader.out assert_came_back "$FILE"
}

@test "client: a server that takes its time to close is no failure" {
    bad_server open=300
    client_start "$TESTS_DIR/run"
    assert_client_exits 0 "it ends when everything has come back, without \
waiting for FIN"
    assert_client_says "Connected to server" "Disconnected from server"
    assert_came_back "$TESTS_DIR/run"
}

@test "client: a sender that is slow after its FIN has counted before (02)" {
    [[ $LIKE == 02* ]] || not_for "one process sends and receives"
    need_tracing
    server_start
    # A sanitizer can't look for leaks under strace.
    STDIN=$BATS_TEST_DIRNAME/client.bash \
        ASAN_OPTIONS=${ASAN_OPTIONS:-}:detect_leaks=0 \
        client_run strace -f -qq -o "$BATS_TEST_TMPDIR/strace" \
        -e trace=shutdown -e inject=shutdown:delay_exit=300000 \
        "${CLIENT_CMD[@]}" localhost "$PORT"
    assert_client_exits 0 "it counts only after FIN, which may be too late"
    assert_came_back "$BATS_TEST_DIRNAME/client.bash"
}
