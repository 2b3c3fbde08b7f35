# A page of Markdown as Doxygen wants it: links to files, relative to the page in the repository, become
# relative to the top, where make.sh puts what they lead to; a link to a directory is the name alone.
BEGIN {
    directory = ARGV[1]
    sub(ENVIRON["PWD"] "/", "", directory)
    if (!sub(/\/[^\/]*$/, "/", directory)) directory = ""
}

# Without the steps upwards.
function from_top(path) {
    while (match(path, /[^\/.]+\/\.\.\//)) path = substr(path, 1, RSTART - 1) substr(path, RSTART + RLENGTH)
    return path
}

/^#+ / { gsub(/`/, "") } # Doxygen shows those of headings as they are

# An apostrophe would end the code it stands in, were there not two backquotes around it.
/`/ && !/^(```|    )/ {
    out = ""
    rest = $0
    while (match(rest, /`[^`]+`/)) {
        code = substr(rest, RSTART, RLENGTH)
        out = out substr(rest, 1, RSTART - 1) (code ~ /'/ ? "`" code "`" : code)
        rest = substr(rest, RSTART + RLENGTH)
    }
    $0 = out rest
}

{
    out = ""
    rest = $0
    while (match(rest, /\]\([^)]*\)/)) {
        target = substr(rest, RSTART + 2, RLENGTH - 3)
        before = substr(rest, 1, RSTART - 1)
        rest = substr(rest, RSTART + RLENGTH)
        if (target ~ /^(https?:|#)/ || target ~ /\.md(#.*)?$/) {
            out = out before "](" target ")"
            continue
        }
        target = from_top(directory target)
        if (system("test -d '" target "'") == 0) {
            match(before, /\[[^][]*$/)
            out = out substr(before, 1, RSTART - 1) "`" substr(before, RSTART + 1) "`"
            continue
        }
        if (sub(/^include\//, "", target)) {
            gsub(/_/, "__", target)
            sub(/\.h$/, "_8h.html", target)
        }
        out = out before "](" target ")"
    }
    print out rest
}
