# diagnose -- looks at a failure more closely, to name a cause that fits
# shellcheck shell=bash disable=SC2034,SC2153 # for and from the other files
#
# One symptom has many causes: if 1,000 bytes don't come back, the server may
# never read, read once, drop the rest of a write, or be dead. Most causes can
# be told apart from outside: by how many bytes came, whether the server is
# alive, and where it sleeps.
#
# bash reads this file only after a test has failed: stage.bash lists the
# functions that other files call.

# exchange_failed TOPIC EXPECTED CAUSE [NAME]: calls fail_because for a failed
# `peer` (or peer_start NAME), with TOPIC and CAUSE unless the facts say more.
exchange_failed()
{
    local TOPIC=$1 CAUSE=$3 NAME=${4:-peer}
    local SAID STEP='' SCRIPT SENT=0 RECEIVED=0

    read_complaint "$NAME"
    case $SAID in
        *'other bytes came back'*) diagnose_bytes ;;
        *'out of time'* | 'no end '*) diagnose_silence ;;
        *'refused'*)
            TOPIC=addresses
            CAUSE="no socket listens on that port: the server has closed its \
listening socket, or announces another port"
            if listens_at $((PORT >> 8 | (PORT & 255) << 8)); then
                TOPIC=announce
                CAUSE="the announced port has its bytes swapped: ntohs turns \
network byte order into this machine's"
            fi
            ;;
        *) diagnose_close ;;
    esac
    diagnose_backlog
    fail_because "$TOPIC" "$2" "$SAID" "$CAUSE"
}

# diagnose_backlog: more connections came at once than the backlog has room for.
diagnose_backlog()
{
    local room

    [[ $SCRIPT =~ (^| )-n\ ([0-9]+) ]] || return 0
    room=$(backlog)
    [ "${room:-128}" -lt 100 ] && [ $((2 * room)) -le "${BASH_REMATCH[2]}" ] ||
        return 0
    TOPIC=backlog
    CAUSE="listen's backlog is $room: when many connections come at once, the \
kernel drops or resets those that find no room in the queue"
}

# diagnose_spin PID WHEN: sets TOPIC and CAUSE to why it wakes up again and
# again.
diagnose_spin()
{
    TOPIC=spin
    if [ "$1" = "${CLIENT_PID:-}" ]; then
        diagnose_client_spin "$2"
    elif [[ $2 == 'at the limit' ]]; then
        TOPIC=accept
        CAUSE="a spin: there's no pause after accept fails, though the \
listening socket stays ready"
        if [[ $LIKE == 0[34]* ]]; then
            # It can't be seen from outside which of these it is.
            TOPIC=spin
            CAUSE+="; or it always waits for room to write"
        fi
        ! asks_for_room "$1" || diagnose_room
    elif sleeps_often "$1"; then
        CAUSE="it wakes up by itself, though nothing happens: its wait has a \
timeout, or a timer runs"
    elif [[ $LIKE == 0[12]* ]]; then
        diagnose_loop "$1"
    elif [[ $2 == *'not read'* ]]; then
        CAUSE="a spin: it's told again and again that it can read, but has \
pending output to send first. While there's pending output, wait for room to \
write and nothing else"
        [[ $LIKE != 05* ]] || CAUSE+=" (EPOLL_CTL_MOD)"
        peer -t 2 echo:1 fin end >/dev/null 2>&1 || {
            TOPIC=nonblock
            CAUSE="a spin: a loop writes to one connection again and again, \
and serves nobody else. Write once, then go back to the wait"
        }
    elif [[ $2 == *FIN* ]]; then
        CAUSE="a spin: after FIN the connection stays ready. Don't watch it \
for reading after EOF"
    elif [ "$(unread_bytes)" -gt 1 ]; then
        CAUSE="a spin: it's told again and again that it can read from a \
connection, and doesn't"
    elif asks_for_room "$1" || [[ $2 == *idle* && $LIKE == 0[34]* ]]; then
        diagnose_room
    elif [[ $2 == *idle* ]]; then
        [[ $LIKE != 06* ]] || TOPIC=loop
        CAUSE="a spin: its wait doesn't wait: its timeout is 0, or that of a \
timer which is due again and again"
    else
        CAUSE="a spin: its wait returns for an event that it then ignores. \
Close a connection that's broken"
        case $LIKE in
            04*) CAUSE+=" (POLLERR, POLLHUP)" ;;
            0[56]*) CAUSE+=" (EPOLLERR, EPOLLHUP)" ;;
        esac
    fi
}

# sleeps_often PID: true if it goes to sleep ten times a second or more. What
# spins doesn't, however busy the machine is.
sleeps_often()
{
    local before

    before=$(times_asleep "$1")
    pause 0.3 # the time that is measured
    [ $(($(times_asleep "$1") - before)) -ge 3 ]
}

# times_asleep PID: prints how often it has gone to sleep so far.
times_asleep()
{
    awk '$1 == "voluntary_ctxt_switches:" { n = $2 } END { print n + 0 }' \
        "/proc/$1/status" 2>/dev/null
}

