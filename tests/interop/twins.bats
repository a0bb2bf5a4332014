#!/usr/bin/env bats
# twins -- the same small server and client twice, with Node's net and on stage
# 06's loop: each server with each client prints the same, byte for byte
# bats file_tags=once

# Names that lib/stage sets.
# shellcheck disable=SC2153

load ../lib/stage

EXAMPLES=$ROOT_DIR/docs/examples

setup_file()
{
    build hello-server
    build hello-client
}

setup()
{
    stage_setup
    need node
}

teardown()
{
    stage_teardown
}

# build PROGRAM: builds it with the command in its first comment.
build()
{
    local command

    command=$(sed -n '/^ \* cc /,/^ \*\/$/{ s/^ \* *//; s/\\$//; /^\//!p; }' \
        "$EXAMPLES/$1.c" | tr '\n' ' ')
    (cd "$ROOT_DIR" && eval "${command/-o $1/-o $BATS_FILE_TMPDIR/$1 \
        -Wall -Wextra -Wpedantic -Werror}")
}

# twin LANGUAGE PROGRAM: sets TWIN to the command that runs it.
twin()
{
    if [ "$1" = js ]; then
        TWIN=(node "$EXAMPLES/$2.js")
    else
        TWIN=("$BATS_FILE_TMPDIR/$2")
    fi
}

# assert_prints FILE LINE…: FILE holds these lines and nothing else.
assert_prints()
{
    local file=$1

    shift
    diff <([ $# -eq 0 ] || printf '%s\n' "$@") "$file" ||
        fail_because twins "these lines: $*" "the difference above" \
            "the twin of $file doesn't do the same"
}

# pair SERVER CLIENT: runs a server in one language with a client in the other.
pair()
{
    twin "$1" hello-server
    SERVER_CMD=("${TWIN[@]}")
    server_start
    twin "$2" hello-client
    start client "${TWIN[@]}" localhost "$PORT"
    wait_for_exit "$LAST_PID"
    [ "$STATUS" -eq 0 ] ||
        fail_because twins "exit status 0" "$STATUS: $(cat \
            "$BATS_TEST_TMPDIR/client.err")" "the twins differ"
    assert_prints "$BATS_TEST_TMPDIR/client.out" "Connected to server" \
        "Received from server: Hello, server!" "Disconnected from server"
    assert_prints "$BATS_TEST_TMPDIR/client.err"
    assert_prints "$SERVER_OUT" "Server is listening on localhost:$PORT"
    assert_prints "$SERVER_ERR"
}

@test "hello: a server in C, a client in C" {
    pair c c
}

@test "hello: a server in C, a client in JavaScript" {
    pair c js
}

@test "hello: a server in JavaScript, a client in C" {
    pair js c
}

@test "hello: a server in JavaScript, a client in JavaScript" {
    pair js js
}
