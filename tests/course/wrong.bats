# wrong -- what a failure says fits: its cause, and the section that it names

load ../lib/stage
load course
setup() { stage_setup; }
teardown() { stage_teardown; }

# text_under FILE ANCHOR: prints what stands under the heading to which GitHub
# gives this anchor, up to the next heading. Fails if there is none.
text_under()
{
    awk -v anchor="$2" '
        /^```/ { code = !code }
        !code && /^#+ / {
            found = 0
            name = tolower($0)
            sub(/^#+ /, "", name)
            gsub(/[^a-z0-9 _-]/, "", name)
            gsub(/ /, "-", name)
            if (name == anchor)
                found = any = 1
        }
        found
        END { exit !any }' "$1"
}

@test "topics: every section is there, and has the word" {
    local topic stages section word text

    while read -r topic stages section word; do
        [[ -n $topic && $topic != '#' ]] || continue
        text=$(text_under "$ROOT_DIR/docs/${section%%#*}"*.md \
            "${section#*#}") ||
            fail "$topic $stages: there is no heading $section"
        grep -qi -e "$word" <<<"$(tr '\n' ' ' <<<"$text")" ||
            fail "$topic $stages: $section does not have: $word"
    done < <(sed 's/^# .*//' "$LIB_DIR/topics")
}

# topics_used: prints the topics that the tests name, a line each, and where.
topics_used()
{
    (cd "$TESTS_DIR" && grep -noE \
        '(fail_because|exchange_failed) [a-z0-9#_-]+ |TOPIC=[a-z'\''_-]+$' \
        lib/*.bash ./*/*.bats) | tr -d "'" | sed 's/TOPIC=/ /'
}

@test "topics: every one that a test names has a section for its stages" {
    local where topic

    topics_used >"$BATS_TEST_TMPDIR/used"
    [ "$(wc -l <"$BATS_TEST_TMPDIR/used")" -gt 100 ]
    while read -r where topic; do
        [[ $(LIKE=06-eventloop section "$topic") == *.md#?* ||
            $(LIKE=02-fork section "$topic") == *.md#?* ||
            $(LIKE=03-select section "$topic") == *.md#?* ]] ||
            fail "$where: no such topic: $topic"
    done < <(sed 's/:\([a-z_]*\) */ /; s/ *$//' "$BATS_TEST_TMPDIR/used")
}

@test "diagnose: what others call of it is listed in stage.bash" {
    local file name others=$BATS_TEST_TMPDIR/others

    for file in "$TESTS_DIR"/*/*.ba*; do
        [ "$file" = "$LIB_DIR/diagnose.bash" ] || cat "$file"
    done >"$others"
    sed -n 's/^\([a-z_]*\)()$/\1/p' "$LIB_DIR/diagnose.bash" \
        >"$BATS_TEST_TMPDIR/names"
    [ "$(wc -l <"$BATS_TEST_TMPDIR/names")" -gt 20 ]
    while read -r name; do
        declare -F "$name" >/dev/null || ! grep -qw "$name" "$others" ||
            fail "$name is called, and not listed"
    done <"$BATS_TEST_TMPDIR/names"
}

@test "a client's failure has the client's name, beside a server" {
    told_of SERVER="$STAGES_DIR/01-blocking/server" CLIENT=false \
        LIKE=01-blocking FILTER='a single byte|too many arguments are'
    [[ $TOLD == *'not ok 1 false: client: a single byte comes back'* ]]
    [[ $TOLD == *'Start with: false: client: a single byte comes back'* ]]
    [[ $TOLD == *"ok 1 $STAGES_DIR/01-blocking/server: too many arg"* ]]
}

@test "wrong programs: the failure to start with names the right idea" {
    # A few at a time: many of these tests are about time.
    JOBS=2 "$TESTS_DIR/wrong/run"
}

@test "wrong programs: the whole suite starts with zombies, not with a burst" {
    WHOLE=1 "$TESTS_DIR/wrong/run" 02-defunct-children-pile-up
}

@test "tests/run: --help says how, what it doesn't know is refused" {
    run "$TESTS_DIR/run" --help
    [[ $status == 0 && $output == 'usage: tests/run'*'STAGE=03-select'* ]]
    run "$TESTS_DIR/run" 03-select
    [[ $status == 2 && $output == 'tests/run: no such option: 03-select'* ]]
}
