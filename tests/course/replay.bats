#!/usr/bin/env bats
# replay -- the recordings of docs/replay are true, and can be made again

load ../lib/stage

# What the published recordings, and those of a RUN, hold is checked by
# tests/course/replay.
published=$ROOT_DIR/docs/replay/recordings

setup()
{
    cd "$ROOT_DIR" || return
}

# checks KIND DIR…: tests/course/replay finds nothing wrong.
checks()
{
    need python3
    run python3 tests/course/replay "$@"
    [ "$status" -eq 0 ] ||
        fail "$output" "If docs/replay or a stage has changed on purpose:" \
            "docs/replay/record --publish"
}

# need_recorder: skips the test where nothing can be recorded, or where two
# recordings may differ.
need_recorder()
{
    local small=/proc/sys/net/ipv4/tcp_rmem

    need gdb
    need python3
    need ip
    unshare --net --map-root-user test -w "$small" 2>/dev/null ||
        unshare --net test -w "$small" 2>/dev/null ||
        skip "the recorder gets no network of its own here, with small buffers"
    gdb -q -nx -batch -ex 'set startup-with-shell off' \
        -ex 'python print("has Python")' -ex starti /bin/true 2>&1 |
        tr '\n' ' ' | grep -q 'has Python.*Program stopped' ||
        skip "gdb has no Python, or may not trace here"
}

# records ARGUMENT…: runs docs/replay/record, quietly, into a folder of its own,
# REPLAY_DIR.
records()
{
    docs/replay/record "$@" >"$REPLAY_DIR.log" 2>&1 ||
        fail "docs/replay/record $*:" "$(cat "$REPLAY_DIR.log")"
}

# records_stages NN…: the same for these stages.
records_stages()
{
    local number

    for number in "$@"; do
        REPLAY_DIR=$BATS_TEST_TMPDIR/$number records "$number" || return
    done
}

