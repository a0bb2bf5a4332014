# loop -- what loop.h and net.h promise, each promise alone, on both pollers
# grades: stage
# only: 06
#
# tests/loop/ holds the tests themselves, in C: one function for each promise,
# which a test here runs by its name. They are built with ASan and UBSan
# where the compiler has them. LOOP_RUN='valgrind -q' runs them under that.

setup_file()
{
    local stage=${STAGES_DIR:-$BATS_TEST_DIRNAME/..}/06-eventloop
    local sanitize="-fsanitize=address,undefined -fno-sanitize-recover"
    local build=$BATS_TEST_DIRNAME/loop/build

    export POLLERS="epoll poll"
    if [ "$(uname)" != Linux ]; then
        return 0 # setup skips each test: not every bats takes a skip here
    fi
    # shellcheck disable=SC2086 # several flags
    if [ -n "${LOOP_RUN:-}" ] || ! echo 'int main(void) { return 0; }' |
        ${CC:-cc} $sanitize -x c -o "$BATS_FILE_TMPDIR/probe" - 2>/dev/null; then
        sanitize=
    fi
    for poller in $POLLERS; do
        # shellcheck disable=SC2086 # several flags
        "$build" "$BATS_FILE_TMPDIR/$poller" "$poller" "$stage" $sanitize
    done
}

setup()
{
    [ "$(uname)" = Linux ] || skip "its hooks need Linux's linker"
}

# promise NAME: the test of that name holds with both pollers.
promise()
{
    local poller

    for poller in $POLLERS; do
        # shellcheck disable=SC2086 # LOOP_RUN is a command and its options
        ${LOOP_RUN:-} "$BATS_FILE_TMPDIR/$poller" "$1" || {
            echo "expected: the promise of this test's name holds with $poller"
            echo "look at:  $1 in tests/loop/"
            echo "read:     06-eventloop/loop.h and net.h"
            return 1
        }
    done
}

@test "a loop with nothing to do ends at once" {
    promise nothing_to_do
}

@test "a single one-shot timer runs, and the loop ends" {
    promise single_timer
}

@test "a loop can be stopped and run again, but not from inside" {
    promise stop_and_run_again
}

@test "loop_now stays the same during an iteration" {
    promise now_is_cached
}

@test "timers run in the order of their time, then of their start" {
    promise timer_order
}

@test "a timer is never early, and its wait never spins" {
    promise timer_never_early
}

@test "a timer callback may stop itself, another one, or none" {
    promise timer_stop_in_callbacks
}

@test "no timer id comes twice" {
    promise timer_ids_differ
}

@test "a repeating timer does not drift" {
    promise timer_repeats
}

@test "a repeating timer skips the beats it missed" {
    promise timer_skips_missed_beats
}

@test "a timer that restarts itself at 0 ms starves nobody" {
    promise timer_of_zero_starves_nobody
}

@test "a thousand timers, half of them stopped, run in order" {
    promise thousand_timers
}

@test "a timer of 30 days, and one of 290 million years" {
    promise thirty_days
}

@test "the wall clock may jump an hour ahead or back" {
    promise wall_clock_jumps
}

@test "a callback may unwatch its own descriptor" {
    promise unwatch_in_callback
}

@test "a callback may unwatch another one that is ready as well" {
    promise unwatch_other_in_batch
}

@test "an event of a closed descriptor does not reach the new one" {
    promise stale_event
}

@test "a callback may unwatch and close its own descriptor" {
    promise closes_in_callback
}

@test "watching again replaces events and callback" {
    promise watch_replaces
}

@test "a descriptor may have a large number" {
    promise watch_large_number
}

@test "of 300 descriptors that are always ready, all have turns" {
    promise all_get_their_turn
}

@test "regular files and /dev/null are always ready" {
    promise files_are_ready
}

@test "a hang-up without interest does not spin" {
    promise no_interest_no_spin
}

@test "deferred calls run after the events, in order, once" {
    promise deferred_order
}

@test "what a deferred call defers waits for the next iteration" {
    promise deferred_is_bounded
}

@test "a deferred call may free its task" {
    promise deferred_may_free
}

@test "a signal ends the wait" {
    promise signal_during_wait
}

@test "a signal just before the wait ends it as well" {
    promise signal_just_before_wait
}

@test "signals alone do not keep the loop running" {
    promise signals_alone_end
}

@test "70,000 signals neither block nor hide another one" {
    promise signal_storm
}

@test "a signal gets its former disposition back" {
    promise signal_gives_back
}

@test "loop.c: each allocation fails in turn" {
    promise allocations_fail
}

@test "a connection whose ends have both ended closes, with error 0" {
    promise ends_in_order
}

@test "conn_destroy in every handler; later calls do nothing" {
    promise destroy_in_every_handler
}

@test "conn_write in on_close does nothing" {
    promise write_in_on_close
}

@test "server_close in every handler" {
    promise server_close_in_handlers
}

@test "a reset is told to on_close" {
    promise reset_is_an_error
}

@test "the peer has ended, and we still send" {
    promise half_open_by_the_peer
}

@test "we have ended, and the peer still sends" {
    promise half_open_by_us
}

@test "conn_write: false above the high-water mark, one on_drain" {
    promise backpressure
}

@test "an echo to a peer that does not read holds 64 KiB" {
    promise flood_is_bounded
}

@test "a paused connection has no data and no end" {
    promise pause_and_resume
}

@test "a connection paused at once does not spin" {
    promise pause_in_on_connect
}

@test "one read in a turn, of at most CONN_MAX_DATA" {
    promise turns_are_capped
}

@test "on_timeout after idle time only, and again" {
    promise idle_timeout
}

@test "what came while the loop was stopped or busy is no silence" {
    promise late_input_is_no_silence
}

@test "what the peer sent before its reset is read" {
    promise read_before_the_reset
}

@test "conn_close sends all that waits, then FIN" {
    promise close_sends_what_waits
}

@test "conn_close sends what waits, then discards until FIN" {
    promise close_waits_for_the_peer
}

@test "conn_close does not wait longer than told" {
    promise close_has_a_deadline
}

@test "server_close ends every connection, then the loop ends" {
    promise server_close_ends_all
}

@test "connect refused: on_close with ECONNREFUSED" {
    promise refused
}

@test "a name that does not resolve: on_close, and its reason" {
    promise unresolvable
}

@test "conn_connect tries every address" {
    promise several_addresses
}

@test "server_listen tries every address, but in use is final" {
    promise listens_on_the_first_that_works
}

@test "what is written before on_connect is sent after it" {
    promise write_before_connected
}

@test "conn_destroy while it connects" {
    promise destroy_while_connecting
}

@test "socket files: dead replaced, live and others left alone" {
    promise unix_rules
}

@test "at the descriptor limit: no spin, and on when one closes" {
    # valgrind has a descriptor limit of its own.
    [[ ${LOOP_RUN:-} != *valgrind* ]] || skip "not for valgrind: its limit is another"
    promise descriptor_limit
}

@test "a message costs one read, one write and no epoll_ctl" {
    promise fast_path
}

@test "an idle connection takes at most 256 bytes" {
    promise idle_memory
}

@test "net.c: each allocation fails in turn" {
    promise net_allocations_fail
}

@test "every test in tests/loop is run here" {
    diff <(sed -n 's/^    {"\([a-z_]*\)",.*/\1/p' \
        "$BATS_TEST_DIRNAME"/loop/*_test.c | sort) \
        <(sed -n 's/^    promise \([a-z_]*\)$/\1/p' "$BATS_TEST_FILENAME" |
            sort)
}