# diagnose_client_spin WHEN: the same for a client.
diagnose_client_spin()
{
    TOPIC=client
    case $1:$LIKE in
        *typed:*) CAUSE="a spin: its wait returns though nothing is typed" ;;
        *stdout*) CAUSE="a spin: it's told again and again that stdout's \
reader has left" ;;
        *:0[456]*) CAUSE="a spin: after the end of stdin it's told of its \
hang-up again and again. Don't watch it any longer" ;;
        *) CAUSE="a spin: after the end of stdin it reads stdin again and \
again" ;;
    esac
}

# diagnose_room: it's told again and again that it can write.
diagnose_room()
{
    TOPIC=spin
    CAUSE="a spin: it waits for room to write though it has no pending output"
    case $LIKE in
        03*) CAUSE+=" (the writable set)" ;;
        04*) CAUSE+=" (POLLOUT)" ;;
        0[56]*) CAUSE+=" (EPOLLOUT)" ;;
    esac
}

# diagnose_loop PID: a server without a wait for events uses CPU time.
diagnose_loop()
{
    local before

    TOPIC='echo'
    CAUSE="a spin: a loop calls read or write again and again. An error ends \
the connection"
    [[ $LIKE == 02* ]] || return 0
    before=$(ms_of "$1")
    pause 0.1 # the time that is measured
    if [ $(($(ms_of "$1") - before)) -gt 30 ]; then
        TOPIC=zombies
        CAUSE="a spin: the parent calls waitpid or accept again and again. \
With WNOHANG waitpid returns 0 as long as no child has ended"
    fi
}

# asks_for_room PID: true if it has epoll watch a descriptor for EPOLLOUT.
asks_for_room()
{
    local events

    while read -r _ _ _ events _; do
        [ $((16#$events & 4)) -eq 0 ] || return 0
    done < <(grep -h '^tfd:' "/proc/$1/fdinfo"/* 2>/dev/null)
    return 1
}

# log_topic, log_cause: print why the server has logged though nothing was
# wrong.
log_topic()
{
    case $(sanitizer_said)$(tail -n 1 "$SERVER_ERR") in
        *Sanitizer* | *'runtime error'*) echo memory ;;
        *Interrupted*) echo eintr ;;
        *'No child processes'*) echo zombies ;;
        *'temporarily unavailable'*) echo nonblock ;;
        accept:*'Bad file descriptor'* | accept:*'Invalid argument'*)
            echo fork
            ;;
        *) echo log ;;
    esac
}

log_cause()
{
    case $(log_topic) in
        memory) echo "$(sanitizer_said): it uses memory that isn't its own" ;;
        eintr) echo "EINTR was taken for an error: a signal interrupted the \
call, so call again" ;;
        zombies)
            echo "a signal handler has changed errno: save errno at its \
start, and restore it at its end"
            ;;
        nonblock) echo "EAGAIN was taken for an error: it only says that the \
call would block" ;;
        fork)
            echo "a process without a listening socket calls accept: a child \
that doesn't end (_exit) after its connection"
            ;;
        *)
            echo "it prints debug output, or takes a normal event (FIN, \
EAGAIN, a reset) for an error"
            ;;
    esac
}

# sanitizer_said: prints what a sanitizer has found in the server, if anything.
sanitizer_said()
{
    sed -n -e 's,^SUMMARY: \([A-Za-z]*: [a-z-]*\) .*/\([^/ ]*\) in ,\1 at \2 in ,p' \
        -e 's,.*\(runtime error: .*\),\1,p' \
        "${SERVER_ERR:-/dev/null}" 2>/dev/null | head -n 1
}

# guilty_faults server|client SEED COMMAND…: sets TOPIC and CAUSE for a schedule
# that has failed, by playing it again with one kind of fault at a time.
guilty_faults()
{
    local side=$1 seed=$2 rate name guilty=''

    shift 2
    TOPIC=eintr
    CAUSE="several short, interrupted or failed calls in a row"
    for rate in "${RATES[@]}"; do
        name=${rate%=*}
        survives "$side" "$seed" "$rate" "$@" || guilty+=" ${name#SHIM_}"
    done
    case $guilty in
        *SHORT*)
            TOPIC=short-write
            CAUSE="a short read or a short write: the rest is lost, or it's \
taken for the end"
            ;;
        *EINTR*)
            TOPIC=eintr
            CAUSE="EINTR: an interrupted call is taken for an error"
            # If a peer reads slowly, each schedule has EAGAIN.
            if [[ $guilty =~ SPURIOUS|EAGAIN && $LIKE == 0[3-6]* ]]; then
                TOPIC=nonblock
                CAUSE="EAGAIN (or EINTR) was taken for an error: the \
connection isn't broken, so try again when it's ready"
            fi
            ;;
        *EAGAIN* | *SPURIOUS*)
            TOPIC=nonblock
            CAUSE="EAGAIN: after a spurious wakeup the connection is taken \
for broken, or the bytes that weren't written are dropped"
            ;;
    esac
}

# survives SIDE SEED RATE COMMAND…: true if the program passes with this fault
# alone.
survives()
{
    local side=$1 seed=$2 rate=$3 status=0

    shift 3
    # A subshell leaves the test's own server and rates as they are.
    (
        unset "${RATES[@]%=*}"
        if [ "$side" = client ]; then
            export "${rate?}"
            "$@" -f "$seed" -n 20
            return
        fi
        server_start "${SHIM[@]}" "$rate" || return
        schedule -f "$seed" -n 40 || status=$?
        kill -KILL -- "-$SERVER_PID"
        return "$status"
    ) >/dev/null 2>&1
}

# explain: says what the server and the last peer are doing, if a test has
# failed without one of our assertions. The teardown calls it before it kills
# anything.
explain()
{
    [[ " ${FUNCNAME[*]} " == *' teardown '* ]] &&
        [ -z "${BATS_TEST_COMPLETED:-}" ] && [ -z "${BATS_TEST_SKIPPED:-}" ] &&
        [ ! -e "$BATS_TEST_TMPDIR/explained" ] || return 0
    if [ -s "$BATS_TEST_TMPDIR/peer.err" ]; then
        exchange_failed echo "every byte comes back" \
            "a connection is dropped, or another one blocks it"
    elif [ -n "${SERVER_PID:-}" ]; then
        fail_because unknown "what the line of the test above checks" \
            "the server $(alive "$SERVER_PID" &&
                echo "lives: $(server_is_in)" || echo "has ended")" \
            "not known: read the test, whose name says what's promised"
    fi || true
}