# without_gdb: prints a PATH to all programs but gdb, where $1 is that, if given.
without_gdb()
{
    local dir=$BATS_TEST_TMPDIR/bin program

    mkdir -p "$dir"
    for program in bash sh env make cc dirname mktemp sed head tail rm mkdir timeout; do
        ln -sf "$(command -v "$program")" "$dir"
    done
    if [ $# -gt 0 ]; then
        printf '#!/bin/sh\n%s\n' "$1" >"$dir/gdb"
        chmod +x "$dir/gdb"
    fi
    echo "$dir"
}

# says WORD [GDB]: `make replay-03` says one sentence with that word, and fails.
# GDB is what gdb does.
says()
{
    local word=$1

    shift
    run env PATH="$(without_gdb "$@")" MAKEFLAGS= MAKELEVEL= make -s replay-03
    [ "$status" -ne 0 ] || fail "make replay-03 succeeds"
    [[ ${lines[0]} == "make replay: "*"$word"* && ${#lines[@]} -le 2 ]] ||
        fail "expected a sentence with: $word" "got: $output"
}

@test "replay: each published recording shows the sources of today" {
    checks sources "$published"
}

@test "replay: each published recording tells its scenario's story" {
    local number name

    checks stories "$published"
    for number in 01 02 03 04 05 06; do
        for name in $(docs/replay/record --list "$number"); do
            [ -s "$published/$number-$name.json" ] ||
                fail "$number-$name isn't published"
        done
    done
}

@test "replay: all recordings together have at most 1.2 MB" {
    local bytes

    bytes=$(cat "$published"/*.json | wc -c)
    [ "$bytes" -le 1200000 ] || fail "they have $bytes bytes"
}

@test "replay: recorded again, each recording is the one that is published" {
    need_recorder
    records_stages 01 02 03 05 &
    records_stages 04 06
    wait $!
    mkdir "$BATS_TEST_TMPDIR/all"
    mv "$BATS_TEST_TMPDIR"/0?/recordings/*.json "$BATS_TEST_TMPDIR/all"
    checks stories "$BATS_TEST_TMPDIR/all"
    checks same "$published" "$BATS_TEST_TMPDIR/all"
}

@test "replay: where figures may differ, calls and clients' actions may not" {
    local old=$BATS_TEST_TMPDIR/old new=$BATS_TEST_TMPDIR/new change

    need python3
    mkdir "$old" "$new"
    cp "$published"/{01-half-close,06-stalled}.json "$old"
    # recorded CHANGE: another recording of these, on another kernel.
    recorded()
    {
        local file

        for file in "$old"/*; do
            sed "s/, Linux [0-9.]*/, Linux 2.4/; $1" "$file" \
                >"$new/${file##*/}"
        done
    }
    recorded 's/"send":[0-9]*/"send":7/; s/ = 8576/ = 12608/'
    checks same "$old" "$new"
    for change in 's/"name":"write"/"name":"send"/' \
        's/A closes/A leaves/' \
        's/"drained": [0-9]*/"drained": 3/'; do
        recorded "$change"
        run python3 tests/course/replay same "$old" "$new"
        [[ $output == *01-half-close*06-stalled* ]] ||
            fail "no difference is found: $change" "$output"
    done
    # Those of a busy machine are compared in the same way.
    sed 's/ = 8576/ = 12608/' "$old/06-stalled.json" >"$new/06-stalled.json"
    rm "$old/01-half-close.json"
    checks same "$old" "$new"
}

@test "replay: a reader's own program is recorded, wherever it may be" {
    local dir="$BATS_TEST_TMPDIR/my own ü" id

    need_recorder
    mkdir "$dir"
    cp 04-poll/server.c "$dir/own.c"
    cc -g -o "$dir/mine" "$dir/own.c"
    for id in silent stalled; do
        REPLAY_DIR=$BATS_TEST_TMPDIR/mine records --server "$dir/mine" $id
        grep -q '"files": {"own.c": ' \
            "$BATS_TEST_TMPDIR/mine/recordings/mine-$id.json" ||
            fail "own.c isn't shown"
    done
}

# records_own NAME SCENARIO STAGE SED-SCRIPT: records a program NAME, which is
# STAGE's server but for the script, into $NAME-SCENARIO.json.
records_own()
{
    local dir=$BATS_TEST_TMPDIR/$1

    mkdir "$dir" && sed "$4" "$3/server.c" >"$dir/server.c" &&
        cc -O0 -g -o "$dir/$1" "$dir/server.c" &&
        REPLAY_DIR=$dir records --server "$dir/$1" "$2" &&
        mv "$dir/recordings/$1-$2.json" "$BATS_TEST_TMPDIR"
}

# first TEXT: prints the number of the first line of own-silent.json with TEXT.
first()
{
    grep -n "$1" "$BATS_TEST_TMPDIR/own-silent.json" | cut -d : -f 1 | sed q
}

@test "replay: recvfrom and sendto are recorded as recv and send" {
    need_recorder
    records_own own silent 02-fork "
        s/ssize_t n = read(\(conn_fd, .*\));/ssize_t n;\\
            n = recvfrom(\1, 0, NULL, NULL);/
        s/ write(\(.*\));/ sendto(\1, 0, NULL, 0);/"
    [ "$(first 'child for A sleeps in recv until A sends')" ]
    [ "$(first 'send hands 5 bytes for B to the kernel')" ]
    [ "$(first '"b-sends"')" ]
    # Only then n has a value.
    [ "$(first '"n":"')" = "$(first '"name":"recv"')" ]
}

@test "replay: epoll_pwait and a server on :: are recorded as 05 is" {
    need_recorder
    mkdir "$BATS_TEST_TMPDIR"/{old,new}
    cp "$published/05-stalled.json" "$BATS_TEST_TMPDIR/old"
    records_own 05 stalled 05-epoll 's/getaddrinfo(host/getaddrinfo("::"/
        s/epoll_wait(\(epoll_fd.*\));/epoll_pwait(\1, NULL);/'
    # Without record's options, lines may differ, as with another compiler.
    sed 's/"made": "/&another /' "$BATS_TEST_TMPDIR/05-stalled.json" \
        >"$BATS_TEST_TMPDIR/new/05-stalled.json"
    checks same "$BATS_TEST_TMPDIR"/{old,new}
}

@test "replay: of a server that never sleeps, the recording says so" {
    need_recorder
    records_own own silent 05-epoll 's/MAX_EVENTS, paused_ms/MAX_EVENTS, 0/'
    tail -n 2 "$BATS_TEST_TMPDIR/own-silent.json" | grep 'It never sleeps'
}

@test "replay: what can't be recorded is told in a sentence" {
    local program

    need_recorder
    cc -o "$BATS_TEST_TMPDIR/bare" 04-poll/server.c
    cc -O2 -g -o "$BATS_TEST_TMPDIR/fast" 04-poll/server.c
    for program in "$BATS_TEST_TMPDIR/bare" "$BATS_TEST_TMPDIR/fast" /bin/true; do
        run env REPLAY_DIR="$BATS_TEST_TMPDIR/replay" \
            docs/replay/record --server "$program" silent
        [ "$status" -eq 1 ]
        [[ $output == "make replay: "*"build it with -O0 -g"* &&
            ${#lines[@]} -eq 1 ]] ||
            fail "expected a sentence about -O0 -g" "got: $output"
    done
    for program in "$BATS_TEST_TMPDIR/none" '/bin/true -v' /bin; do
        run docs/replay/record --server "$program" silent
        [ "$status" -eq 1 ]
        [ "$output" = "make replay: there is no program $program: SERVER is one C program, without arguments" ]
    done
    run docs/replay/record --server /bin/true loud
    [ "$status" -eq 1 ]
    [[ $output == "make replay: there is no scenario loud, but silent "* ]]
}

@test "replay: make replay-NN records the scenarios of SCENARIO, if NN is a stage" {
    local make=(env MAKEFLAGS= MAKELEVEL= make -s)

    run "${make[@]}" replay-07 SCENARIO=silent
    [ "${lines[0]}" = "make replay: there is no stage 07, but 01 02 03 04 05 06" ] ||
        fail "$output"
    run "${make[@]}" replay-01 SCENARIO=loud
    [[ ${lines[0]} == "make replay: there is no scenario loud, but silent "* ]] ||
        fail "$output"
}

@test "replay: without a gdb that may trace, recording says so in a sentence" {
    says 'gdb, which is not installed'
    says 'built with Python' 'echo "Program stopped."'
    says 'may not trace here' 'echo has Python'
}
