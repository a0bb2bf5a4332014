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

@test "replay: what can't be recorded is told in a sentence" {
    local program

    need_recorder
    cc -o "$BATS_TEST_TMPDIR/bare" 04-poll/server.c
    for program in "$BATS_TEST_TMPDIR/bare" /bin/true; do
        run env REPLAY_DIR="$BATS_TEST_TMPDIR/replay" \
            docs/replay/record --server "$program" silent
        [ "$status" -eq 1 ]
        [[ $output == "make replay: "*"build it with -g"* &&
            ${#lines[@]} -eq 1 ]] ||
            fail "expected a sentence about -g" "got: $output"
    done
    run docs/replay/record --server "$BATS_TEST_TMPDIR/none" silent
    [ "$status" -eq 1 ]
    [ "$output" = "make replay: there is no program $BATS_TEST_TMPDIR/none" ]
    run docs/replay/record --server /bin/true loud
    [ "$status" -eq 1 ]
    [[ $output == "make replay: there is no scenario loud, but silent "* ]]
}

@test "replay: without a gdb that may trace, recording says so in a sentence" {
    says 'gdb, which is not installed'
    says 'built with Python' 'echo "Program stopped."'
    says 'may not trace here' 'echo has Python'
}