# zombie_cause: prints why there are zombies: is that of one more child reaped?
zombie_cause()
{
    local before

    look_at_children "$SERVER_PID"
    before=${#CHILDREN[@]}
    peer -t 2 echo:1 fin end >/dev/null 2>&1 || true
    if wait_until 2 has_children "$before" >/dev/null; then
        echo "it calls waitpid once for each SIGCHLD, but signals of one kind \
merge: loop until waitpid finds no more"
    else
        echo "no child process is ever reaped: call waitpid in a SIGCHLD \
handler"
    fi
}

# has_children N: true if the server has at most N children, zombies included.
has_children()
{
    look_at_children "$SERVER_PID"
    [ ${#CHILDREN[@]} -le "$1" ]
}

# start_failed: calls fail_because for a server that didn't say where it
# listens.
start_failed()
{
    local topic=announce cause

    if grep -qi listening "$SERVER_ERR"; then
        cause="the line is printed to stderr instead of stdout"
    elif [ -s "$SERVER_OUT" ]; then
        cause="the line has no newline at its end, or no HOST:PORT in it"
    elif alive "$SERVER_PID"; then
        cause="the line isn't flushed (fflush): printf keeps it in memory \
unless stdout is a terminal; or the server never gets that far"
    elif ! grep -qiE 'in use|EADDRINUSE' "$SERVER_ERR"; then
        topic=addresses
        cause="it exited at startup; its stderr should say why"
        [[ $(tail -n 1 "$SERVER_ERR") != select:* ]] || topic=fd_setsize
    elif listens_at "${LISTEN_PORT:-0}"; then
        topic=fork
        cause="a child of the old server still has the listening socket open"
        [[ $LIKE == 02* ]] || topic=workers
    else
        topic=reuseaddr
        cause="no SO_REUSEADDR: the port's old connections are in TIME_WAIT"
    fi
    ENDED+=" $SERVER_PID" # so that server_death doesn't report it again
    fail_because "$topic" \
        "a line on stdout: Server is listening on HOST:PORT" \
        "$(head -c 200 "$SERVER_OUT") $(head -c 500 "$SERVER_ERR")" \
        "$cause: ${SERVER_CMD[*]:${#CAGE[@]}}"
}

# listens_at PORT: true if a socket listens there.
listens_at()
{
    grep -qi "^ *[0-9]*: [0-9A-F]*:$(printf %04X "$1") [0-9A-F:]* 0A " \
        /proc/net/tcp /proc/net/tcp6 2>/dev/null
}

# complaint [NAME]: prints that peer's error message, for fail_because.
complaint()
{
    local SAID STEP SCRIPT SENT RECEIVED

    read_complaint "${1:-peer}"
    echo "$SAID"
}

# read_complaint NAME: sets SAID to that peer's error message, and STEP, SENT
# and RECEIVED according to that message and its last state.
read_complaint()
{
    local counts='([0-9]+)( bytes)? sent(,| and) ([0-9]+) received'

    look_at_peer "$1"
    SCRIPT=" $(cat "$BATS_TEST_TMPDIR/$1.args" 2>/dev/null)"
    SAID=$(grep -m 1 '^peer: ' "$BATS_TEST_TMPDIR/$1.err" 2>/dev/null) ||
        true
    SAID=${SAID#peer: }
    [ -n "$SAID" ] || SAID="no end of its script"
    [[ $SAID != *step\ * ]] || STEP=${SAID#*step } STEP=${STEP%%:*}
    [[ $SAID =~ $counts ]] || SAID+="; $PEER_STATE"
    if [[ $SAID =~ $counts ]]; then
        SENT=${BASH_REMATCH[1]}
        RECEIVED=${BASH_REMATCH[4]}
    fi
}

# diagnose_bytes: what came back isn't what was sent. What becomes of a text?
diagnose_bytes()
{
    local text=$'Hello World\n'

    TOPIC='echo'
    ask_server "$text" 100
    if [[ $ANSWER == "$text"?* ]]; then
        CAUSE="it writes more than it has read: pass write the count that \
read returned, not sizeof buf, and add no newline or NUL"
    elif [[ -n $ANSWER && $ANSWER != "$text" ]]; then
        ANSWER=${ANSWER//[![:print:]]/ }
        CAUSE="it changes what it has read, or sends something of its own: \
'Hello World' comes back as '${ANSWER% }'"
    elif [ "$RECEIVED" -gt "$SENT" ]; then
        CAUSE="bytes that are no text come back changed: take bytes as they \
come, and don't decode them"
    else
        TOPIC=short-write
        CAUSE="bytes are missing or repeated: the rest of a short write is \
dropped, or is sent from the wrong place in the buffer"
        if [[ $SCRIPT == *' -n '* ]]; then
            CAUSE+="; or connections share one buffer"
        fi
    fi
}

# ask_server TEXT N: sends TEXT to the server, and sets ANSWER to what comes back
# within a second: at most N bytes, up to a NUL, for which it has `(NUL)`.
ask_server()
{
    ANSWER=
    {
        exec 9<>"/dev/tcp/${LISTEN_HOST:-localhost}/$PORT" || return 0
        printf %s "$1" >&9
        ! IFS= read -r -d '' -n "$2" -t 1 -u 9 ANSWER ||
            [ ${#ANSWER} -eq "$2" ] || ANSWER+='(NUL)'
        exec 9>&-
    } 2>/dev/null
}

# diagnose_close: the server has closed or reset a connection too early.
diagnose_close()
{
    if [[ $BATS_TEST_DESCRIPTION == 'SIGTERM: pending'* ]]; then
        TOPIC=shutdown
        CAUSE="on SIGTERM it closes at once: first send the pending output, \
then FIN"
        return
    fi
    # What a close after the peer's FIN means, the test knows best.
    case $STEP:$SAID in
        echo:* | ping:*) ;;
        receive:*)
            [[ $LIKE == 06* ]] || return 0
            # Is it the FIN that costs the bytes?
            peer -t 5 send:16M receive >/dev/null 2>&1 || {
                TOPIC=short-write
                CAUSE="the rest of a short write is dropped"
            }
            return
            ;;
        end:*reset*)
            [ "$RECEIVED" -eq "$SENT" ] || return 0
            TOPIC=fin
            CAUSE="all came back, but then RST in place of FIN: it closes with \
unread bytes, or has set SO_LINGER"
            return
            ;;
        *) return ;;
    esac
    if [ "$RECEIVED" -eq 0 ]; then
        TOPIC='echo'
        CAUSE="it closes the connection before it has answered anything: it \
misreads what read returned, or reads nothing at all"
        if [[ $SCRIPT == *' -n '* && $LIKE == 0[3-6]* ]]; then
            TOPIC=grow
            CAUSE="it closes some of many connections: the array doesn't \
grow, or a failed call isn't handled"
        fi
    elif [ "$RECEIVED" -le 1 ] || [ "$RECEIVED" -eq "$SENT" ]; then
        TOPIC='echo'
        CAUSE="it closes after the first answer: read and write need a loop, \
which ends when read returns 0 (FIN)"
    elif [[ $LIKE == 0[3-6]* ]]; then
        TOPIC=nonblock
        CAUSE="it closes in mid-stream: EAGAIN, EINTR or a short write is \
taken for an error"
    else
        TOPIC=short-write
        CAUSE="it closes in mid-stream: a short write or EINTR is taken for \
an error, or for the end"
    fi
}

# diagnose_silence: a peer waited for something that didn't come.
diagnose_silence()
{
    local where

    alive "$SERVER_PID" || return 0 # fail_because says why
    if [[ $LIKE == 03* && $SCRIPT == *' -n 1100 '* ]]; then
        TOPIC=fd_setsize
        CAUSE="it keeps descriptors of FD_SETSIZE and above: FD_SET then \
writes past the end of the set"
        return
    fi
    where=$(server_is_in)
    if [ "$TOPIC" = one-at-a-time ]; then
        # This test knows better, unless it's this.
        if [ "$where" = busy ] && [[ $LIKE == 0[3-6]* ]]; then
            TOPIC=nonblock
            CAUSE="a spin: it tries one connection again and again, and \
serves nobody else. At EAGAIN go back to the wait"
        fi
    elif [ "$where" = waitpid ] && [[ $LIKE == 02* ]]; then
        TOPIC=zombies
        CAUSE="the parent blocks in waitpid, as long as another child runs: \
call it with WNOHANG"
    elif [ "$where" = busy ] && [ "$SENT" -gt 0 ]; then
        diagnose_spin "$SERVER_PID" ''
        if [ "$RECEIVED" -eq "$SENT" ]; then
            TOPIC=fin
            CAUSE="it spins at FIN: read returns 0 again and again until you \
close the connection"
        fi
    elif [[ $where != asleep && $where != waitpid ]] &&
        [ "$(queued_to_accept)" -gt 0 ]; then
        diagnose_no_accept "$where"
    elif [[ $SCRIPT == *' -n '* && $LIKE == 0[3-6]* ]]; then
        diagnose_crowd
    elif [ "$RECEIVED" -eq "$SENT" ]; then
        TOPIC=fin
        CAUSE="all came back, but it doesn't close the connection after the \
peer's FIN (read returns 0)"
        if [[ $LIKE == 02* ]]; then
            CAUSE+=": both processes have to close it, parent and child"
        fi
    elif [ "$RECEIVED" -eq 0 ]; then
        diagnose_no_answer "$where"
    elif [ $((SENT - RECEIVED)) -lt 4096 ] && [[ $LIKE == 0[3-5]* ]] &&
        [ "$where" = wait ] && [ "$(unread_bytes)" -gt 1 ]; then
        diagnose_no_answer "$where"
        CAUSE=${CAUSE/accepts the connection but never/answers, but no longer}
    elif [ $((SENT - RECEIVED)) -lt 4096 ]; then
        TOPIC=state
        CAUSE="it answers once, and then no more: it reads only once"
        if ! answers_whole_pieces; then
            TOPIC='echo'
            CAUSE="only a part of a message comes back: bytes are taken for a \
string that ends at a NUL or a newline, or the rest of a short write is lost"
        elif [[ $LIKE == 0[3-6]* ]]; then
            CAUSE="it answers once, and then no more: state that the first \
answer left behind (start and end, or a paused connection) blocks the second"
        fi
    else
        diagnose_stall
    fi
}

# answers_whole_pieces: true if what came back is all that the first, or the
# first two, or … `echo:N` of the script have sent.
answers_whole_pieces()
{
    local step sum=0

    for step in $SCRIPT; do
        [[ $step =~ ^echo:[0-9]+$ ]] || continue
        sum=$((sum + ${step#echo:}))
        [ "$sum" -ne "$RECEIVED" ] || return 0
    done
    return 1
}

# diagnose_crowd: some of many connections are served, and others aren't.
diagnose_crowd()
{
    TOPIC=walk
    if [[ $SAID == *' 0 lost'* ]] && still_moves; then
        CAUSE="it's too slow for this machine, or the machine is busy: the \
last clients were still being served. PATIENCE=60 gives it more time"
        return
    fi
    CAUSE="some of many connections are no longer served: "
    case $LIKE in
        03*)
            TOPIC=select
            CAUSE+="before each select, fill both sets again with every \
connection"
            ;;
        04*) CAUSE+="the array lost them, when one was removed or when it \
grew" ;;
        *) CAUSE+="their events are lost, or go to another connection" ;;
    esac
}

# still_moves: true if the state of peer NAME changes, or has changed in the last
# seconds before it gave up.
still_moves()
{
    local before=$PEER_STATE said gave_up

    pause 1.5 # it tells a change twice a second
    look_at_peer "$NAME"
    [ "$PEER_STATE" = "$before" ] || return 0
    said=$(stat -c %Y "$BATS_TEST_TMPDIR/$NAME.out" 2>/dev/null)
    gave_up=$(stat -c %Y "$BATS_TEST_TMPDIR/$NAME.err" 2>/dev/null)
    [[ $SAID == *'out of time'* ]] && [ $((gave_up - said)) -lt 5 ]
}

# diagnose_no_accept WHERE: a connection stays in the accept queue.
diagnose_no_accept()
{
    case $1 in
        wait)
            TOPIC=listener
            CAUSE="it never calls accept: its wait doesn't watch the \
listening socket, or was passed too few descriptors"
            case $LIKE in
                03*)
                    TOPIC=select
                    CAUSE+=" (select's first argument is the highest plus one)"
                    ;;
                0[56]*)
                    [[ $SCRIPT != *' -n '* ]] || TOPIC=edge
                    CAUSE+="; edge-triggered: accept until EAGAIN"
                    ;;
            esac
            if [[ $BATS_TEST_DESCRIPTION == *descriptors* ]]; then
                TOPIC=accept
                CAUSE="once accept has failed, it never calls it again: as \
long as it pauses, its wait needs a timeout"
            fi
            ;;
        'read or write')
            TOPIC=one-at-a-time
            CAUSE="it blocks in read or write on one connection, and accepts \
no other meanwhile"
            ;;
    esac
}

