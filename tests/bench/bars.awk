# bars.awk -- bars side by side, as SVG
#
# input: NAME TAB VALUE TAB LABEL; variables: title, desc, subtitle, css.
# It needs svg.awk. The first bar is the measure of all: a line goes through its end.

BEGIN { FS = "\t" }

{
    name[NR] = $1
    value[NR] = $2
    label[NR] = $3
    if ($2 > max)
        max = $2
}

END {
    left = 150; right = 620
    height = 90 + 26 * NR
    svg_begin(height, title, desc)
    words("h", 24, 34, "start", title)
    words("s", 24, 56, "start", subtitle)
    for (i = 1; i <= NR; i++) {
        y = 70 + 26 * (i - 1)
        w = (right - left) * value[i] / max
        words(name[i] ~ /^0/ ? "b" : "", left - 10, y + 15, "end", name[i])
        box(name[i] ~ /^0[1-6]-/ ? "d" substr(name[i], 2, 1) : "d1", left, y, \
            w, 18, 3)
        words("s", left + w + 8, y + 14, "start", label[i])
    }
    path("axis", "M" at(left + (right - left) * value[1] / max) " 64V" \
        height - 18, " stroke-dasharray=\"4 4\"")
    print "</svg>"
}
