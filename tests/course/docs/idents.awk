# idents.awk -- the calls and constants that C files take from the library
#
# usage: awk -f idents.awk FILE ...
#
# Prints "call NAME" for each name before a parenthesis, "const NAME" for each
# in capitals; without what the files define themselves, members, comments and
# the contents of strings.
function strip(s,    out, c, i, quote)
{
    out = ""
    quote = ""
    for (i = 1; i <= length(s); i++) {
        c = substr(s, i, 1)
        if (comment) {
            if (c == "*" && substr(s, i + 1, 1) == "/") {
                comment = 0
                i++
            }
        } else if (quote != "") {
            if (c == "\\")
                i++
            else if (c == quote)
                quote = ""
        } else if (c == "/" && substr(s, i + 1, 1) == "*") {
            comment = 1
            i++
        } else if (c == "\"" || c == "'") {
            quote = c
        } else {
            out = out c
        }
    }
    return out
}

BEGIN {
    n = split("if for while switch return sizeof defined NULL", words, " ")
    for (i = 1; i <= n; i++)
        own[words[i]] = 1
}

FNR == 1 { comment = 0; in_enum = 0 }

{ line = strip($0) }

/^#/ {
    if (split(line, word, /[ \t(]+/) > 1 && word[1] == "#define")
        own[word[2]] = 1
    if (line ~ /^# *include/)
        next
}

line ~ /^[ \t]*(typedef )?enum/ { in_enum = 1 }

{
    def = line
    rest = line
    before = ""
    first = 1
    while (match(rest, /[A-Za-z_][A-Za-z0-9_]*/)) {
        name = substr(rest, RSTART, RLENGTH)
        before = before substr(rest, 1, RSTART - 1)
        rest = substr(rest, RSTART + RLENGTH)
        member = before ~ /(\.|->) *$/
        called = rest ~ /^\(/
        # A function's name in the first column's declaration is ours, and so
        # are a typedef's and an enumerator's.
        if (called && line ~ /^[a-z]/ && first && before !~ /=/) {
            own[name] = 1
            first = 0
        } else if (line ~ /^typedef/ && called) {
            own[name] = 1
        } else if (in_enum && name ~ /^[A-Z]/ && rest ~ /^ *(,|=|}|$)/ &&
                   before !~ /=/) {
            own[name] = 1
        } else if (!called && before ~ /[a-z]+_[a-z]+ \*+$/) {
            own[name] = 1 # a callback, perhaps
        } else if (called && !member) {
            seen["call " name] = name
        }
        # Behind a digit it is a number's suffix, as in 1000LL.
        if (name ~ /^[A-Z][A-Z0-9_]+$/ && !member && before !~ /[0-9]$/)
            seen["const " name] = name
        before = before name
    }
}

in_enum && line ~ /}/ { in_enum = 0 }

END {
    for (i in seen)
        if (!(seen[i] in own) &&
            !(i ~ /^call / && seen[i] ~ /^[A-Z0-9_]+$/))
            print i
}