# diagnose_no_answer WHERE: the connection is accepted, and no byte comes back.
diagnose_no_answer()
{
    if [ "$1" = wait ] && [ "$(unread_bytes)" -gt 1 ]; then
        TOPIC=interest
        CAUSE="it accepts the connection but never reads from it: its wait \
doesn't watch it for reading, or was passed too few descriptors"
        [[ $LIKE != 03* ]] ||
            CAUSE+=" (select's first argument is the highest plus one)"
    else
        TOPIC='echo'
        CAUSE="it echoes nothing: $(waits_for)"
    fi
}

# waits_for: prints what a server that doesn't answer one byte waits for.
waits_for()
{
    if is_answered x; then
        echo "it answers an x, but not a byte that is no text. Take bytes as \
they come, and don't decode them"
    elif is_answered $'x\n'; then
        echo "it waits for a newline before it answers"
    elif ! peer -t 1 send:1 fin receive >/dev/null 2>&1; then
        echo "it doesn't write back what it has read"
    # This comes last, as it may end in a reset.
    elif peer -t 1 echo:64K fin >/dev/null 2>&1; then
        echo "it waits for a full buffer before it answers"
    else
        echo "it waits for FIN before it answers"
    fi
}

# is_answered TEXT: true if something comes back.
is_answered()
{
    ask_server "$1" 1
    [ -n "$ANSWER" ]
}

