#!/usr/bin/env bats
# The diff is the lesson: neighbouring stages differ in what the step teaches
# and in nothing else.  These tests read the sources; they start no server.

# shellcheck source=docs/steps/lib.bash
. "$BATS_TEST_DIRNAME/../../docs/steps/lib.bash"
STAGES=(01-blocking 02-fork 03-select 04-poll 05-epoll)

# Changed lines (added and removed) that each step may cost: what was measured,
# and nothing to spare.
# 02 -> 03: no function of 02's exchange is left, and 175 lines are new. The
#     functions that both have cost nothing, as they stand where git sees them
#     as one block.
# 03 -> 04: 76, as 03 checks its sockets against FD_SETSIZE.
# 04 -> 05, client: the only one that must put files right, which epoll refuses.
SERVER_BUDGET=(25 235 76 109)
CLIENT_BUDGET=(91 207 44 76)

# The order of the functions; a stage has those that it needs.
SERVER_ORDER="die die_gai may_log set_nonblocking conn_open conn_close
    conn_wants_read conn_wants_write conn_flush conn_echo now_ms pause_left grow
    conn_watch listener_watch conn_add watch_conns valid_port reset_process
    resolve listen_at listen_on announce write_all echo reap main"
CLIENT_ORDER="die die_gai set_nonblocking flow_wants_read flow_wants_write
    flow_read flow_write watch_set valid_port reset_process resolve connect_to
    should_retry read_some write_all receive finish copy exchange main"

# A function that two neighbors share is the same byte for byte.  Those that
# are not, and why:  LATER-STAGE/FILE FUNCTION REASON
DIFFERENT="
04-poll/server.c conn_add room in an array in place of FD_SETSIZE
04-poll/server.c watch_conns fills the array in place of the sets
05-epoll/server.c conn_add the interest list in place of the array
02-fork/client.c exchange two processes in place of lockstep
03-select/client.c exchange one process again, which waits for readiness
04-poll/client.c exchange the wait itself is the lesson
05-epoll/client.c exchange the wait itself is the lesson
"

# Names that are not in POSIX.1-2008: 01 to 04 do without them.
NOT_POSIX='accept4|SOCK_NONBLOCK|SOCK_CLOEXEC|_GNU_SOURCE|_DEFAULT_SOURCE|epoll'

