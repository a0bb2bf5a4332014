#!/usr/bin/env bats
# What a client may cost: no CPU while it waits, no memory for the bytes that it
# passes on, no delay by Nagle's algorithm.

# Names that lib/stage sets.
# shellcheck disable=SC2153

load client

setup()
{
    client_setup
}

teardown()
{
    stage_teardown
}

# sparse SIZE: sets FILE to a file of zeros that takes no disk space.
sparse()
{
    FILE=$BATS_TEST_TMPDIR/zeros
    truncate -s "$1" "$FILE"
}

# assert_waits WHEN: the client uses no CPU then, and hasn't ended.
assert_waits()
{
    assert_idle "$1" "$CLIENT_PID" || return
    alive "$CLIENT_PID" ||
        client_failed_because "it waits until stdout can be written" \
            "it has ended" \
            "a full pipe is taken for an error"
}

@test "client: costs no CPU after its stdin's end, the server silent" {
    not_under_valgrind
    # If 06 had sent nothing, it would end soon, since nothing can come back.
    bad_server silent
    client_start "$TESTS_DIR/run"
    wait_until 5 connected
    assert_idle "after the end of a file" "$CLIENT_PID"
}

@test "client: costs no CPU after the end of a pipe, the server silent" {
    not_under_valgrind
    # poll reports the end of a pipe otherwise than that of a file.
    bad_server silent
    talk_start
    say hello
    wait_until 5 connected
    hang_up
    assert_idle "after the end of a pipe" "$CLIENT_PID"
}

@test "client: costs no CPU while stdin is idle" {
    not_under_valgrind
    server_start
    talk_start
    say hello
    assert_hears hello
    assert_idle "while nothing is typed" "$CLIENT_PID"
}

@test "client: costs no CPU while a non-blocking stdin is idle" {
    not_under_valgrind
    server_start
    CLIENT_CMD=("$TOOLS/inherit" -n 0 "${CLIENT_CMD[@]}")
    talk_start
    say hello
    assert_hears hello
    assert_idle "while nothing is typed" "$CLIENT_PID"
}

@test "client: costs no CPU after stdout's reader has left" {
    not_under_valgrind
    server_start
    mkfifo "$BATS_TEST_TMPDIR/in"
    exec 6<>"$BATS_TEST_TMPDIR/in"
    unread_start "$BATS_TEST_TMPDIR/in"
    say hello
    assert_hears hello
    # The pipe's reader has gone, but there's nothing to write.
    exec 8>&-
    assert_idle "after the reader of stdout has left" "$CLIENT_PID"
    say again
    assert_client_exits failure "the result of write to stdout isn't checked"
}

@test "client: costs no CPU while nobody reads its stdout" {
    not_under_valgrind
    need_proc
    server_start
    # Read it to its end: the server's FIN is in the socket.
    sparse 200K
    unread_start "$FILE"
    wait_until 10 at_rest
    assert_waits "with stdout full, 200K on stdin"
}

@test "client: costs no CPU while nobody reads a non-blocking stdout" {
    not_under_valgrind
    need_proc
    server_start
    sparse 200K
    unread_start "$FILE" "$TOOLS/inherit" -n 1
    wait_until 10 at_rest
    assert_waits "with a non-blocking stdout full, 200K on stdin"
}

# hwm_of_all PID: prints the most memory that it and its children have used, in
# KiB, all together.
hwm_of_all()
{
    local pid sum=0

    look_at_children "$1"
    for pid in "$1" ${CHILDREN[@]+"${CHILDREN[@]}"}; do
        sum=$((sum + $(hwm_of "$pid")))
    done
    echo "$sum"
}

# assert_little_memory WHEN: fails if the client has ever used more memory than
# a few buffers, and a runtime of its own, take.
assert_little_memory()
{
    local used limit=8192

    # A sanitizer's memory doesn't count.
    ! grep -q libasan "/proc/$CLIENT_PID/maps" 2>/dev/null || return 0
    [ -z "${CLIENT:-}" ] || limit=$((limit + 131072))
    used=$(hwm_of_all "$CLIENT_PID")
    [ "$used" -le "$limit" ] ||
        client_failed_because "at most $limit KiB of memory $1" "$used KiB" \
            "it reads on while the other side takes nothing"
}

@test "client: stdin has more, nobody reads stdout: no CPU, no memory" {
    not_under_valgrind
    need_proc
    server_start
    # Send more than the kernel's buffers hold on the way.
    sparse 192M
    unread_start "$FILE"
    wait_until 10 at_rest
    assert_waits "with stdout full, 192M on stdin"
    # 16 MiB go through, and then it has to wait again.
    head -c 16777216 "$BATS_TEST_TMPDIR/unread" | cmp -n 16777216 - "$FILE" ||
        client_failed_because "the zeros of stdin come out" "the above" \
            "after a wait for stdout bytes are lost"
    wait_until 10 at_rest
    assert_little_memory "after 16 MiB, while nobody reads the rest"
}

@test "client: the server sends without end, nobody reads stdout: it waits" {
    not_under_valgrind
    need_proc
    not_lockstep "it receives only what it has sent"
    bad_server flood
    if [[ $LIKE == 06* ]]; then
        not_for "it ends as soon as more comes back than was sent"
    fi
    mkfifo "$BATS_TEST_TMPDIR/in"
    exec 6<>"$BATS_TEST_TMPDIR/in"
    unread_start "$BATS_TEST_TMPDIR/in"
    wait_until 10 at_rest
    assert_waits "with stdout full, and more to come"
    assert_little_memory "while nobody reads"
    # The client writes all that has come, even when the server is gone.
    server_dies
    hang_up
    read_all_of_it wc -c
    assert_client_exits 1 "it doesn't compare how much came back with how \
much was sent"
    wait_for_exit "$READER_PID"
    [ "$(cat "$BATS_TEST_TMPDIR/reader.out")" -ge 65536 ]
}

# talk BYTES: sets TOOK to the median time, in microseconds, of messages of
# BYTES to a server that answers once it has a whole message.
talk()
{
    bad_server "gather=$1"
    # start gives it a process group, which a client with kill(0, …) kills.
    start talk "$TOOLS/talk" "$1" 20 "${CLIENT_CMD[@]}" localhost "$PORT"
    wait_for_exit "$LAST_PID" "$PATIENCE" >/dev/null && [ "$STATUS" -eq 0 ] ||
        client_failed_because "20 messages of $1 bytes come back" \
            "$(cat "$BATS_TEST_TMPDIR/talk.err")" \
            "the client waits for more input, or has ended"
    TOOK=$(cat "$BATS_TEST_TMPDIR/talk.out")
}

@test "client: a message in several pieces is not held back (Nagle)" {
    local one

    not_lockstep "it waits for the answer to each piece"
    talk 4000
    one=$TOOK
    talk 20000
    # Five times as many bytes may take 100 times as long; with a delayed ACK of
    # 40 ms they'd take hundreds of times as long.
    [ "$TOOK" -le $((100 * one)) ] ||
        client_failed_because \
            "20,000 bytes take at most 100 times as long as 4,000" \
            "$TOOK us, and $one us" \
            "no TCP_NODELAY: the second write waits for an ACK of the first"
}