# diagnose_stall: much was sent, some of it came back, and then no more.
diagnose_stall()
{
    TOPIC=interest
    CAUSE="the rest of a short write is never sent: it's dropped, or nothing \
watches for room to write it"
    case $LIKE in
        0[12]*)
            TOPIC=short-write
            CAUSE="it stops in mid-stream: the rest of a short write is \
dropped, or it stops reading"
            return
            ;;
        03*) CAUSE+=" (writable set, and max_fd)" ;;
        04*) CAUSE+=" (POLLOUT)" ;;
        05*) CAUSE+=" (EPOLLOUT, EPOLL_CTL_MOD)" ;;
        06*)
            TOPIC=backpressure
            CAUSE="it stops in mid-stream: a paused connection isn't resumed \
when its output has drained"
            return
            ;;
    esac
    [[ $LIKE == 05* ]] || return 0
    CAUSE+="; or it is edge-triggered, and reads only once for each event"
    # A short write may have any size. Whole pages are rather whole reads.
    [ $((RECEIVED % 4096)) -ne 0 ] || TOPIC=edge
}

# server_is_in: prints what the server does: busy, accept, `read or write`,
# wait (for events), waitpid, asleep (elsewhere) or unknown.
server_is_in()
{
    local before wchan

    [ -r /proc/self/schedstat ] || {
        echo unknown
        return
    }
    before=$(busy_ms)
    pause 0.2 # the time that is measured
    if [ $(($(busy_ms) - before)) -gt 60 ]; then
        echo busy
        return
    fi
    wchan=
    { read -r -d '' wchan <"/proc/$SERVER_PID/wchan"; } 2>/dev/null
    case $wchan in
        *accept*) echo accept ;;
        wait_woken* | sk_wait* | sk_stream_wait* | *recvmsg* | *sendmsg*)
            echo 'read or write'
            ;;
        *poll* | *select*) echo wait ;;
        do_wait*) echo waitpid ;;
        '' | 0) echo unknown ;;
        *) echo asleep ;;
    esac
}

