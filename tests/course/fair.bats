#!/usr/bin/env bats
# fair -- a right server passes in any language, and a wrong one hears why

load ../lib/stage
load course

setup()
{
    stage_setup
    cd "$ROOT_DIR" || return
    need python3
}

teardown() { stage_teardown; }

# variant SED: prints the path of echo-threads.py, changed by a sed script.
variant()
{
    sed "$1" tests/conformance/echo-threads.py >"$BATS_TEST_TMPDIR/variant.py"
    ! cmp -s tests/conformance/echo-threads.py "$BATS_TEST_TMPDIR/variant.py" ||
        fail "$1 changes nothing"
    echo "$BATS_TEST_TMPDIR/variant.py"
}

# assert_all_pass: the suite has told of no failure.
assert_all_pass()
{
    [[ $TOLD == *[1-9]' passed, 0 failed, 0 skipped'* ]] || fail "$TOLD"
}

@test "fair: an edge-triggered server passes schedules of bent calls" {
    need_tool shim.so
    cp -R 05-epoll "$BATS_TEST_TMPDIR"
    patch -s -p1 -d "$BATS_TEST_TMPDIR" <docs/examples/edge-triggered.patch
    "${MAKE:-make}" -s -C "$BATS_TEST_TMPDIR/05-epoll"
    told_of SERVER="$BATS_TEST_TMPDIR/05-epoll/server" SEEDS=50 \
        FILES=server/schedules.bats FILTER='seeded|burst of calls'
    assert_all_pass
}

@test "fair: asyncio's wake-ups are not lost" {
    need_tool shim.so
    told_of SERVER='python3 tests/conformance/echo-asyncio.py' \
        FILTER='burst of calls'
    assert_all_pass
}

@test "fair: a thread that blocks in accept isn't asked about readiness" {
    need_tool shim.so
    told_of SERVER='python3 tests/conformance/echo-threads.py' \
        FILTER='gone before accept|spurious wakeup'
    assert_all_pass
}

@test "fair: a line on stderr for each connection is no fault" {
    told_of SERVER="python3 $(variant 's/conn, _ = \(.*\)/conn, who = \1\
        print("connection from", who, file=sys.stderr, flush=True)/')" \
        FILES='echo.bats schedules.bats' \
        FILTER='^echoes|answers at once|accept fails with each'
    assert_all_pass
}

@test "fair: a failure that is logged each time is a fault" {
    need prlimit
    told_of SERVER="python3 $(variant \
        's/told >= 1/told >= 0/; s/sleep(0.1)/sleep(0.02)/')" \
        FILTER='out of descriptors'
    [[ $TOLD == *'likely:   a line for each failure'* ]] || fail "$TOLD"
}

@test "fair: LIKE allows a limit, and doesn't ask for it" {
    told_of SERVER='python3 tests/conformance/echo-asyncio.py' LIKE=03-select \
        FILES=limits.bats FILTER='^holds|^those beyond|^started with'
    assert_all_pass
}

@test "fair: a backlog of 5 is named, in every test of churn" {
    local causes

    need ss
    told_of SERVER="python3 $(variant 's/backlog=4096/backlog=5/')" \
        FILES=churn.bats
    causes=$(grep '^# likely:' <<<"$TOLD")
    [ "$(wc -l <<<"$causes")" -eq 5 ] &&
        [ "$(grep -c backlog <<<"$causes")" -eq 5 ] || fail "$TOLD"
}

@test "fair: a server that never closes hears of FIN, not of the echo" {
    told_of SERVER="python3 $(variant 's/    with conn:/    kept.append(conn)\
    if True:/; s/^host, /kept = []; &/')"
    [[ $TOLD == *"likely:   all came back, but it doesn't close"* ]] ||
        fail "$TOLD"
}

@test "fair: a server that decodes what it reads hears so" {
    told_of SERVER="python3 $(variant 's/^import socket/import codecs\
&/; s/    with conn:/    text = codecs.getincrementaldecoder("utf-8")("replace")\
&/; s/sendall(data)/sendall(text.decode(data).encode())/')"
    [[ $TOLD == *"likely:   it echoes nothing: it answers an x"* ]] ||
        fail "$TOLD"
    [[ $TOLD == *'read:     docs/labs.md#in-your-own-language'* ]]
}