# Prints a line "NAME LINES" for each function of a C file. With a directory:
# also writes each function's text, with the comment above it, to DIR/NAME.
functions()
{
    awk -v dir="${2-}" '
        /^$/ && !in_body { text = ""; name = ""; next }
        { text = text $0 "\n" }
        in_body { lines++ }
        /^[a-z].*\(/ && !in_body && name == "" {
            name = $0
            sub(/\(.*/, "", name)
            sub(/.*[ *]/, "", name)
            lines = 0
        }
        !in_body && name != "" { lines++ }
        /^\{$/ && name != "" { in_body = 1 }
        /^\}/ {
            if (in_body)
                print name, lines
            if (in_body && dir != "")
                printf "%s", text >(dir "/" name)
            in_body = 0
            text = ""
            name = ""
        }' "$1"
}

# Prints the changed lines between two files.
changed_lines()
{
    plain_git diff --no-index --no-ext-diff --numstat "$1" "$2" | awk '{ print $1 + $2 }'
}

# Fails if a step of FILE costs more than its budget.
check_budget()
{
    local file=$1 i changed failed=0
    shift

    command -v git >/dev/null || skip "git, which counts, is not installed"
    for i in 0 1 2 3; do
        local from=${STAGES[i]}/$file to=${STAGES[i + 1]}/$file budget=$1
        shift
        changed=$(changed_lines "$STAGES_DIR/$from" "$STAGES_DIR/$to")
        echo "# $from -> $to: $changed changed lines of $budget" >&3
        if [ "${changed:-999}" -gt "$budget" ]; then
            echo "$from -> $to: $changed changed lines, budget $budget."
            echo "Change what is no lesson of this step in the earlier stage."
            failed=1
        fi
    done
    return "$failed"
}

# Fails if the functions of FILE are not in the order of the list.
check_order()
{
    local stage failed=0

    for stage in "${STAGES[@]}"; do
        functions "$STAGES_DIR/$stage/$1" | awk -v file="$stage/$1" \
            -v order="$(tr '\n' ' ' <<<"$2")" '
            BEGIN { for (n = split(order, name); n > 0; n--) at[name[n]] = n }
            at[$1] + 0 <= last + 0 {
                print file ": " $1 " is out of order, or not in the list"
                exit failed = 1
            }
            { last = at[$1] }
            END { exit failed }' || failed=1
    done
    return "$failed"
}

# Fails if a function shared by neighbours differs and is not in the table,
# and if the table names one that does not differ.
check_shared()
{
    local file=$1 stage i name failed=0 shared=0 before after key

    for stage in "${STAGES[@]}"; do
        mkdir -p "$BATS_TEST_TMPDIR/$stage"
        functions "$STAGES_DIR/$stage/$file" "$BATS_TEST_TMPDIR/$stage" \
            >/dev/null
    done
    for i in 0 1 2 3; do
        for after in "$BATS_TEST_TMPDIR/${STAGES[i + 1]}"/*; do
            name=${after##*/}
            before=$BATS_TEST_TMPDIR/${STAGES[i]}/$name
            key="${STAGES[i + 1]}/$file $name "
            [ -e "$before" ] && [ "$name" != main ] || continue
            shared=$((shared + 1))
            if cmp -s "$before" "$after"; then
                if [[ $DIFFERENT == *$'\n'"$key"* ]]; then
                    echo "$key is listed as different, but is the same"
                    failed=1
                fi
            elif [[ $DIFFERENT != *$'\n'"$key"* ]]; then
                echo "${STAGES[i]} and ${STAGES[i + 1]} differ in $name:"
                diff "$before" "$after" || true
                failed=1
            fi
        done
    done
    echo "# $file: $shared pairs of functions compared" >&3
    # The count guards the test: an extraction that finds nothing is no proof.
    [ "$shared" -ge 20 ] || return 1
    return "$failed"
}

# Copies a stage without its programs to a directory of its own: $copy.
copy_stage()
{
    copy=$BATS_TEST_TMPDIR/$1/alone
    mkdir -p "$copy"
    (cd "$STAGES_DIR/$1" && tar cf - --exclude=server --exclude=client \
        --exclude='*.o' .) | tar xf - -C "$copy"
}

@test "server.c: each step stays within its budget of changed lines" {
    check_budget server.c "${SERVER_BUDGET[@]}"
}

@test "client.c: each step stays within its budget of changed lines" {
    check_budget client.c "${CLIENT_BUDGET[@]}"
}

@test "server.c: functions that neighbors share are the same byte for byte" {
    check_shared server.c
}

@test "client.c: functions that neighbors share are the same byte for byte" {
    check_shared client.c
}

@test "server.c: functions keep their order from stage to stage" {
    check_order server.c "$SERVER_ORDER"
}

@test "client.c: functions keep their order from stage to stage" {
    check_order client.c "$CLIENT_ORDER"
}

@test "sources: at most 79 columns, no tabs, no space at the end of a line" {
    run grep -nE '^.{80}|	| $' "$STAGES_DIR"/0?-*/*.[ch]
    echo "$output"
    [ "$status" -eq 1 ]
}

# Of 04's server, the longest, a third is what every stage has: arguments, names,
# addresses and what a parent process may have left behind.
@test "sources: server.c and client.c of 01 to 05 at most 360 lines" {
    local stage file lines failed=0

    for stage in "${STAGES[@]}"; do
        for file in server.c client.c; do
            lines=$(wc -l <"$STAGES_DIR/$stage/$file")
            [ "$lines" -le 360 ] && continue
            echo "$stage/$file has $lines lines"
            failed=1
        done
    done
    [ "$failed" -eq 0 ]
}

@test "sources: a function at most 35 lines, one with the loop 60" {
    local stage file name lines max failed=0

    for stage in "${STAGES[@]}"; do
        for file in server.c client.c; do
            while read -r name lines; do
                max=35
                # These two hold the loop that the stage is about.
                [[ $name =~ ^(main|exchange)$ ]] && max=60
                [ "$lines" -le "$max" ] && continue
                echo "$stage/$file: $name has $lines lines, at most $max"
                failed=1
            done < <(functions "$STAGES_DIR/$stage/$file")
        done
    done
    [ "$failed" -eq 0 ]
}

@test "sources: 01 to 04 name nothing beyond POSIX" {
    local stage

    for stage in "${STAGES[@]:0:4}"; do
        run grep -nwE "$NOT_POSIX" "$STAGES_DIR/$stage"/*.c
        echo "$output"
        [ "$status" -eq 1 ]
    done
}

@test "01 to 04 compile as strict C11 with POSIX and nothing else" {
    local stage file

    for stage in "${STAGES[@]:0:4}"; do
        for file in server client; do
            ${CC:-cc} -std=c11 -D_POSIX_C_SOURCE=200809L -Wall -Wextra \
                -Wshadow -pedantic-errors -Werror -c \
                -o "$BATS_TEST_TMPDIR/$stage-$file.o" \
                "$STAGES_DIR/$stage/$file.c"
        done
    done
}

@test "each stage builds from its own folder alone, and cleans up" {
    local dir stage before

    for dir in "$STAGES_DIR"/0?-*/; do
        stage=$(basename "$dir")
        [ -e "$dir/Makefile" ] || continue
        copy_stage "$stage"
        before=$(ls "$copy")
        # No directory of the project is in reach of the copy.
        run env -u MAKEFLAGS LC_ALL=C "${MAKE:-make}" -C "$copy"
        echo "$output"
        [ "$status" -eq 0 ]
        [ -x "$copy/server" ]
        [ -x "$copy/client" ]
        [[ $output != *warning* ]]
        run env -u MAKEFLAGS LC_ALL=C "${MAKE:-make}" -C "$copy"
        [[ $output == *"othing to be done"* ]]
        env -u MAKEFLAGS "${MAKE:-make}" -C "$copy" clean all
        [ -x "$copy/server" ]
        env -u MAKEFLAGS "${MAKE:-make}" -C "$copy" clean
        [ "$(ls "$copy")" = "$before" ]
    done
}