# busy_ms: prints how many milliseconds the server and its children have run, or
# waited for a CPU, which is most of the time on a busy machine.
busy_ms()
{
    local pid ms=0

    for pid in "$SERVER_PID" $(children_of "$SERVER_PID"); do
        ms=$((ms + $(ms_of "$pid")))
    done
    echo "$ms"
}

# ms_of PID: prints the same for one process.
ms_of()
{
    local ran=0 waited=0

    { read -r ran waited _ <"/proc/$1/schedstat"; } 2>/dev/null || true
    echo $(((ran + waited) / 1000000))
}

# sockets_at STATES FIELD: prints the sum of a queue (t: bytes to send, r: bytes
# to read) over the sockets on the server's PORT in these STATES: 01 is
# ESTABLISHED, 08 CLOSE_WAIT, 0A LISTEN.
sockets_at()
{
    cat /proc/net/tcp /proc/net/tcp6 2>/dev/null |
        awk -v port="$(printf ':%04X' "${PORT:-0}")" -v states="$1" -v field="$2" '
        function hex(text,    i, n) {
            for (i = 1; i <= length(text); i++)
                n = n * 16 + index("123456789ABCDEF", substr(text, i, 1))
            return n
        }
        $2 ~ port "$" && index(states, $4) {
            split($5, queue, ":")
            sum += hex(queue[field == "t" ? 1 : 2])
        }
        END { print sum + 0 }'
}

# queued_to_accept: prints how many connections are in the accept queue.
queued_to_accept()
{
    sockets_at 0A r
}

# unread_bytes: prints how many bytes the server has still to read (a FIN counts
# as one).
unread_bytes()
{
    sockets_at '01 08' r
}

