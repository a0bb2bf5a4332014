# promises.awk -- see promises
#
# Reads files of several kinds, as the variable says: header, quote, list. A
# sentence ends with a full stop before a blank and a capital, or with its
# paragraph. What has no full stop is a heading, or a note on a member.

FNR == 1 {
    end_paragraph()
    inside = 0
}

{
    file = FILENAME
    sub(/.*\//, "", file)
}

kind == "header" {
    line = $0
    while (line != "") {
        if (!inside) {
            if (!(at = index(line, "/*")))
                break
            line = substr(line, at + 2)
            inside = 1
        }
        at = index(line, "*/")
        part = at ? substr(line, 1, at - 1) : line
        sub(/^ *\*( |$)/, "", part)
        if (part ~ /^ *$/)
            end_paragraph()
        else
            paragraph = paragraph " " part
        if (!at)
            break
        inside = 0
        end_paragraph()
        line = substr(line, at + 2)
    }
}

# In C, TEST(GROUP, NAME, "…" "…"), in as many lines as it takes.
kind == "quote" && file ~ /\.c$/ {
    if ($0 ~ /^TEST\(/) {
        inside = 1
        line = text = ""
    }
    if (inside)
        line = line " " $0
    if (inside && $0 ~ /"\)$/) {
        quoted_by = line
        sub(/^ TEST\( *[a-z0-9_]+, */, "", quoted_by)
        sub(/,.*/, "", quoted_by)
        while (match(line, /"([^"\\]|\\.)*"/)) {
            text = text substr(line, RSTART + 1, RLENGTH - 2)
            line = substr(line, RSTART + RLENGTH)
        }
        gsub(/\\"/, "\"", text)
        gsub(/\\\\/, "\\", text)
        add_quote(text, quoted_by)
        inside = 0
    }
}

# In bats, `# promise: …` and lines of comment after it, then the test.
kind == "quote" && file ~ /\.bats$/ {
    if ($0 ~ /^# promise: /) {
        end_promise()
        text = substr($0, 12)
        inside = 1
    } else if (inside && $0 ~ /^# /) {
        text = text " " substr($0, 3)
    } else if ($0 ~ /^@test/) {
        quoted_by = $0
        sub(/^@test "/, "", quoted_by)
        sub(/" [{]$/, "", quoted_by)
        end_promise()
        for (i = 1; i <= n_waiting; i++)
            add_quote(waiting[i], quoted_by)
        n_waiting = 0
    }
}

# A reason, and below it, indented, beginnings of sentences. The reason may be
# a test of another file: FILE: the first words of its name.
kind == "list" && $0 !~ /^#/ {
    if ($0 ~ /^[^ ]/) {
        reason = $0
        if (reason ~ /^tests\// && !is_test(reason)) {
            print "promises.list:" FNR ": no such test: " reason
            left++
        }
    } else if ($0 != "") {
        line = $0
        sub(/^ +/, "", line)
        add_quote(line "...", reason)
        listed[n_quotes] = FNR
    }
}

END {
    for (i = 1; i <= n_sentences; i++) {
        tests = ""
        for (k = 1; k <= n_quotes; k++) {
            if (about(quotes[k], sentences[i])) {
                tests = tests (tests == "" ? "" : "; ") by[k]
                used[k] = 1
            }
        }
        if (tests == "")
            left++
        if (all != "" || tests == "")
            print from[i] ": " sentences[i] \
                (tests == "" ? "" : "\n        " tests)
    }
    # What the list has in vain would hide a sentence that comes later.
    for (k = 1; k <= n_quotes; k++) {
        if (k in listed && !(k in used)) {
            print "promises.list:" listed[k] ": no such sentence: " quotes[k]
            left++
        }
    }
    exit left > 0
}

function is_test(reason,    path, name, text, found)
{
    path = name = reason
    sub(/:.*/, "", path)
    sub(/^[^:]*: /, "", name)
    while (!found && (getline text < path) > 0)
        found = index(text, "@test \"" name) == 1
    close(path)
    return found
}

function end_promise()
{
    if (inside)
        waiting[++n_waiting] = text
    inside = 0
}

function add_quote(text, who)
{
    quotes[++n_quotes] = text
    by[n_quotes] = who
}

# True if that quote is about that sentence.
function about(quote, sentence,    n)
{
    if (index(quote, sentence))
        return 1
    n = length(quote)
    while (match(quote, /\.\.\./)) {
        n = RSTART - 1
        if (ends_with_beginning(substr(quote, 1, n), sentence))
            return 1
        quote = substr(quote, RSTART + 3)
    }
    return 0
}

# True if the last words of text are the first of sentence, from a beginning of
# a sentence in text on.
function ends_with_beginning(text, sentence,    n)
{
    sub(/^ +/, "", text)
    while (text != "") {
        if (length(text) >= 8 && index(sentence, text) == 1)
            return 1
        if (!(n = sentence_end(text)) || n >= length(text))
            return 0
        text = substr(text, n + 1)
        sub(/^ +/, "", text)
    }
    return 0
}

# Where the first sentence of text ends.
function sentence_end(text,    i)
{
    for (i = 1; i < length(text); i++) {
        if (substr(text, i, 3) ~ /^\. [A-Z(*"-]/)
            return i
        if (substr(text, i, 4) ~ /^\.\) [A-Z*]/)
            return i + 1
    }
    return length(text)
}

function end_paragraph(    n)
{
    gsub(/[ \t]+/, " ", paragraph)
    sub(/^ /, "", paragraph)
    sub(/ $/, "", paragraph)
    while (paragraph != "") {
        n = sentence_end(paragraph)
        if (substr(paragraph, 1, n) ~ /\.[)]?$/) {
            sentences[++n_sentences] = substr(paragraph, 1, n)
            from[n_sentences] = file
        }
        paragraph = substr(paragraph, n + 1)
        sub(/^ /, "", paragraph)
    }
}