@test "fair: a server that is too slow hears so, and of no lost connection" {
    told_of SERVER="python3 $(variant 's/\(.*\)conn, _ = /\1time.sleep(0.01)\
&/')" PATIENCE=1 FILTER='^holds'
    [[ $TOLD == *"likely:   it's too slow for this machine"* ]] || fail "$TOLD"
}

@test "fair: a server that pauses for too long has not ended" {
    need_tool shim.so
    told_of SERVER="python3 $(variant 's/sleep(0.1)/sleep(9)/')" \
        FILTER='accept fails with each'
    [[ $TOLD == *"likely:   it still runs"* ]] || fail "$TOLD"
}

@test "fair: expected failures that pass, others, and lost ones are told" {
    cd "$BATS_TEST_TMPDIR" || return
    mkdir -p tests/bench
    cp -R "$TESTS_DIR/conformance" tests
    cp "$TESTS_DIR"/bench/{lib,server}.bash tests/bench
    echo 'it | 05-epoll | true | echo 1 | true' >tests/conformance/servers
    printf 'it\t%s\twhy\n' passes fails lost >tests/conformance/expected
    printf '#!/bin/sh\nprintf "%%s\\n" "%s" "%s" "%s"\n' 'ok 1 true: passes' \
        'not ok 2 true: fails' 'not ok 3 true: another' >tests/run
    chmod +x tests/run
    run tests/conformance/run
    [ "$status" -eq 1 ]
    [ "$(grep '^not ok' <<<"$output" | sort)" = \
        'not ok it: another
not ok it: is in `expected`, and no test: lost
not ok it: passes, and is in `expected`: passes' ] || fail "$output"
    [[ $output == *$'\n1 passed, 3 failed, 0 skipped' ]] || fail "$output"
}

# unasked: prints the bullets of the contract that name no test that asks, and
# don't say why there's none.
unasked()
{
    awk '/^#/ { inside = $0 == "## In your own language" }
         inside && /^(- |$)/ { tell() }
         inside && /^- / { bullet = $0; asked = 0 }
         /<!-- (asks|no test): ./ { asked = 1 }
         function tell() {
             if (bullet != "" && !asked)
                 print bullet
             bullet = ""
         }' docs/labs.md
}

# promises: prints each that a server of docs/conformance.md was graded by.
promises()
{
    awk -F '\t' '$1 == "conformance" && $3 != "skipped" &&
        $4 !~ /^server: / && !seen[$4]++ { print $4 }' docs/data/conformance.tsv
}

@test "fair: the contract asks each thing that a SERVER is graded by" {
    local asks missing

    missing=$(unasked)
    [ -z "$missing" ] || fail "docs/labs.md: no test asks this:" "$missing"
    asks=$(sed -n 's/.*<!-- asks: \(.*\) -->.*/\1/p' docs/labs.md |
        paste -sd '|' -)
    [ "$(promises | wc -l)" -gt 40 ]
    missing=$(promises | grep -vE "$asks") || missing=
    [ -z "$missing" ] ||
        fail "not in docs/labs.md, In your own language:" "$missing"
    # And nothing is asked there that no test is about.
    while read -r asks; do
        promises | grep -qE "$asks" || fail "docs/labs.md: no test asks: $asks"
    done < <(sed -n 's/.*<!-- asks: \(.*\) -->.*/\1/p' docs/labs.md | tr '|' '\n')
}

@test "fair: what was recorded, and is expected, are tests that exist" {
    local names=$BATS_TEST_TMPDIR/names

    sed -n 's/^@test "\(.*\)" {.*/\1/p' "$TESTS_DIR"/{server,interop}/*.bats \
        >"$names"
    ! { cut -f 4 "$ROOT_DIR/docs/data/conformance.tsv"
        sed '/^#/d' "$TESTS_DIR/conformance/expected" | cut -f 2
    } | grep . | grep -v '^# ' | grep -vxF -f "$names" ||
        fail "no test has these names: RESULTS=docs/data make conformance"
}