# server_death: if the server has ended unexpectedly, sets DEATH and DEATH_TOPIC
# to how it ended. Fails otherwise. A subshell can't call it, since it can't
# wait.
server_death()
{
    local status=0 last found

    [ -n "${SERVER_PID:-}" ] || return 1
    # A sanitizer ends the server a moment after it has begun to say why.
    ! grep -qs '^=====\|runtime error:' "$SERVER_ERR" ||
        wait_until 2 not alive "$SERVER_PID" >/dev/null || true
    ! alive "$SERVER_PID" || return 1
    found=$(sanitizer_said)
    [[ " ${ENDED:-} " != *" $SERVER_PID "* ]] || return 1
    wait "$SERVER_PID" 2>/dev/null || status=$?
    last=$(tail -n 1 "${SERVER_ERR:-/dev/null}" 2>/dev/null)
    case $status in
        127 | 129 | 130 | 137 | 143) return 1 ;; # not ours, or killed by us
        141)
            DEATH_TOPIC=sigpipe
            DEATH="SIGPIPE ended the server: it wrote to a client that was \
gone. If you ignore the signal, write fails with EPIPE instead"
            ;;
        77 | 134 | 135 | 136 | 138 | 139)
            [ "$status" -eq 77 ] || found=$(kill -l $((status - 128)))
            diagnose_crash
            ;;
        0)
            [[ $BATS_TEST_DESCRIPTION != *SIGTERM* ]] || return 1
            DEATH_TOPIC=close
            DEATH="the server exited, with status 0: it takes the end of one \
connection for its own"
            ;;
        *)
            case $last in
                *Interrupted*) DEATH_TOPIC=eintr ;;
                accept*) DEATH_TOPIC=accept ;;
                fork*) DEATH_TOPIC=fork ;;
                *) DEATH_TOPIC='echo' ;;
            esac
            DEATH="the server exited with status $status${last:+, saying \
\"$last\"}"
            # Such as `read: Connection reset by peer`.
            if [ "$DEATH_TOPIC" = eintr ]; then
                DEATH+=": EINTR was taken for an error, so call again"
            elif [[ -z $last || $last == *:* ]]; then
                DEATH+=": one connection's error ended it for all"
            fi
            ;;
    esac
}

# diagnose_crash: sets DEATH and DEATH_TOPIC for a server that has crashed, or
# that a sanitizer has ended. $found says with which signal, or why.
diagnose_crash()
{
    DEATH_TOPIC=memory
    DEATH="the server crashed (${found:-a sanitizer ended it}): it used memory \
after free, or an index beyond the end of an array"
    case $found in
        *-free*) DEATH=${DEATH%, or*} ;;
        *overflow* | *bounds*) DEATH=${DEATH/memory after free, or /} ;;
    esac
    case $LIKE:$found:$BATS_TEST_DESCRIPTION in
        03*FD_SETSIZE*)
            DEATH_TOPIC=fd_setsize
            DEATH+=". FD_SET at FD_SETSIZE or above writes past the end of the \
set"
            ;;
        0[123]*overflow* | 0[123]*bounds*)
            DEATH_TOPIC='echo'
            DEATH+=". read fills as many bytes as you say, and adds no NUL"
            ;;
        04*-free*:'no memory'*)
            DEATH_TOPIC=grow
            DEATH+=". Keep what the first realloc has returned, even if the \
second one fails"
            ;;
        04*:'no memory'*)
            DEATH_TOPIC=grow
            DEATH+=". When realloc fails, the old array is still there, as \
long as it was"
            ;;
        04*overflow* | 04*:SEGV:'answers at once'*)
            DEATH_TOPIC=grow
            DEATH+=". Both arrays need room for one more connection, and fds \
for the listening socket too"
            ;;
        04*'runtime error'*)
            DEATH_TOPIC=interest
            DEATH+=". Connections are only in conns[0] to conns[n_conns - 1]"
            ;;
        05*-free*) DEATH_TOPIC=close ;;
        05*:'answers at once'*)
            DEATH_TOPIC=interest
            DEATH+=". epoll gives back what you have put into event.data, a \
union: its ptr, and not its fd as well"
            ;;
        05*)
            DEATH_TOPIC=close
            DEATH+=". A connection that isn't closed stays on epoll's interest \
list, along with its pointer"
            ;;
        0[34]*)
            DEATH_TOPIC=walk
            DEATH+=". When you remove a connection, move the last one into its \
gap"
            ;;
    esac
}

# client_topic CAUSE: prints the topic for a client's mistake.
client_topic()
{
    case $1 in
        *SHUT_WR*) echo client-fin ;;
        *'both sides wait'*) echo deadlock ;;
        *EPERM*) echo epoll-files ;;
        *'end of the set'* | *FD_SET*) echo fd_setsize ;;
        *TCP_NODELAY*) echo nodelay ;;
        *SIGPIPE*) echo sigpipe ;;
        *'number of stdin'*) echo descriptors ;;
        *'stays blocked'*) echo signals ;;
        *'was not refused'*) echo args ;;
        *address* | *connect* | *getaddrinfo*) echo connect ;;
        *count* | *success* | *'more is told'*) echo client-count ;;
        *NONBLOCK* | *EAGAIN* | *stdout* | *text*) echo stdio ;;
        *) echo client ;;
    esac
}

