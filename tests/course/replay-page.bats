#!/usr/bin/env bats
# replay-page -- the replay page shows what was recorded, in a real browser
#
# One browser tries everything in setup_file: replay-page.js. Each test here is
# the verdict on one of its checks.

load ../lib/stage

setup_file()
{
    local dir=$BATS_FILE_TMPDIR

    [ -z "$(missing)" ] || return 0
    "$ROOT_DIR/docs/replay/build" "${RECORDINGS:-}" "$dir/the page.html"
    CHROMIUM=$("$TESTS_DIR/course/chromium") \
        timeout 900 node "$TESTS_DIR/course/replay-page.js" \
        "${RECORDINGS:-$ROOT_DIR/docs/replay/recordings}" "$dir/the page.html" \
        "$dir/profile" >"$dir/verdicts" || true
}

# missing: prints what a browser test needs and this machine lacks.
missing()
{
    command -v node >/dev/null || echo node
    "$TESTS_DIR/course/chromium" >/dev/null || echo chromium
}

# verdict CHECK: fails, and says why, unless the check went well.
verdict()
{
    [ -z "$(missing)" ] || skip "$(missing | head -n 1) is not installed"
    grep -qx "ok $1" "$BATS_FILE_TMPDIR/verdicts" ||
        fail "$(grep -E "^not ok ($1|browser)" "$BATS_FILE_TMPDIR/verdicts" ||
            echo "the browser ended before the check $1")"
}

@test "replay: the first sight is the silent client, a sentence and one button" { verdict first_sight; }
@test "replay: each step shows its state, forward and back" { verdict forth_and_back; }
@test "replay: every recording can be shown from start to end" { verdict every_recording; }
@test "replay: the buttons go to calls, blocked servers and clients' actions" { verdict moves; }
@test "replay: step over stays in its function or goes up" { verdict over; }
@test "replay: the keys do what the help says" { verdict keys; }
@test "replay: the scrubber goes to any step" { verdict scrubber; }
@test "replay: a link opens a step or a moment, and the address follows" { verdict links; }
@test "replay: two stages side by side meet where a client acts" { verdict side_by_side; }
@test "replay: side by side, the lines of one source only are marked" { verdict diff; }
@test "replay: two processes have a line each" { verdict two_processes; }
@test "replay: each wire says what the server waits for there" { verdict watched; }
@test "replay: a wire shows what is ready, as the wait then finds it" { verdict ready; }
@test "replay: a buffer that takes no more is marked as full" { verdict full; }
@test "replay: a FIN is told from the bytes before it" { verdict fin; }
@test "replay: an interrupted call is told at its own line" { verdict interrupted; }
@test "replay: a pipe that the server waits for is marked as well" { verdict pipe; }
@test "replay: a process that has ended stands at its last line" { verdict exited; }
@test "replay: the help opens at its title" { verdict help; }
@test "replay: side by side, names, results and choices are all in sight" { verdict beside; }
@test "replay: a closed client has no wire" { verdict closed; }
@test "replay: the phases stay on the page between two phases" { verdict phases; }
@test "replay: no label of the timeline is cut or covers another" { verdict labels; }
@test "replay: the result of a line covers no code" { verdict tags; }
@test "replay: every word of the drawing is inside its box" { verdict drawing; }
@test "replay: light and dark are both easy to read" { verdict themes; }
@test "replay: a phone first shows caption, drawing, line and controls" { verdict narrow; }
@test "replay: in a frame of a chapter it shows the code, the kernel and the steps" { verdict embedded; }
@test "replay: a screen reader hears each step, and every control has a name" { verdict for_screen_readers; }
@test "replay: it plays by itself, without motion if the reader wants none" { verdict playing; }
@test "replay: what is said of a line is true, and says something" { verdict sentences; }
@test "replay: each kind of statement is put in words" { verdict wording; }
@test "replay: a recording may lack what it has nothing to say about" { verdict odd_recording; }
@test "replay: the page loads nothing and logs no error" { verdict no_complaints; }

@test "replay: the page with all recordings has at most 1.5 MB" {
    local bytes

    "$ROOT_DIR/docs/replay/build" '' "$BATS_TEST_TMPDIR/page.html"
    bytes=$(wc -c <"$BATS_TEST_TMPDIR/page.html")
    [ "$bytes" -le 1500000 ] || fail "it has $bytes bytes"
}

@test "replay: build says so when there are no recordings" {
    mkdir "$BATS_TEST_TMPDIR/none here"
    run "$ROOT_DIR/docs/replay/build" "$BATS_TEST_TMPDIR/none here"
    echo "$output"
    [ "$status" -eq 1 ]
    [ "$output" = "docs/replay/build: there is no recording in $BATS_TEST_TMPDIR/none here" ]
}
