# score -- what a student's results are worth
#
# usage: awk -f score.awk POINTS REFERENCE RESULTS
#
# POINTS is the table docs/grading/points. REFERENCE and RESULTS are TAP from
# tests/run: what the stage passes on this machine is what counts. Prints a line
# of CSV. The environment has NAME, STATUS, REMARK and ISOLATION for it, and
#
#     HEADER=1        prints the names of the columns
#     CLIENT=''       there's no client to grade
#     SILENT=1        the server doesn't echo: only its client is graded
#     STRICT=1        skipped tests count as failed
#     FEEDBACK=FILE   writes there what the student should read

# Returns text as a field of CSV. A spreadsheet takes what starts with one of
# these signs for a formula.
function field(text)
{
    gsub(/"/, "\"\"", text)
    if (text ~ /^[=+@-]/)
        text = "'" text
    return text ~ /[^A-Za-z0-9 .:_\/-]/ ? "\"" text "\"" : text
}

function weight(file)
{
    return file in worth ? worth[file] : worth["*"]
}

FNR == 1 { part++ }

part == 1 {
    if (NF == 2 && $1 != "#")
        worth[$1] = $2
    next
}

/^# [^ ]/ {
    file = $2
    sub(/\.bats$/, "", file)
    if (part == 2 && file != "run")
        files[++n_files] = file
}

/^(not )?ok / {
    kind = /^not/ ? "failed" : / # skip/ ? "skipped" : "passed"
    why = $0
    sub(/.* # skip */, "", why)
    sub(/ # skip.*/, "")
    sub(/^(not )?ok [0-9]+ /, "")
    if (part == 2) {
        if (kind == "passed" && (ENVIRON["CLIENT"] || !/^client: /)) {
            of[file]++
            tests[file, of[file]] = $0
        }
    } else {
        result[file, $0] = kind
        reason[file, $0] = why
        if (first == "" && kind == "failed")
            first = $0
        # Only the first failure gives hints.
        hinted += hinted || kind == "failed"
    }
}

part == 3 && hinted == 1 && /^#   (likely|read): / {
    hint = hint "    " substr($0, 5) "\n"
}

END {
    if (ENVIRON["HEADER"]) {
        line = "name,status,points"
        for (f = 1; f <= n_files; f++)
            line = line "," files[f]
        print line ",skipped,remark,isolation"
        exit
    }
    for (f = 1; f <= n_files; f++)
        count(files[f])
    for (f = 1; f <= n_files; f++) {
        file = files[f]
        cells = cells "," (of[file] ? passed[file] + 0 " of " of[file] : "")
        if (of[file]) {
            all += weight(file)
            got += weight(file) * passed[file] / of[file]
        }
    }
    points = sprintf("%.1f", all ? 100 * got / all : 0)
    sub(/\.0$/, "", points)
    remark = ENVIRON["REMARK"]
    if (remark == "" && n_failed)
        remark = "start with: " (first == "" ? failed[1] : first)
    if (excuse != "")
        remark = remark (remark == "" ? "" : "; ") "skipped: " excuse
    print field(ENVIRON["NAME"]) "," field(ENVIRON["STATUS"]) "," points \
          cells "," skipped + 0 "," field(remark) "," \
          field(ENVIRON["ISOLATION"])
    if (ENVIRON["FEEDBACK"] != "")
        feedback(ENVIRON["FEEDBACK"])
}

# Counts a file's tests, of which `of` says how many there are.
function count(file,    i, n, test, kind)
{
    n = of[file]
    for (i = 1; i <= n; i++) {
        test = tests[file, i]
        kind = result[file, test]
        if (ENVIRON["SILENT"] && test !~ /^client: /)
            kind = kind == "failed" ? kind : ""
        if (kind == "passed") {
            passed[file]++
        } else if (kind == "skipped" && !ENVIRON["STRICT"]) {
            of[file]--
            skipped++
            excuse = reason[file, test]
        } else {
            failed[++n_failed] = test
            state[n_failed] = kind
        }
    }
}

function feedback(to,    f, i)
{
    print ENVIRON["STATUS"] ": " points " of 100 points" > to
    if (ENVIRON["REMARK"] != "")
        print ENVIRON["REMARK"] > to
    # What make has said follows.
    if (ENVIRON["STATUS"] == "does not build")
        return
    print "" > to
    for (f = 1; f <= n_files; f++)
        if (of[files[f]])
            printf "    %-22s %3d of %3d\n", files[f], passed[files[f]],
                   of[files[f]] > to
    if (first != "")
        printf "\nStart with: %s\n%s", first, hint > to
    if (n_failed)
        print "\nThese tests didn't pass; results.tap has the reasons:\n" > to
    for (i = 1; i <= n_failed; i++)
        print "    " failed[i] \
              (state[i] == "failed" ? "" : \
               state[i] == "skipped" ? " (skipped)" : " (not run)") > to
}
