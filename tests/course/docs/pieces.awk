# pieces.awk -- tells whether a quotation stands in a text, piece by piece
#
# usage: awk -f pieces.awk TEXT QUOTATION
#
# The pieces, parted by lines that are `...` or begin with @@, must each stand
# in the text without a gap, one after the other. Blanks at a line's end do not
# count. Prints the number of the quotation's line that fits nowhere: the one
# where the longest match that could be had ended.
{ sub(/[ \t]+$/, "") }

FNR == NR { text[++n] = $0; next }

{
    line = $0
    sub(/^[ \t]+/, "", line)
    quote[++m] = line == "..." || /^@@/ ? "" : $0
    gap[m] = line == "..." || /^@@/
}

END {
    at = 1
    for (i = 1; i <= m; i = next_i) {
        next_i = i + 1
        if (gap[i])
            continue
        best = 0
        for (k = at; k <= n; k++) {
            for (len = 0; i + len <= m && !gap[i + len]; len++)
                if (k + len > n || text[k + len] != quote[i + len])
                    break
            if (i + len > m || gap[i + len])
                break
            if (len > best)
                best = len
        }
        if (k > n) {
            print i + best
            exit
        }
        at = k + len
        next_i = i + len
    }
    if (m == 0)
        print 0
}