# diagnose_client CAUSE: sets CAUSE to why the client hasn't ended, or has
# ended with STATUS, as far as that can be seen; otherwise to this CAUSE.
diagnose_client()
{
    local last size=-1 came

    CAUSE=$1
    came=$(wc -c <"$CLIENT_OUT")
    if alive "$CLIENT_PID"; then
        [ -r /proc/self/status ] || return 0
        size=$(stat -L -c %s "/proc/$CLIENT_PID/fd/0" 2>/dev/null)
        if ! find "/proc/$CLIENT_PID/fd" -lname 'socket:*' | grep -q .; then
            CAUSE="it calls close instead of shutdown(SHUT_WR), and then waits \
for what can't come anymore"
        elif [ "$(sockets_at 01 t)" -gt 0 ]; then
            CAUSE="it writes and doesn't read what comes back, so both sides \
wait in write"
        elif [ "${size:-0}" -eq "$came" ] && established; then
            CAUSE="it never sends FIN: at the end of stdin, call \
shutdown(SHUT_WR); close sends no FIN while another process has the socket \
open"
        fi
        return
    fi
    last=$(grep -vxE 'Connected to server|Disconnected from server' \
        "$CLIENT_ERR" | tail -n 1)
    case $STATUS:$last in
        134:* | 135:* | 139:*) CAUSE="it crashed: an index beyond a buffer" ;;
        137:*)
            CAUSE="it kills itself: in the child fork returns 0, and kill \
with PID 0 signals the whole process group. The child has to _exit first"
            ;;
        0:?*)
            CAUSE="it prints an error, but its exit status is 0: main has to \
return 1 then"
            ;;
        1:*'not everything came back')
            # A test that knows better says what's wrong with the count.
            [[ $1 != *count* ]] || return 0
            CAUSE="it ends before everything has come back: does it close, or \
shut down with SHUT_RDWR, which ends both halves?"
            if [ -f "$CLIENT_IN" ] &&
                [ "$came" -eq "$(wc -c <"$CLIENT_IN")" ]; then
                CAUSE="everything came back, but it counts wrong"
                [[ $LIKE != 02* ]] || CAUSE+=": does the child go on to read, \
since it doesn't _exit after it has sent everything?"
            fi
            ;;
        1:*'more came back than was sent')
            CAUSE="it sends more than it has read, such as a NUL at the end of \
a string, or doesn't count all that it sends"
            [ "$came" -gt 0 ] ||
                CAUSE="it doesn't read what comes back, or doesn't print it"
            ;;
        141:*) CAUSE="SIGPIPE ends it before it can say why" ;;
        1:*'not permitted'*)
            CAUSE="EPERM: epoll doesn't take regular files and /dev/null, \
which are always ready"
            ;;
        1:*'Bad file descriptor'* | 1:*'Socket is not connected'* | \
            1:*'endpoint is not connected'*)
            CAUSE="it calls close instead of shutdown(SHUT_WR), but the other \
half of the connection is still needed"
            ;;
        1:*Interrupted*) CAUSE="EINTR is taken for an error" ;;
        1:*'temporarily unavailable'*) CAUSE="EAGAIN is taken for an error" ;;
    esac
}

# established: true if a connection of the server is ESTABLISHED: no FIN came.
established()
{
    grep -qi "^ *[0-9]*: [0-9A-F]*:$(printf %04X "$PORT") [0-9A-F:]* 01 " \
        /proc/net/tcp /proc/net/tcp6 2>/dev/null
}

# diagnose_copy FILE: sets CAUSE to why the client's stdout differs from FILE.
diagnose_copy()
{
    local sent came at

    sent=$(wc -c <"$1")
    came=$(wc -c <"$CLIENT_OUT")
    at=$(cmp "$1" "$CLIENT_OUT" 2>&1 | sed -E 's/.*(byte|char) ([0-9]+).*/\2/')
    # Of a file that's empty cmp says no place, and busybox's of none that ends.
    [[ $at != *[!0-9]* ]] || at=$came
    CAUSE="the rest of a short read or a short write is lost: bytes come in \
pieces of any size"
    if [ "$came" -lt "$sent" ] && [ "$at" -eq "$came" ]; then
        at=$((at + 1)) # stdout just ends here
        CAUSE="it ends before all has come back, or doesn't print it: after \
the end of stdin go on reading until the server closes"
    fi
    if [ "$came" -gt "$sent" ]; then
        CAUSE="it prints more than came: pass write the count that read \
returned, not sizeof buf"
    elif [ "$(od -An -tu1 -j $((at - 1)) -N 1 "$1" | tr -d ' ')" = 0 ]; then
        CAUSE="it stops at a NUL: bytes are taken for a string (strlen, fputs)"
    fi
}
