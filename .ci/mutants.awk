# mutants -- prints every small change that .ci/mutants makes to a C file
#
# usage: awk -v seed=N [-v only=LINE] -f mutants.awk FILE...
#
# A line for each mutant, with tabs between its fields:
#
#     ID  HASH  FILE  LINE  FUNCTION  OLD  NEW
#
# OLD and NEW are whole lines. The ID is FILE:LINE:KIND, with .2, .3, … for
# what comes again in the line. HASH depends on the ID and the seed: the first
# N in its order are a sample. Comments, strings and #include lines are left
# alone, and so is the size of an array.

BEGIN {
    for (i = 1; i < 256; i++)
        ord[sprintf("%c", i)] = i
    # What each operator becomes.
    split("<= < > / < <= >= / >= > < / > >= <= / == != / != == / && || / " \
          "|| && / ++ -- / -- ++ / += -= / -= += / |= &= / &= |=", words, " ")
    op = ""
    for (i = 1; i in words; i++) {
        if (words[i] == "/")
            op = ""
        else if (op == "")
            op = words[i]
        else
            becomes[op] = becomes[op] " " words[i]
    }
    split("<= le >= ge == eq != ne && and || or ++ inc -- dec += add -= sub " \
          "|= set &= mask < lt > gt", words, " ")
    for (i = 1; i in words; i += 2)
        name[words[i]] = words[i + 1]
    # Binary operators with blanks around them.
    split("+ - plus minus - + minus plus * / times over / * over times " \
          "% * mod times | & bitor bitand & | bitand bitor", words, " ")
    for (i = 1; i in words; i += 4) {
        binary[words[i]] = words[i + 1]
        binary_kind[words[i]] = words[i + 2] "-" words[i + 3]
    }
}

FNR == 1 {
    in_comment = 0
    before = "" # the last line that is not blank, masked
    fn = candidate = "-"
}

{
    raw = $0
    m = mask(raw)
}

m ~ /^#/ {
    if (m ~ /^#define .*[0-9]/ && (!only || only == FNR))
        scan()
    next
}

m ~ /^[A-Za-z].*[A-Za-z0-9_]\(/ {
    candidate = substr(m, 1, index(m, "(") - 1)
    candidate_is_bool = candidate ~ /(^| )bool /
    sub(/.*[ *]/, "", candidate)
}

m ~ /^{/ {
    fn = candidate
    is_bool = candidate_is_bool
}

m ~ /^}/ {
    fn = "-"
}

!only || only == FNR {
    scan()
    if (fn != "-") {
        drop()
        returns()
        negate("if")
        negate("while")
    }
}

{
    if (m ~ /[^ ]/)
        before = m
}

# Returns line with blanks in place of comments and " in place of all that is
# in a string or a character constant.
function mask(line,    out, i, c, two, quote)
{
    out = ""
    quote = ""
    for (i = 1; i <= length(line); i++) {
        c = substr(line, i, 1)
        two = substr(line, i, 2)
        if (in_comment) {
            if (two == "*/") {
                in_comment = 0
                out = out " "
                i++
            }
            out = out " "
        } else if (quote != "") {
            if (c == "\\") {
                out = out "\""
                i++
            } else if (c == quote) {
                quote = ""
            }
            out = out "\""
        } else if (two == "/*") {
            in_comment = 1
            out = out "  "
            i++
        } else if (two == "//") {
            break
        } else if (c == "\"" || c == "'") {
            quote = c
            out = out "\""
        } else {
            out = out c
        }
    }
    sub(/ +$/, "", out)
    return out
}

# A position-dependent hash of text, from 0 to 2^31 - 1.
function hash(text,    h, i)
{
    h = 17 + seed
    for (i = 1; i <= length(text); i++)
        h = (h * 65599 + ord[substr(text, i, 1)]) % 2147483647
    return h
}

function add(kind, new,    id, times)
{
    if (new == raw || (FILENAME, FNR, new) in seen)
        return
    seen[FILENAME, FNR, new] = 1
    times = ++count[FILENAME, FNR, kind]
    id = FILENAME ":" FNR ":" kind (times > 1 ? "." times : "")
    printf "%s\t%010d\t%s\t%d\t%s\t%s\t%s\n", id, hash(id), FILENAME, FNR,
           fn, raw, new
}

# Puts text in place of the n characters at position i.
function put(kind, i, n, text)
{
    add(kind, substr(raw, 1, i - 1) text substr(raw, i + n))
}

# Operators, constants and words, from left to right.
function scan(    i, c, two, three, last, new, k, word)
{
    last = ""
    for (i = 1; i <= length(m); i++) {
        c = substr(m, i, 1)
        two = substr(m, i, 2)
        three = substr(m, i - 1, 3)
        if (two == "->" || two == "<<" || two == ">>") {
            i++
        } else if (two in becomes || c in becomes) {
            word = two in becomes ? two : c
            split(becomes[word], new, " ")
            for (k = 1; k in new; k++)
                put(name[word] "-" name[new[k]], i, length(word), new[k])
            i += length(word) - 1
        } else if (i > 1 && c in binary && three == " " c " ") {
            put(binary_kind[c], i, 1, binary[c])
        } else if (c == "!" && substr(m, i + 1, 1) ~ /[A-Za-z_(]/) {
            put("not-drop", i, 1, "")
        } else if (c ~ /[0-9]/ && last !~ /[A-Za-z0-9_.]/) {
            match(substr(m, i), /^[0-9A-Za-z]+/)
            constant(i, RLENGTH)
            i += RLENGTH - 1
        } else if (c ~ /[a-z]/ && last !~ /[A-Za-z0-9_.>]/) {
            match(substr(m, i), /^[A-Za-z0-9_]+/)
            word = substr(m, i, RLENGTH)
            if (word == "true")
                put("true-false", i, 4, "false")
            else if (word == "false")
                put("false-true", i, 5, "true")
            else if (word == "break")
                put("break-continue", i, 5, "continue")
            else if (word == "continue")
                put("continue-break", i, 8, "break")
            i += RLENGTH - 1
        }
        last = substr(m, i, 1)
    }
}

# The decimal constant at position i, with its suffix n characters long.
function constant(i, n,    digits, suffix)
{
    digits = substr(m, i, n)
    if (digits !~ /^[0-9]+[uUlL]*$/)
        return
    if (m !~ /=/ && substr(m, i - 1, 1) == "[" && m ~ /\];$/)
        return # the size of an array
    suffix = digits
    sub(/^[0-9]+/, "", suffix)
    sub(/[uUlL]+$/, "", digits)
    if (digits ~ /^0./)
        return # octal
    # Twice the memory, or another error than -1, is no other behavior.
    if (digits != 1 || substr(m, i - 7, 7) != "calloc(" && \
        substr(m, i - 1, 1) != "-")
        put("const-inc", i, n, sprintf("%.0f", digits + 1) suffix)
    if (digits > 0)
        put("const-dec", i, n, sprintf("%.0f", digits - 1) suffix)
}

# True if a statement begins in this line.
function begins()
{
    return before ~ /[;{}):]$/ || before ~ /(^| )else$/
}

