#!/usr/bin/env bats
# site -- the pages that `make site` makes (see tests/course/docs/site)

load ../lib/stage

setup()
{
    need pandoc
    need git
    need python3
    SITE=$BATS_FILE_TMPDIR/site
    [ -e "$SITE/index.html" ] || "$ROOT_DIR/docs/site/build" "$SITE"
}

# check KIND: tells how much was checked.
check()
{
    run "$TESTS_DIR/course/docs/site" "$1" "$SITE"
    sed -n "\$s/^/# site: $1: /p" <<<"$output" >&3
    echo "$output"
    [ "$status" -eq 0 ] && [[ $output != *$'\n'0\ checked* ]]
}

@test "site: links, anchors and pictures are there, and nothing from elsewhere" {
    check links
}

@test "site: every chapter is in the row of pages, and terms say what they are" {
    check pages
}

@test "site: the diffs have every line of both, and each remark at its quote" {
    check diffs
}

@test "site: the checker tells each fault" {
    local faults=$BATS_TEST_TMPDIR/faults kind page change told output=''

    cp -R "$SITE" "$BATS_TEST_TMPDIR"
    SITE=$BATS_TEST_TMPDIR/site
    cat >"$faults" <<'END'
links|03-select.html|s/href="steps\/index.html"/href="steps\/"/|leads nowhere: href="steps/"
links|04-poll.html|s/id="the-problem"/id="a-problem"/|no such anchor: href="#the-problem"
links|02-fork.html|s/href="glossary.html#fin"/href="glossary.md#fin"/|Markdown: href="glossary.md#fin"
links|02-fork.html|s/href="site.css"/href="https:\/\/example.com\/site.css"/|loads https://example.com/site.css
links|00-start.html|s/href="site.css"/href="\/site.css"/|absolute: href="/site.css"
links|03-select.html|s/src="img\/wait-03.svg"/src="img\/wait-3.svg"/|leads nowhere: src="img/wait-3.svg"
links|03-select.html|s/ alt="[^"]*"//|a picture without alt
pages|08-inside-nginx.html|s/ rel="next"//|the next one is not 09-next.html
pages|05-epoll.html|s/ rel="prev"//|does not lead back
pages|05-epoll.html|s/<h1/<!-- run --><h1/|a comment is left
pages|05-epoll.html|s/id="the-idea"/id="the-problem"/|id="the-problem" twice
pages|05-epoll.html|s/ data-says="[^"]*"//|says nothing: <a
pages|labs.html|s/"00-start.html"/"labs.html"/|no 00-start.html in the contents bar
diffs|diff-03.html|s/data-n="17"/data-n="18"/|the lines of 02-fork/server.c are not all there
diffs|diff-04.html|s/FD_SETSIZE/FDSETSIZE/|the lines of 03-select/
diffs|diff-02.html|/<span class="l" data-n="30">/d|the lines of
diffs|diff-05.html|s/class="hunk"//;s/id="server.c-/title="/|0 remarks on server.c
END
    while IFS='|' read -r kind page change told; do
        sed "$change" "$SITE/$page" >"$SITE/changed"
        ! cmp -s "$SITE/$page" "$SITE/changed" ||
            fail "nothing to plant: $change"
        mv "$SITE/changed" "$SITE/$page"
    done <"$faults"
    for kind in links pages diffs; do
        output+=$("$TESTS_DIR/course/docs/site" "$kind" "$SITE") &&
            fail "$kind: no fault is told"
    done
    echo "$output"
    while IFS='|' read -r kind page change told; do
        [[ $output == *"$page: $told"* ]] || fail "not told: $page: $told"
    done <"$faults"
}

@test "site: it says what it needs, and writes over nothing" {
    run "$ROOT_DIR/docs/site/build" "$SITE"
    [ "$status" -eq 1 ]
    [[ $output == *"there is a $SITE already" ]]
    mkdir "$BATS_TEST_TMPDIR/bin"
    for program in bash git; do
        ln -s "$(command -v "$program")" "$BATS_TEST_TMPDIR/bin"
    done
    PATH=$BATS_TEST_TMPDIR/bin run "$ROOT_DIR/docs/site/build" "$SITE-2"
    echo "$output"
    [ "$status" -eq 1 ]
    [[ $output == *"needs pandoc: apt-get install pandoc" ]]
}
