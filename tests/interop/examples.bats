#!/usr/bin/env bats
# examples -- what docs/examples builds on stage 06's loop: the small server and
# client, which print what their twins in JavaScript do, and chapter 06's recipes
# bats file_tags=once

# Names that lib/stage sets.
# shellcheck disable=SC2153

load ../lib/stage

EXAMPLES=$ROOT_DIR/docs/examples

setup_file()
{
    local program

    for program in hello-server hello-client chat-server connect-limit; do
        build "$program"
    done
}

setup()
{
    stage_setup
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
    need node
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

# member NAME: joins the chat. What the others say goes to NAME.out, what comes
# through the pipe NAME.in is said.
member()
{
    mkfifo "$BATS_TEST_TMPDIR/$1.in"
    STDIN=$BATS_TEST_TMPDIR/$1.in start "$1" nc localhost "$PORT"
}

@test "chat: what one says goes to all the others, beside one who is slow" {
    need nc
    need_proc
    SERVER_CMD=("$BATS_FILE_TMPDIR/chat-server")
    server_start
    member ann
    exec 5>"$BATS_TEST_TMPDIR/ann.in"
    member bob
    exec 6>"$BATS_TEST_TMPDIR/bob.in"
    peer_start slow wait
    peer_wait slow '1 waiting*'
    wait_until 10 has_members 3
    echo Hello >&5
    wait_until 10 grep -qx Hello "$BATS_TEST_TMPDIR/bob.out"
    # Bob reads, so he is never a megabyte behind. The slow one has to leave.
    for n in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16; do
        yes "$n" | head -c 1000000 >&5
        printf '\nround %s\n' "$n" >&5
        wait_until 10 grep -qx "round $n" "$BATS_TEST_TMPDIR/bob.out"
    done
    wait_until 10 has_members 2
    [ ! -s "$BATS_TEST_TMPDIR/ann.out" ]
    exec 5>&- 6>&-
}

# has_members N: true if the server has so many connections.
has_members()
{
    local sockets

    sockets=$(find "/proc/$SERVER_PID/fd" -lname 'socket:*' | wc -l)
    [ "$sockets" -eq $(($1 + 1)) ]
}

@test "connect-limit: a server that answers, and a host that does not" {
    local limit=$BATS_FILE_TMPDIR/connect-limit

    SERVER_CMD=("$STAGES_DIR/06-eventloop/server")
    server_start
    [ "$("$limit" localhost "$PORT")" = "Connected to server" ]
    need unshare
    need ip
    # The loopback interface loses what isn't for this machine.
    run unshare --net --map-root-user sh -c 'ip link set lo up &&
        ip route add 192.0.2.0/24 dev lo && echo alone &&
        exec timeout 30 "$1" 192.0.2.2 8000' sh "$limit"
    [[ $output == alone* ]] || skip "no network of its own here: $output"
    [ "$status" -eq 1 ]
    [ "$output" = $'alone\nconnect: no answer' ]
}
