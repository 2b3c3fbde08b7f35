#!/bin/sh
# The documentation as HTML, from the headers and the pages beside the code:
#
#     make.sh SOURCE OUTPUT
#
# writes OUTPUT/html/index.html. A warning of Doxygen fails, and so does a link that leads nowhere.
set -eu

source=$(cd "$1" && pwd -P)
output=$2
mkdir -p "$output"
output=$(cd "$output" && pwd -P)
rm -rf "$output/html"

cd "$source"
version=$(awk '/define LQ_VERSION_/ { v = v s $3; s = "." } END { print v }' include/libquant.h)
{
    cat .doxygen/config
    printf 'PROJECT_NUMBER = %s\nOUTPUT_DIRECTORY = "%s"\n' "$version" "$output"
} | doxygen -

# What pages link to or show of the sources comes with them.
cd "$output/html"
grep -oh '\(href\|src\)="[^"#]*' -- *.html | sed 's/^[^"]*"//' | sort -u >../links
dead=0
while read -r link; do
    case $link in
    '' | *://* | javascript:*) continue ;;
    esac
    [ ! -e "$link" ] || continue
    if [ -f "$source/$link" ]; then
        mkdir -p "$(dirname "$link")"
        cp "$source/$link" "$link"
    else
        echo "a link leads nowhere: $link"
        grep -l "\"$link[\"#]" -- *.html
        dead=1
    fi
done <../links
exit $dead
