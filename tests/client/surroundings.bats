#!/usr/bin/env bats
# surroundings -- what the program that starts a client may leave behind, and
# how the client leaves it

# Names that lib/stage sets.
# shellcheck disable=SC2153

load client

setup_file()
{
    random_file 300000
}

setup()
{
    client_setup
}

teardown()
{
    stage_teardown
}

@test "client: stdin's and stdout's file status flags stay as they are" {
    [ -r /proc/self/fdinfo/0 ] || skip "no /proc/self/fdinfo here"
    server_start
    talk_start
    say hello
    assert_hears hello
    assert_flags_kept "while it runs"
    hang_up
    assert_client_exits 0 "it doesn't notice the end of its stdin"
    assert_flags_kept "after it"
}

@test "client: stdin and stdout may be non-blocking, and stay so" {
    [ -r /proc/self/fdinfo/0 ] || skip "no /proc/self/fdinfo here"
    server_start
    CLIENT_CMD=("$TOOLS/inherit" -n 0 -n 1 "${CLIENT_CMD[@]}")
    talk_start
    say hello
    assert_hears hello
    # The client has nothing to read now.
    wait_until 5 waiting "$CLIENT_PID"
    FLAGS_BEFORE=$(flags_of 7 8)
    ((8#${FLAGS_BEFORE##* } & 8#4000)) || fail "this test could not make \
stdout non-blocking"
    say again
    assert_hears again
    assert_flags_kept "while it runs"
    hang_up
    assert_client_exits 0 "EAGAIN on stdin is taken for an error"
    assert_flags_kept "after it"
}

@test "client: stdout is non-blocking and full: it waits, and loses nothing" {
    need_proc
    file_of 300000
    server_start
    unread_start "$FILE" "$TOOLS/inherit" -n 1
    wait_until 10 at_rest
    read_all_of_it cat
    assert_client_exits 0 "EAGAIN on stdout is taken for an error"
    wait_for_exit "$READER_PID"
    CLIENT_OUT=$BATS_TEST_TMPDIR/reader.out assert_came_back "$FILE"
}

@test "client: SIGTERM and Ctrl-C end it, stdin's and stdout's flags stay" {
    local signal

    server_start
    for signal in TERM INT; do
        talk_start
        say hello
        assert_hears hello
        # Send it to all its processes, as Ctrl-C does.
        kill -"$signal" -- "-$CLIENT_PID"
        STATUS=
        wait_for_exit "$CLIENT_PID" && [ "$STATUS" -ne 0 ] ||
            client_failed_because "it ends on SIG$signal, not with 0" \
                "${STATUS:-no end}" \
                "the signal is ignored, or taken for success"
        assert_flags_kept "after SIG$signal"
    done
}

@test "client: all signals blocked: SIGTERM ends it all the same" {
    CLIENT_CMD=("$TOOLS/inherit" -b "${CLIENT_CMD[@]}")
    server_start
    talk_start
    say hello
    assert_hears hello
    kill -TERM "$CLIENT_PID"
    wait_for_exit "$CLIENT_PID" ||
        client_failed_because "it ends on SIGTERM" "it runs on" \
            "the signal stays blocked, as it was inherited"
}

# ends_with STATUS REDIRECTIONS [REASON]: with these redirections, and files as
# stdin and stdout, the client exits with that status, and prints the reason.
ends_with()
{
    STDIN=$FILE client_run bash -c 'exec "$@" '"$2" - \
        "${CLIENT_CMD[@]}" localhost "$PORT"
    STATUS=
    if ! wait_for_exit "$CLIENT_PID" || [ "$STATUS" -ne "$1" ]; then
        client_failed_because "exit status $1, started with $2" \
            "${STATUS:-no end}" \
            "its socket has the number of stdin, stdout or stderr"
        return 1
    fi
    [ -z "${3:-}" ] || grep -q "$3" "$CLIENT_ERR" ||
        client_failed_because "the reason: $3" "$(cat "$CLIENT_ERR")" \
            "the error of another call, or none"
}

@test "client: stdin or stdout closed at the start: exit 1, and which" {
    not_under_valgrind
    [ -z "${CLIENT:-}" ] || not_for "its language may open /dev/null there"
    server_start
    file_of 40000
    ends_with 1 '<&-' '^stdin: Bad file descriptor'
    ends_with 1 '>&-' '^stdout: Bad file descriptor'
    ends_with 1 '<&- >&-' '^stdin: Bad file descriptor'
    # It can't print why, but it neither hangs nor exits with 0.
    ends_with 1 '>&- 2>&-'
    ends_with 1 '<&- >&- 2>&-'
}

@test "client: stderr closed at the start: all is copied, and nothing else" {
    not_under_valgrind
    server_start
    file_of 40000
    ends_with 0 '2>&-'
    assert_came_back "$FILE"
    # Nor does it send its own messages to the server, which would echo them.
    FILE=/dev/null
    ends_with 0 '2>&-'
    assert_came_back "$FILE"
}

# with_open_files N: opens so many files that the client's socket becomes
# descriptor N.
with_open_files()
{
    # shellcheck disable=SC2016 # for the inner shell
    CLIENT_CMD=(bash -c 'for ((i = 3; i < $0; i++)); do
        eval "exec $i</dev/null"; done; exec "$@"' "$1" "${CLIENT_CMD[@]}")
}

@test "client: started with 1,023 open files, it echoes" {
    need_descriptors 2000
    with_open_files 1023
    assert_client_echoes "$TESTS_DIR/run"
}

@test "client: started with 1,024 open files (03: ends with 1 and why)" {
    need_descriptors 2000
    with_open_files 1024
    if ! stage_allows fd_setsize; then
        assert_client_echoes "$TESTS_DIR/run"
        return
    fi
    server_start
    client_start "$TESTS_DIR/run"
    assert_client_exits 1 "FD_SET writes past the end of the set: check the \
socket's number"
    grep -q '^select: no room for descriptor [0-9]' "$CLIENT_ERR" ||
        client_failed_because "select: no room for descriptor, and which" \
            "another reason" \
            "FD_SET was called with it, or the limit is not told"
}
