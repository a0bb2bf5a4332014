# loop -- what the headers of 06-eventloop promise, on both pollers
# bats file_tags=stage:06
#
# tests/loop/ holds the tests themselves, in C: each quotes its promise. A test
# here runs a group of them. They are built with ASan and UBSan where the
# compiler has them. LOOP_RUN='valgrind -q' runs them under that.

setup_file()
{
    local stage=${STAGES_DIR:-$BATS_TEST_DIRNAME/../..}/06-eventloop
    local address=-fsanitize=address
    local undefined="-fsanitize=undefined -fno-sanitize-recover"

    export POLLERS="epoll poll"
    if [ "$(uname)" != Linux ]; then
        return 0 # setup skips each test: not every bats takes a skip here
    fi
    # shellcheck disable=SC2086 # several flags
    if [ -n "${LOOP_RUN:-}" ] || ! echo 'int main(void) { return 0; }' |
        ${CC:-cc} $address $undefined -x c -o "$BATS_FILE_TMPDIR/probe" - 2>/dev/null; then
        address='' undefined=''
    else
        # The tests count bytes themselves: half of the time is saved.
        export ASAN_OPTIONS=${ASAN_OPTIONS:+$ASAN_OPTIONS:}detect_leaks=0
    fi
    # All that runs them is ten times slower, or so.
    export SLOWER=${LOOP_RUN:+10}
    # make can't take a path with a blank.
    ln -s "$(cd "$stage" && pwd)" "$BATS_FILE_TMPDIR/stage"
    # Most of the time is the compiler's, so it doesn't optimize. CC may come
    # from the environment: .ci/emulated sets it.
    MAKEFLAGS='' "${MAKE:-make}" -s -j2 -C "$BATS_TEST_DIRNAME" \
        OUT="$BATS_FILE_TMPDIR" STAGE="$BATS_FILE_TMPDIR/stage" \
        ${CC:+CC="$CC"} CFLAGS="${CFLAGS:--O0 -g} $address" \
        STAGE_CFLAGS="$undefined"
}

setup()
{
    [ "$(uname)" = Linux ] || skip "its hooks need Linux's linker"
}

# loop_test POLLER ARGS…: runs the program of that poller.
loop_test()
{
    # shellcheck disable=SC2086 # LOOP_RUN is a command and its options
    ${LOOP_RUN:-} "$BATS_FILE_TMPDIR/$1" "${@:2}"
}

# holds GROUP: each promise of that group holds, with both pollers.
holds()
{
    local poller failed=0

    # Under valgrind or qemu one is slow enough.
    [ -z "${LOOP_RUN:-}" ] || [ "$1" = pollers ] || local POLLERS=epoll
    for poller in $POLLERS; do
        loop_test "$poller" "$1" || {
            echo "poller:  $poller"
            echo "again:   make -C tests/loop && .build/loop/$poller NAME"
            failed=1
        }
    done
    return $failed
}

@test "a loop: what keeps it running, what ends with it" { holds life; }
@test "timers: in order, never early, late ones don't drift" { holds timers; }
@test "descriptors: readable, writable, unwatched, stale" { holds descriptors; }
@test "signals: as callbacks, none lost, none kept" { holds signals; }
@test "deferred tasks: last, in order, once" { holds tasks; }
@test "a loop without memory" { holds memory; }
@test "a connection: its handlers, half-open, reset" { holds connections; }
@test "backpressure: pause, drain, bounded memory" { holds backpressure; }
@test "timeouts: idle means idle" { holds timeouts; }
@test "a close: sends pending output, and has a deadline" { holds closing; }
@test "connecting: every address, the telling error" { holds connecting; }
@test "listening: names, addresses, socket files" { holds listening; }
@test "pollers: what is asked, nothing else, nothing left out" { holds pollers; }
@test "sockets: names, options, errors" { holds sockets; }
@test "programs: options, descriptors, the log" { holds program; }
@test "workers: replaced, stopped, killed" { holds workers; }
@test "addresses and options of sockets" { holds addresses; }
@test "at the limits: descriptors, memory, calls" { holds limits; }

@test "every group of tests/loop is run here" {
    diff <(loop_test epoll --list | cut -d ' ' -f 1 | sort -u) \
        <(sed -n 's/^@test .* { holds \([a-z]*\); }$/\1/p' \
            "$BATS_TEST_FILENAME" | sort)
}

# promise: Nothing here prints or exits.
@test "loop and net print nothing, and exit nowhere" {
    cd "${STAGES_DIR:-$BATS_TEST_DIRNAME/../..}/06-eventloop"
    ! grep -nE '\b(v?f?printf|f?puts|putchar|perror|_?exit|abort|assert)\(' \
        loop.c timers.c net*.c sock.c poller_*.c
}

@test "every promise of the headers has a test" {
    "$BATS_TEST_DIRNAME/promises" || {
        echo "expected: a test quotes each sentence above, or the list says why not"
        echo "read:     tests/loop/promises"
        return 1
    }
}
