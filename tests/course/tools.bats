#!/usr/bin/env bats
# tools -- what docs/tools shows, wherever a reader may be

load ../lib/stage

setup()
{
    cd "$ROOT_DIR" || return
}

# same_with VAR=VALUE… -- COMMAND…: the command prints the same with these.
same_with()
{
    local vars=()

    while [ "$1" != -- ]; do
        vars+=("$1")
        shift
    done
    shift
    diff <("$@" 2>&1) <(env "${vars[@]}" "$@" 2>&1) ||
        fail "$* depends on ${vars[*]}"
}

@test "tools: diff does not depend on the user's settings of git or the shell" {
    local step vars=(CDPATH="$BATS_TEST_TMPDIR:." GIT_DIR=/nowhere
        GIT_DIFF_OPTS=--unified=0 GIT_EXTERNAL_DIFF=false GIT_CONFIG_COUNT=1
        GIT_CONFIG_KEY_0=diff.noprefix GIT_CONFIG_VALUE_0=true
        GIT_CONFIG_GLOBAL="$BATS_TEST_TMPDIR/odd")

    need git
    printf '[%s]\n%s\n' diff algorithm=histogram diff context=0 \
        diff mnemonicPrefix=true color ui=always core autocrlf=true \
        diff external=false >"$BATS_TEST_TMPDIR/odd"
    for step in 02 03 03.2; do
        [ "$(docs/tools/diff "$step" | grep -c '^[-+]')" -gt 10 ]
        same_with "${vars[@]}" -- docs/tools/diff "$step"
    done
}

@test "tools: trace shows the exchange" {
    need_tracing
    CDPATH=$BATS_TEST_TMPDIR:. run docs/tools/trace 03
    echo "$output"
    [ "$status" -eq 0 ]
    [[ $output == *listen\(*accept\(*'== 03-select/client'*connect\(* ]]
}

@test "tools: trace says so at once where it may not trace" {
    need_tracing
    run timeout 20 strace -f -qq -o /dev/null -e trace=ptrace \
        -e inject=ptrace:error=EPERM docs/tools/trace 03
    echo "$output"
    [ "$status" -eq 1 ]
    [[ $output == *"strace isn't allowed to trace here"* ]]
}
