# names.bash -- make targets, paths and functions named in the text
# shellcheck shell=bash
# shellcheck disable=SC2154 # set in check, which loads this

# The targets of a folder's Makefile, as make itself sees them.
targets()
{
    make -pRrqn -C "$1" --no-print-directory 2>/dev/null </dev/null |
        awk '/^# Not a target/ { getline; next }
            /^[^#\t:=][^=]*:([^=]|$)/ {
                sub(/:.*/, "")
                n = split($0, name, " ")
                for (i = 1; i <= n; i++)
                    print name[i]
            }'
}

# True if the target is there, by name or by a pattern rule.
has_target()
{
    local dir=$1 want=$2 cache one

    cache=$scratch/targets.${dir//\//_}
    [ -f "$cache" ] || targets "$dir" >"$cache"
    case $want in
    *[A-Z]*) want=${want%%[A-Z]*}'*' ;;
    esac
    while IFS= read -r one; do
        # shellcheck disable=SC2053
        [[ $one == $want || $want == ${one/\%/*} && $one != % ]] && return
    done <"$cache"
    return 1
}

make_command='^[[:space:]]*([A-Z_]+=[^[:space:]]* +)*make([[:space:]]|$)'
own_name='^(conn|loop|net|poller|server|flow|sock|timers|workers)_[a-z_]+'

# Looks at the make commands in a line of shell.
check_make()
{
    local at=$1 part word dir args

    [[ $2 == *make* ]] || return 0
    while IFS= read -r part; do
        [[ $part =~ $make_command ]] || continue
        part=${part#"${BASH_REMATCH[0]}"}
        dir=.
        # Values in quotes may hold blanks; they name no target.
        part=$(sed -E "s/[A-Z_]+='[^']*'//g; s/[A-Z_]+=\"[^\"]*\"//g" \
            <<<"$part")
        read -ra args <<<"${part%%[<>#]*}"
        set -- ${args[@]+"${args[@]}"}
        while [ $# -gt 0 ]; do
            word=$1
            shift
            case $word in
            -C)
                dir=${1:-.}
                shift
                [[ -d $dir || $dir == *[A-Z]* ]] ||
                    bad "$at" "make -C $dir: no such folder"
                ;;
            -* | *=* | … | ...) ;;
            *)
                count=$((count + 1))
                [ ! -d "$dir" ] || has_target "$dir" "$word" ||
                    bad "$at" "make $word: no such target"
                ;;
            esac
        done
    done < <(sed -E 's/&&|\|\||[;|&]/\n/g' <<<"$2")
}

# Looks at a word that may be a path of the project's.
check_path()
{
    local at=$1 path=$2 glob

    path=${path#./}
    path=${path#../}
    path=${path%%[:,;)\']*}
    path=${path%.}
    case $path in
    0[1-9]-[a-z]*/* | 0[1-6]-[a-z]* | tests/* | docs/* | .ci/*) ;;
    *) return ;;
    esac
    count=$((count + 1))
    glob=$path
    [[ $path != *[A-Z]* ]] || glob=$(sed -E '
        s/(^|[^A-Za-z_])(NAME|NN|STAGE|N|FILE)([^A-Za-z_]|$)/\1*\3/g
        ' <<<"$path")
    # A program that make builds stands beside its source; a chapter's name
    # is written without its folder or ending in places.
    compgen -G "$glob" >/dev/null || [ -e "$path.c" ] ||
        [ -e "docs/$path" ] || [ -e "docs/$path.md" ] ||
        [[ $path == tests/tools/* && -e $path.c ]] ||
        bad "$at" "$path is not there"
}

check_names()
{
    local file=$1 n line lang note text word

    cat 0*/*.[ch] >"$scratch/sources" 2>/dev/null
    # Code that is only indented.
    while IFS=$'\t' read -r line text; do
        check_make "$file:$line" "$text"
    done < <(awk -f "$here/prose.awk" "$file" | awk '
        /^[^ ]/ { list = /^([-*+]|[0-9]+[.)]) / }
        /^    / && !list && (code || blank) {
            print NR "\t" $0
            code = 1
            next
        }
        { blank = /^ *$/; code = code && blank }')
    while IFS=$'\t' read -r line text; do
        check_make "$file:$line" "$text"
        for word in $text; do
            check_path "$file:$line" "$word"
        done
        if [[ $text =~ $own_name ]]; then
            word=${BASH_REMATCH[0]}
            count=$((count + 1))
            grep -qw -- "$word" "$scratch/sources" ||
                bad "$file:$line" "no stage has a \`$word\`"
        fi
    done < <(awk -v spans=1 -f "$here/prose.awk" "$file")
    while IFS=$'\t' read -r n line lang note; do
        [ "$lang" = console ] || [ "$lang" = sh ] || continue
        while IFS= read -r text; do
            line=$((line + 1))
            [[ $lang == sh || $text == '$ '* ]] || continue
            text=${text#'$ '}
            check_make "$file:$line" "$text"
            [[ $note == run* ]] && continue
            for word in $text; do
                check_path "$file:$line" "$word"
            done
        done <"$scratch/blocks/$n"
    done < <(blocks "$file")
}
