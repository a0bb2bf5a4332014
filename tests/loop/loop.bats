# loop -- what loop.h and net.h promise, each promise alone, on both pollers
# bats file_tags=stage:06
#
# tests/loop/ holds the tests themselves, in C: one function for each promise,
# which a test here runs by its name. They are built with ASan and UBSan
# where the compiler has them. LOOP_RUN='valgrind -q' runs them under that.

setup_file()
{
    local stage=${STAGES_DIR:-$BATS_TEST_DIRNAME/../..}/06-eventloop
    local sanitize="-fsanitize=address,undefined -fno-sanitize-recover"
    local build=$BATS_TEST_DIRNAME/build

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

@test "a wait that fails loses nothing" {
    promise wait_fails
}

@test "a stop before a wait that fails is kept" {
    promise stop_is_kept
}

@test "loop_free forgets timers and tasks, and closes no descriptor" {
    promise free_forgets
}

@test "loop_free destroys what the loop owns; nothing new starts" {
    promise owned_end_with_the_loop
}

@test "loop_free in a child leaves the parent's loop alone" {
    promise free_in_a_child
}

@test "descriptors of the loop close on exec, and with it" {
    promise descriptors_close_on_exec
}

@test "timers run in the order of their time, then of their start" {
    promise timer_order
}

@test "timers of one time run in the order of their start" {
    promise timer_ties
}

@test "a timer is never early, and its wait never spins" {
    promise timer_never_early
}

@test "a timer callback may stop itself, another one, or none" {
    promise timer_stop_in_callbacks
}

@test "starting a running timer restarts it" {
    promise timer_restarts
}

@test "a timer's callback may free it" {
    promise timer_may_be_freed
}

@test "timers need no memory of the loop's" {
    promise timers_need_no_memory
}

@test "a repeating timer loses no time" {
    promise timer_repeats
}

@test "a repeating timer that is late does not drift" {
    promise timer_does_not_drift
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

@test "100,000 timers start, restart, stop and run in no time" {
    promise many_timers_are_cheap
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

@test "watching again replaces callbacks and arg" {
    promise watch_replaces
}

@test "readable comes before writable, which then may be gone" {
    promise readable_first
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

@test "a deferred task runs after signals and I/O" {
    promise deferred_comes_last
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

@test "a signal's callback may end another signal" {
    promise signal_unwatched_in_callback
}

@test "a signal that was blocked is unblocked" {
    promise signal_is_unblocked
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

@test "conn_queued tells what is queued" {
    promise queued_is_told
}

@test "conn_peer tells IPv4 and Unix-domain peers" {
    promise peer_is_told
}

@test "conn_peer tells IPv6 peers" {
    promise peer_of_ipv6_is_told
}

@test "every TCP socket has TCP_NODELAY and SO_OOBINLINE" {
    promise tcp_options
}

@test "urgent data stays in the stream" {
    promise urgent_data_stays
}

@test "a connection paused by another one's handler has no data" {
    promise pause_from_another_handler
}

@test "many changes in one iteration are told to epoll once" {
    promise changes_are_told_once
}

@test "a producer that ignores false costs no quadratic time" {
    promise queue_is_not_quadratic
}

@test "on_timeout after idle time only, and again" {
    promise idle_timeout
}

@test "what came while the loop was stopped or busy is no silence" {
    promise late_input_is_no_silence
}

@test "a peer that reads slowly is not idle" {
    promise slow_reader_is_not_idle
}

@test "a peer that has stopped reading is idle" {
    promise peer_that_stops_reading_is_idle
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

@test "loop_free closes all connections, with ECANCELED" {
    promise loop_free_ends_all
}

@test "loop_free in a child ends no connection of its parent's" {
    promise loop_free_in_a_child
}

@test "loop_free delivers an on_close that is due" {
    promise free_with_close_due
}

@test "loop_stop leaves everything open" {
    promise stop_leaves_all_open
}

@test "server_close again does nothing, server_start again is EBUSY" {
    promise server_close_twice
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

@test "no address answers: on_close has the telling error" {
    promise telling_error
}

@test "a server that accepts and resets has answered" {
    promise reset_is_an_answer
}

@test "a full backlog of a Unix-domain server is waited for" {
    promise full_backlog
}

@test "server_listen names the call that failed" {
    promise listen_errors
}

@test "server_listen asks for addresses to listen on" {
    promise listens_everywhere
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

@test "server_close removes only the socket file it made" {
    promise unix_file_of_another
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
        "$BATS_TEST_DIRNAME"/*_test.c | sort) \
        <(sed -n 's/^    promise \([a-z_]*\)$/\1/p' "$BATS_TEST_FILENAME" |
            sort)
}
