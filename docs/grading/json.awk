# json -- a student's grade as Gradescope reads it
#
# usage: awk -f json.awk summary.csv feedback.txt results.tap

function text(s)
{
    gsub(/\\/, "\\\\", s)
    gsub(/"/, "\\\"", s)
    gsub(/\t/, "\\t", s)
    gsub(/\n/, "\\n", s)
    gsub(/[^ -~]/, "?", s)
    return "\"" s "\""
}

FNR == 1 { part++ }

# The folder's name is `submission`, so a comma is a comma.
part == 1 && FNR == 2 { split($0, column, ",") }

part == 2 { output = output $0 "\n" }

part == 3 && /^(not )?ok / && !/ # skip/ {
    status[++n] = /^not/ ? "failed" : "passed"
    sub(/^(not )?ok [0-9]+ /, "")
    name[n] = $0
    next
}

part == 3 && /^#   / { said[n] = said[n] substr($0, 5) "\n" }

END {
    if (column[3] == "")
        exit 1
    printf "{\"score\": %s, \"output\": %s,\n\"tests\": [", column[3],
           text(output)
    for (i = 1; i <= n; i++)
        printf "%s\n{\"name\": %s, \"status\": \"%s\", \"output\": %s}",
               i == 1 ? "" : ",", text(name[i]), status[i], text(said[i])
    print "\n]}"
}
