# console.bash -- console blocks, run
# shellcheck shell=bash
# shellcheck disable=SC2154 # set in check, which loads this

# A copy of the project as git has it, built, in $built. What make has built
# here already goes along, with its times, so that it need not be built again.
built_copy()
{
    built=${DOCS_BUILT:-$scratch/built}
    [ ! -e "$built.made" ] || return 0
    mkdir -p "$built"
    if git rev-parse --git-dir >/dev/null 2>&1; then
        {
            git ls-files -co --exclude-standard
            git ls-files -oi --exclude-standard -- '0*' tests/tools
        } | while IFS= read -r f; do
            [ -e "$f" ] && echo "$f"
        done | tar -cf - -T - | tar -xf - -C "$built"
    else
        tar -cf - --exclude=./.build . | tar -xf - -C "$built"
    fi
    clean_env make -j 4 -C "$built" >"$scratch/make" 2>&1 &&
        touch "$built.made" && return
    cat "$scratch/make" >&2
    bad "$built" "make fails there"
    return 1
}

# Runs a command as a reader's shell would, not as a test's.
clean_env()
{
    # shellcheck disable=SC2046 # a word for each
    env $(env | sed -n 's/^\(BATS_[A-Z_]*\)=.*/-u \1/p') \
        -u MAKEFLAGS -u MAKELEVEL -u MFLAGS -u STAGE -u SERVER -u CLIENT \
        -u STAGES_DIR -u LIKE LC_ALL=C TERM=dumb PAGER=cat COLUMNS=80 "$@"
}

# A network of its own where that is allowed, so that port 8000 is free and
# what a session leaves behind ends with it; else this one, if 8000 is free.
apart()
{
    local own=(unshare --net --pid --fork --kill-child --mount-proc)

    "${own[@]}" true 2>/dev/null || own+=(--map-root-user)
    if "${own[@]}" ip link set lo up 2>/dev/null; then
        # shellcheck disable=SC2016
        clean_env timeout -k 1 60 "${own[@]}" \
            sh -c 'ip link set lo up && exec setsid -w "$@"' sh "$@"
    elif (exec 9<>/dev/tcp/localhost/8000) 2>/dev/null; then
        echo "skipped: port 8000 is taken, and there is no unshare"
    else
        clean_env timeout -k 1 60 "$@"
    fi
}

# Runs the blocks given as LINE FILE ... in one shell.
run_session()
{
    local file=$1 line

    shift
    [ $# -gt 0 ] || return 0
    built_copy || return
    rm -rf "$scratch/copy"
    cp -Rp "$built" "$scratch/copy"
    rm -f "$scratch/run.at"
    (cd "$scratch/copy" &&
        apart "$here/session" "$scratch/run" "$file" "$@") >"$scratch/told" 3>&- 4>&- # what bats has open
    while IFS= read -r line; do
        case $line in
        ok) count=$((count + 1)) ;;
        end | skipped:*) ;;
        *) echo "$line" >&2 ;;
        esac
    done <"$scratch/told"
    case $(tail -n 1 "$scratch/told") in
    end) ;;
    skipped:*) echo "$file: $(tail -n 1 "$scratch/told")" ;;
    '  | '*) failed=$((failed + 1)) ;;
    *) bad "$(cat "$scratch/run.at" 2>/dev/null || echo "$file")" \
        "ends its shell, or does not end (a server needs a &)" ;;
    esac
}

check_console()
{
    local file=$1 n line lang note need missing session=() alone=()

    while IFS=$'\t' read -r n line lang note; do
        [ "$lang" = console ] || continue
        case $note in
        'no run: '?*) continue ;;
        run | 'run: '*) ;;
        *)
            bad "$file:$line" "a console block with neither 'run' nor" \
                "'no run: WHY'"
            continue
            ;;
        esac
        missing=
        if [[ $note == *'needs '* ]]; then
            for need in ${note##*needs }; do
                command -v "$need" >/dev/null || missing+=" $need"
            done
        fi
        if [ -n "$missing" ]; then
            echo "$file:$line: skipped: no$missing here"
        elif [[ $note == 'run: session'* ]]; then
            session+=("$line" "$scratch/blocks/$n")
        elif [ "$note" = run ] || [[ $note == 'run: needs '* ]]; then
            alone+=("$line" "$scratch/blocks/$n")
        else
            bad "$file:$line" "what does '$note' mean?"
        fi
    done < <(blocks "$file")
    run_session "$file" ${session[@]+"${session[@]}"}
    set -- ${alone[@]+"${alone[@]}"}
    while [ $# -gt 0 ]; do
        run_session "$file" "$1" "$2"
        shift 2
    done
}
