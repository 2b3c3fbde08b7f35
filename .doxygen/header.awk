# A header whose comments are plain C, as Doxygen wants it. What stands before a declaration, or behind
# a field, is about it; declarations that follow without a blank line share the comment of the first.
# Indented lines keep their shape. A line of dashes with a title begins a group, to which comments
# that stand alone belong. A typedef of int32_t and the enum of its values become one.

# Words as they are, but those in backquotes, which are code.
function prose(text,    part, n, i, out) {
    n = split(text, part, "`")
    for (i = 1; i <= n; ++i) {
        if (i % 2) gsub(/[\\@#<>&%]/, "\\\\&", part[i])
        out = out (i > 1 ? "`" : "") part[i]
    }
    return out
}

# A comment of these lines; `opening` is "/**" or "/**<".
function documented(opening, text,    line, n, i, drawn, blank, out) {
    n = split(text, line, "\n")
    out = opening
    for (i = 1; i <= n; ++i) {
        if (line[i] == "") {
            blank = blank "\n"
            continue
        }
        if (drawn != (line[i] ~ /^  /)) {
            drawn = !drawn
            out = out (drawn ? blank "\n@verbatim" : "\n@endverbatim" blank)
            blank = ""
        }
        out = out blank (i > 1 || drawn ? "\n" : " ") (drawn || line[i] == "@{" ? line[i] : prose(line[i]))
        blank = ""
    }
    return out (drawn ? "\n@endverbatim" : "") " */"
}

# The lines of the comment that begins in this one, without what makes it one.
function comment(    text, line, last) {
    for (;;) {
        line = $0
        last = sub(/ *\*\/$/, "", line)
        sub(/^ *\/\* ?|^ *\* ?/, "", line)
        text = text (text == "" ? "" : "\n") line
        if (last || (getline) <= 0) return text
    }
}

function flush_alone() {
    if (held == "") return
    if (group != "")
        print "/** @} */\n/** @addtogroup " group "\n\n" substr(documented("/**", held "\n\n@{"), 4)
    held = ""
}

# What stands before a declaration or an element of one.
function flush_before() {
    if (held == "") return 0
    print documented("/**", held)
    shared = held
    held = ""
    return 1
}

function begin_group(title) {
    flush_alone()
    if (group != "") print "/** @} */"
    group = tolower(title)
    gsub(/[^a-z]+/, "_", group)
    group = "group_" group
    print "/** @defgroup " group " " toupper(substr(title, 1, 1)) substr(title, 2) "\n@{ */"
    shared = ""
}

# Comments that have lines of their own.
!body && /^ *\/\*/ {
    column = match($0, /\/\*/)
    text = comment()
    if (text ~ /^---/) {
        sub(/^-+ */, "", text)
        begin_group(text)
    } else if (!begun) {
        begun = 1
        print "/** @file\n" substr(documented("/**", text), 4)
    } else if (column == trailing) {
        print documented("/**<", text)
    } else {
        held = held (held == "" ? "" : "\n") text
    }
    next
}

{ trailing = 0 }

/^$/ {
    if (!members) flush_alone()
    if (!members && !body) shared = ""
    print
    previous = ""
    next
}

# Bodies of functions.
body {
    print
    if (/^}/) body = 0
    previous = "}"
    next
}

# Fields and enumerators.
members && /^}/ {
    members = 0
    shared = outer
    print
    previous = "}"
    next
}
members {
    before = flush_before()
    own = match($0, / \/\* .* \*\/$/)
    if (own) {
        trailing = RSTART + 1
        print substr($0, 1, RSTART) documented("/**<", substr($0, RSTART + 4, RLENGTH - 7))
    } else if (/ struct_size;/) {
        print $0 " /**< The size of this struct as its user knows it. */"
    } else if (/ reserved;/) {
        print $0 " /**< 0 */"
    } else {
        if (!before && shared != "") print documented("/**", shared)
        print
    }
    next
}

# Declarations.
/^[a-zA-Z]|^#define/ {
    if (held == "" && previous ~ /[;}]$|^#define/ && shared != "" && !/^extern/)
        print documented("/**", shared)
    flush_before()
    if (/^typedef int32_t [a-z_]+;$/) {
        type = $3
        sub(/;/, "", type)
        first = $0
        if ((getline) > 0 && /^enum {/) sub(/^enum/, "enum " type " : int32_t")
        else print first
    }
    if (/^(typedef struct|enum).*{$/) {
        members = 1
        outer = shared
        shared = ""
    } else if (/^static inline/ || (/^[a-z].*{$/ && !/^extern/)) {
        body = 1
    }
}

{
    if (/^#i/) flush_before()
    print
    previous = $0
}

END {
    flush_alone()
    if (group != "") print "/** @} */"
}
