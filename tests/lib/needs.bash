# needs -- skips a test, with the reason, where what it needs is missing
# shellcheck shell=bash

# not_for REASON: skips a test of what this stage, or this kind of server,
# doesn't promise. tests/run neither shows nor counts the test.
not_for()
{
    skip "not for $LIKE: $1"
}

# not_under_valgrind: skips a test that would see valgrind's behavior, not the
# program's.
not_under_valgrind()
{
    [ -z "${VALGRIND:-}" ] || not_for "under valgrind"
}

# need PROGRAM: skips the test if it is not installed.
need()
{
    command -v "$1" >/dev/null || skip "$1 is not installed"
}

# need_tool NAME: skips the test where tools/Makefile does not build it.
need_tool()
{
    [ -e "$TOOLS/$1" ] || skip "needs $1, which is built on Linux only"
}

# need_proc: skips the test where /proc has no information about processes.
need_proc()
{
    [ -r /proc/self/status ] || skip "needs /proc as on Linux"
}

# has_ipv6: true if this machine has the address ::1.
has_ipv6()
{
    if [ -r /proc/net/if_inet6 ]; then
        grep -q '^00000000000000000000000000000001 ' /proc/net/if_inet6
    else
        ifconfig 2>/dev/null | grep -q 'inet6 ::1 '
    fi
}

# need_descriptors N: raises this shell's limit of open files to N, or skips the
# test. For a SERVER to twice as many, if the hard limit allows it, since a
# proxy has two for each client.
need_descriptors()
{
    local hard limit=$1

    hard=$(ulimit -H -n)
    if [ "$hard" != unlimited ] && [ "$hard" -lt "$1" ]; then
        skip "needs $1 descriptors, and the hard limit is $hard"
    fi
    if [ -n "${SERVER:-}" ]; then
        limit=$((2 * $1))
        [ "$hard" = unlimited ] || [ "$limit" -le "$hard" ] || limit=$hard
    fi
    ulimit -S -n "$limit"
}

# need_descriptors_of_server N: skips the test if N clients would need more
# descriptors than the server may have. Call it after server_warm_up.
need_descriptors_of_server()
{
    local limit

    [ -n "${SERVER:-}" ] && [ -n "$BASE_FDS" ] || return 0
    look_at_fds_each
    limit=$(ulimit -n)
    [ $(($1 * FDS_EACH + BASE_FDS)) -lt "$limit" ] ||
        skip "needs $FDS_EACH descriptors for each of $1 clients, may have $limit"
}

# need_backlog N: skips the test if the kernel limits accept queues to fewer
# than N connections, whatever backlog listen is called with.
need_backlog()
{
    local most=/proc/sys/net/core/somaxconn

    if [ -r "$most" ] && [ "$(cat "$most")" -lt "$1" ]; then
        skip "needs $1 in the accept queue, and somaxconn is $(cat "$most")"
    fi
}

# need_tracing: skips the test where strace is missing or isn't allowed to
# trace.
need_tracing()
{
    local answer=$BATS_FILE_TMPDIR/traces

    not_under_valgrind
    need strace
    if [ ! -e "$answer" ]; then # asked once for each file
        if can_inject; then echo yes; else echo no; fi >"$answer"
    fi
    [ "$(cat "$answer")" = yes ] || skip "strace isn't allowed to trace here"
}

# can_inject: true if strace can make a child's call fail. Where a container
# forbids tracing, strace -D just runs the program, and reports success.
can_inject()
{
    local calls='?mkdir,mkdirat'

    strace -D -f -qq -o /dev/null -e trace="$calls" \
        -e inject="$calls:error=EACCES" \
        sh -c '! mkdir "$1"' sh "$BATS_TEST_TMPDIR/not-traced" 2>/dev/null
}

# find_shim: sets SHIM_SO to a path of shim.so that LD_PRELOAD can name, in
# which a blank or a colon ends a name. If necessary, that's a link, or a copy
# if the program under test can't read the folder tools.
find_shim()
{
    SHIM_SO=$TOOLS/shim.so
    if [[ $SHIM_SO == *[[:space:]:]* ]]; then
        SHIM_SO=$BATS_RUN_TMPDIR/shim.so
        [ -e "$SHIM_SO" ] || ln -sf "$TOOLS/shim.so" "$SHIM_SO"
    fi
    if [ -n "${RUN_AS:-}" ]; then
        SHIM_SO=$SHIM_DIR/shim.so
        cp "$TOOLS/shim.so" "$SHIM_SO"
    fi
    [[ $SHIM_SO != *[[:space:]:]* ]] ||
        skip "LD_PRELOAD can't name $SHIM_SO: set TMPDIR to /tmp"
}

# need_shim ONCE…: skips the test if the shim doesn't reach the program under
# test: one that is linked statically, or whose language makes its system calls
# itself, as Go does. ONCE is a command that runs the program once, such as
# echo_once. Sets the array SHIM to variables for `env`, to which a test adds
# others; the shim counts in the file $FAULTS.
need_shim()
{
    local asked=$BATS_FILE_TMPDIR/shim-reaches reached=1

    need_tool shim.so
    need_tool schedule
    need_tool faults
    find_shim
    # Asks once for each file, with a file of counts that no test reads. If the
    # program fails here, the test isn't skipped: it will say what's wrong.
    if [ ! -e "$asked" ]; then
        shim_count_in "$SHIM_DIR/shim-counts"
        if SHIM_SHORT=100 "$@" >/dev/null 2>&1; then
            reached=$(faults all 2>/dev/null) || reached=0
        fi
        echo "$reached" >"$asked"
    fi
    shim_count_anew
    read -r reached <"$asked"
    if [ "$reached" -gt 0 ]; then
        return 0
    fi
    if [ -z "${SERVER:-}${CLIENT:-}" ] &&
        ${CAGE[@]+"${CAGE[@]}"} ldd "$STAGES_DIR/$STAGE/server" \
            >/dev/null 2>&1; then
        fail "the shim doesn't reach $STAGE, though it's linked dynamically"
        return 1
    fi
    skip "the shim doesn't reach this program's system calls"
}
