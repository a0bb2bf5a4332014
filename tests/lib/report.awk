# report -- makes one report from many files of results
#
# usage: awk -v form=junit|tap -v part=NAME -f report.awk file=NAME TAP…
#
# A test has the same name whatever program is tested: `server` or `client`
# takes the place of a command or stage. The lines that bats prints below a
# failure are indented, so that none can be taken for a result.

function starts(text, with)
{
    return with != "" && substr(text, 1, length(with)) == with
}

# Returns the name with the kind of program before it, in place of the command
# or stage that tests/run has put there.
function plain(name,    i, before, kind)
{
    before[1] = part ": "
    before[2] = ENVIRON["TESTED"] ", " ENVIRON["CLIENT"] ": "
    before[3] = ENVIRON["TESTED"] ": "
    before[4] = ENVIRON["CLIENT"] ": "
    for (i = 1; i <= 4; i++)
        if (starts(name, before[i])) {
            name = substr(name, length(before[i]) + 1)
            break
        }
    kind = file
    sub(/\/.*/, ": ", kind)
    return kind ~ /^(server|client|loop): $/ && !starts(name, kind) ? \
        kind name : name
}

function xml(text)
{
    gsub(/&/, "\\&amp;", text)
    gsub(/</, "\\&lt;", text)
    gsub(/>/, "\\&gt;", text)
    gsub(/"/, "\\&quot;", text)
    return text
}

FNR == 1 { inside = 0 }

/^ok .*# skip not for / { next }

/^(not )?ok / {
    inside = 1
    result[++n] = "pass"
    where[n] = file
    if (/^not/) {
        result[n] = "fail"
        failed++
    } else if (match($0, / # skip/)) {
        result[n] = "skip"
        why[n] = substr($0, RSTART + 7)
        $0 = substr($0, 1, RSTART - 1)
        skipped++
    }
    sub(/^(not )?ok ([0-9]+ )?/, "")
    sub(/ # timeout after .*/, "")
    if (match($0, / (# )?in [0-9]+ ?ms$/)) { # with TIMING
        time[n] = substr($0, RSTART)
        gsub(/[^0-9]/, "", time[n])
        $0 = substr($0, 1, RSTART - 1)
    }
    name[n] = plain($0)
    next
}

inside && /^#/ { said[n] = said[n] substr($0, 3) "\n" }

END {
    if (form == "tap")
        print "1.." n + 0
    else
        printf "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n" \
               "<testsuites>\n<testsuite name=\"%s\" tests=\"%d\" " \
               "failures=\"%d\" errors=\"0\" skipped=\"%d\">\n",
               xml(part), n, failed, skipped
    for (i = 1; i <= n; i++) {
        if (form == "tap")
            tap(i)
        else
            junit(i)
    }
    if (form != "tap")
        print "</testsuite>\n</testsuites>"
}

function tap(i,    text)
{
    if (where[i] != where[i - 1])
        print "# " where[i]
    text = name[i]
    gsub(/#/, "\\#", text)
    printf "%sok %d %s%s\n", result[i] == "fail" ? "not " : "", i, text,
           result[i] == "skip" ? " # skip" why[i] : ""
    text = said[i]
    sub(/\n$/, "", text)
    gsub(/\n/, "\n#   ", text)
    if (text != "")
        print "#   " text
}

function junit(i)
{
    printf "<testcase classname=\"%s\" name=\"%s\" time=\"%.3f\"",
           xml(where[i]), xml(name[i]), time[i] / 1000
    if (result[i] == "pass")
        print "/>"
    else if (result[i] == "skip")
        printf "><skipped message=\"%s\"/></testcase>\n", xml(substr(why[i], 2))
    else
        printf "><failure type=\"failure\">%s</failure></testcase>\n",
               xml(said[i])
}
