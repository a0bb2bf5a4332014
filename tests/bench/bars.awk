# bars.awk -- bars side by side, as SVG
#
# input: NAME TAB VALUE TAB LABEL; variables: title, desc, subtitle, css.
# The first bar is the measure of all: a line goes through its end.

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
    printf "<svg xmlns=\"http://www.w3.org/2000/svg\" " \
        "viewBox=\"0 0 760 %d\" width=\"760\" height=\"%d\" " \
        "role=\"img\" aria-labelledby=\"title desc\">\n", height, height
    printf "<title id=\"title\">%s</title>\n", title
    printf "<desc id=\"desc\">%s</desc>\n<style>\n", desc
    while ((getline line < css) > 0)
        print line
    print "</style>"
    printf "<rect class=\"card\" x=\"0.5\" y=\"0.5\" width=\"759\" " \
        "height=\"%d\" rx=\"10\"/>\n", height - 1
    printf "<text class=\"h\" x=\"24\" y=\"34\">%s</text>\n", title
    printf "<text class=\"s\" x=\"24\" y=\"56\">%s</text>\n", subtitle
    for (i = 1; i <= NR; i++) {
        y = 70 + 26 * (i - 1)
        w = (right - left) * value[i] / max
        class = name[i] ~ /^0[1-6]-/ ? "d" substr(name[i], 2, 1) : "d1"
        printf "<text x=\"%d\" y=\"%d\" text-anchor=\"end\"%s>%s</text>\n", \
            left - 10, y + 15, name[i] ~ /^0/ ? " class=\"b\"" : "", name[i]
        printf "<rect class=\"%s\" x=\"%d\" y=\"%d\" width=\"%.1f\" " \
            "height=\"18\" rx=\"3\"/>\n", class, left, y, w
        printf "<text class=\"s\" x=\"%.1f\" y=\"%d\">%s</text>\n", \
            left + w + 8, y + 14, label[i]
    }
    w = left + (right - left) * value[1] / max
    printf "<path class=\"axis\" stroke-dasharray=\"4 4\" " \
        "d=\"M%.1f 64V%d\"/>\n", w, height - 18
    print "</svg>"
}