# A call, assignment or jump is left out. The loop keeps the syntax where a
# statement has several lines.
function drop(    word, indent)
{
    if (!begins())
        return
    indent = m
    sub(/[^ ].*/, "", indent)
    word = m
    sub(/^ +/, "", word)
    if (word == "return;" || word == "break;" || word == "continue;") {
        add("stmt-drop", indent ";")
        return
    }
    if (word !~ /^(\(\*[a-zA-Z_0-9]+\)|\*?[A-Za-z_][A-Za-z0-9_]*)((->|\.)[A-Za-z_][A-Za-z0-9_]*|\[[^]]*\])*( [-+*\/|&]?= ?|\(|\+\+|--)/ ||
        word ~ /^(if|for|while|switch|return|else|do|case|sizeof)[^A-Za-z0-9_]/)
        return
    if (m ~ /;$/)
        add("stmt-drop", indent ";")
    else
        add("stmt-drop", indent "while (0) " substr(raw, length(indent) + 1))
}

function returns(    indent, text)
{
    if (m !~ /^ *return [^;]+;$/)
        return
    indent = m
    sub(/[^ ].*/, "", indent)
    text = substr(raw, 1, length(m) - 1)
    sub(/^ *return /, "", text)
    if (text == "0")
        add("return-fail", indent "return -1;")
    else if (text !~ /^(-?[0-9]+|true|false|NULL)$/ && is_bool)
        add("return-not", indent "return !(" text ");")
    else if (text !~ /^(-?[0-9]+|true|false|NULL)$/)
        add("return-zero", indent "return 0;")
}

# The condition that follows word, if it ends in this line and is not a
# single comparison, whose operator is changed elsewhere.
function negate(word,    start, i, depth, c, text)
{
    if (m !~ ("^ *(} else )?" word " \\(") && m !~ ("^ *} " word " \\("))
        return
    start = index(m, word " (") + length(word) + 2
    depth = 1
    for (i = start; i <= length(m) && depth > 0; i++) {
        c = substr(m, i, 1)
        depth += (c == "(") - (c == ")")
    }
    if (depth > 0)
        return
    text = substr(m, start, i - 1 - start)
    if (text ~ /&&|\|\|/ || text !~ /[<>=]=|!=|[^-]>|<|^!/)
        put(word "-not", start, length(text), \
            "!(" substr(raw, start, length(text)) ")")
}
