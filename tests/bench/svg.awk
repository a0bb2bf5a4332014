# svg.awk -- what the pictures share; css, a variable, names their style file

function svg_begin(height, title, desc,    line)
{
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
}

# A coordinate: a decimal at most.
function at(v)
{
    v = sprintf("%.1f", v)
    sub(/\.0$/, "", v)
    return v
}

# Text of a class, at x and y, whose anchor is start, middle or end.
function words(class, x, y, anchor, text)
{
    printf "<text%s x=\"%s\" y=\"%s\"%s>%s</text>\n", \
        class == "" ? "" : " class=\"" class "\"", at(x), at(y), \
        anchor == "start" ? "" : " text-anchor=\"" anchor "\"", text
}

function path(class, d, more)
{
    printf "<path class=\"%s\"%s d=\"%s\"/>\n", class, more, d
}

function box(class, x, y, width, height, rx)
{
    printf "<rect class=\"%s\" x=\"%s\" y=\"%s\" width=\"%s\" height=\"%s\" " \
        "rx=\"%d\"/>\n", class, at(x), at(y), at(width), at(height), rx
}

function dot(class, x, y, r)
{
    printf "<circle class=\"%s\" cx=\"%s\" cy=\"%s\" r=\"%d\"/>\n", \
        class, at(x), at(y), r
}
