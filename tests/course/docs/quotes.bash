# quotes.bash -- quotes of C and diffs
# shellcheck shell=bash
# shellcheck disable=SC2154 # set in check, which loads this

# Says where a quotation leaves its source; nothing if it does not.
check_pieces()
{
    local at=$1 line=$2 text=$3 quote=$4 source=$5 off

    off=$(awk -f "$here/pieces.awk" "$text" "$quote")
    count=$((count + 1))
    case $off in
    '') return ;;
    0) bad "$at:$line" "an empty block" ;;
    *) bad "$at:$((line + off))" \
        "not in $source as shown: $(sed -n "${off}p" "$quote")" ;;
    esac
}

# The whole of both files as one diff, without its head.
full_diff()
{
    git diff --no-index --no-color --no-ext-diff -U100000 "$1" "$2" |
        sed '1,/^+++ /d'
}

# Puts a diff's two files into $old and $new, from "A B FILE" or "A/F B/F".
diff_files()
{
    local words

    read -ra words <<<"$1"
    old=${words[0]:-}${words[2]:+/${words[2]}}
    new=${words[1]:-}${words[2]:+/${words[2]}}
}

check_quotes()
{
    local file=$1 n line lang note src

    while IFS=$'\t' read -r n line lang note; do
        case $lang:$note in
        -:unclosed) bad "$file:$line" "a block that is never closed" ;;
        -:*) bad "$file:$line" "a block without a language" ;;
        *:'from '*)
            src=${note#from }
            if [ -f "$src" ]; then
                check_pieces "$file" "$line" "$src" \
                    "$scratch/blocks/$n" "$src"
            else
                bad "$file:$line" "quotes $src, which is not there"
            fi
            ;;
        diff:'diff '*)
            diff_files "${note#diff }"
            if [ -f "$old" ] && [ -f "$new" ]; then
                full_diff "$old" "$new" >"$scratch/diff"
                check_pieces "$file" "$line" "$scratch/diff" \
                    "$scratch/blocks/$n" "the diff of $old and $new"
            else
                bad "$file:$line" "the diff of $old and $new: no such files"
            fi
            ;;
        [ch]:'not in the source: '?* | diff:'not in the source: '?*) ;;
        [ch]:*)
            bad "$file:$line" "a C block with neither 'from FILE' nor" \
                "'not in the source: WHY'"
            ;;
        diff:*) bad "$file:$line" "a diff block without 'diff A B FILE'" ;;
        esac
    done < <(blocks "$file")
    check_diffstats "$file"
}

# +23 −2 between its markers, with either sign.
check_diffstats()
{
    local file=$1 line text arg said real stat='<!-- diffstat ([^>]*) -->'

    stat+='([^<]*)<!-- /diffstat -->'
    while IFS=: read -r line text; do
        while [[ $text =~ $stat ]]; do
            text=${text#*"${BASH_REMATCH[0]}"}
            arg=${BASH_REMATCH[1]}
            said=${BASH_REMATCH[2]//−/-}
            diff_files "$arg"
            real=$(git diff --no-index --numstat "$old" "$new" |
                awk '{ print "+" $1 " -" $2 }')
            count=$((count + 1))
            [ "$said" = "$real" ] ||
                bad "$file:$line" "diffstat $arg is $real, not $said"
        done
    done < <(grep -n '<!-- diffstat' "$file")
}
