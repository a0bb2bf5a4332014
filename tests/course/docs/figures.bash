# figures.bash -- figures and tables, as measured
# shellcheck shell=bash
# shellcheck disable=SC2154 # set in check, which loads this

# What a script of the benchmark's says a figure or a table is.
measured()
{
    if [ -x tests/bench/docs ]; then
        tests/bench/docs "$1" "$2"
    else
        echo "tests/bench/docs is not there"
    fi
}

check_figures()
{
    local file=$1 line text key said real
    local figure='<!-- figure ([^ >]+) -->([^<]*)<!-- /figure -->'

    while IFS=: read -r line text; do
        # A comment at the start of a line ends the paragraph (CommonMark).
        if [[ $text =~ ^\ *'<!-- figure' ]] && [ "$line" -gt 1 ] &&
            [ -n "$(sed "$((line - 1))!d" "$file")" ]; then
            bad "$file:$line" "a figure begins the line: put a word before it"
        fi
        while [[ $text =~ $figure ]]; do
            text=${text#*"${BASH_REMATCH[0]}"}
            key=${BASH_REMATCH[1]}
            said=${BASH_REMATCH[2]}
            real=$(measured figure "$key" 2>&1)
            count=$((count + 1))
            [ "$said" = "$real" ] ||
                bad "$file:$line" "figure $key is $real, not $said"
        done
    done < <(grep -n '<!-- figure' "$file")
    while IFS=: read -r line text; do
        key=${text#*<!-- table }
        key=${key%% -->*}
        count=$((count + 1))
        measured table "$key" >"$scratch/table" 2>&1
        tail -n +$((line + 1)) "$file" | sed '/<!-- \/table -->/,$d' |
            diff -B "$scratch/table" - >"$scratch/differs" && continue
        bad "$file:$line" "table $key is not what was measured:"
        sed 's/^/  /' "$scratch/differs" >&2
    done < <(grep -n '<!-- table' "$file")
}
