#!/bin/sh
# Draws what an element costs against how many there are: libquant's levels, the traffic floor, and
# others where bench_peers was built.
#
#     sh bench/plot.sh                  measures, a minute or two, and draws bench/quantize.svg
#     sh bench/plot.sh FILE.json...     draws what benches have written with --json
#
# BUILD_DIR=DIR takes the benches of that build instead of those in build/, OUTPUT=FILE.svg draws
# elsewhere, PLOT_SECONDS=S is the benches' --seconds.
#
# Times of two runs do not compare, ratios of one run do. So whoever is in bench_peers is drawn at
# the ratio to libquant that it had in that run.
set -eu

root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
build=${BUILD_DIR:-$root/build}
output=${OUTPUT:-$root/bench/quantize.svg}

fail() {
    printf 'plot.sh: %s\n' "$*" >&2
    exit 1
}

# What is wrong and what to do, with 2 as the benches.
case ${1:-} in
--help)
    sed -n '2,/^set -eu/s/^# \{0,1\}//p' "$0"
    exit
    ;;
-*)
    printf "plot.sh: there is no option '%s'; --help lists those there are\n" "$1" >&2
    exit 2
    ;;
esac

command -v gnuplot >/dev/null || fail "there is no gnuplot here. As root:
    apt-get update && apt-get install gnuplot-nox"

place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT

# measure BENCH FILTER: from 4 Ki to 16 Mi elements, a file each.
measure() {
    for elements in 4096 16384 65536 262144 1048576 4194304 16777216; do
        "$build/bench/$1" --filter "$2" --elements $elements --seconds "${PLOT_SECONDS:-0.4}" \
            --json "$place/$1-$elements-$(printf %s "$2" | tr / -).json" >"$place/table" ||
            fail "$1 failed"
    done
}

if [ $# -eq 0 ]; then
    [ -x "$build/bench/bench_quantize" ] || fail "there is no $build/bench/bench_quantize. Build it:
    meson setup build && meson compile -C build"
    for row in quantize/f32-s8/tensor dequantize/s8-f32/tensor quantize/f32-s4/tensor \
        fake/f32-s8-f32/tensor; do
        measure bench_quantize $row
        [ ! -x "$build/bench/bench_peers" ] || measure bench_peers $row
    done
    set -- "$place"/*.json
fi

# A benchmark is a line, named OPERATION/TYPES/GRANULARITY, RULE/LEVEL or whose code it is, ELEMENTS.
awk '
function value(key) {
    return match($0, "\"" key "\": [0-9.]+") ? substr($0, RSTART + length(key) + 4, RLENGTH) + 0 : -1
}
function keep(panel, series, elements, ns,    id) {
    id = panel SUBSEP series
    if (!(id in order)) order[id] = ++many
    if (!((id, elements) in times) || ns < times[id, elements]) times[id, elements] = ns
    sizes[elements]
}
function panel_of(row,    p) {
    for (p = 1; p <= panels; ++p) if (rows[p] == row) return p
    return 0
}
function draw(id, style,    parts, elements, name) {
    split(id, parts, SUBSEP)
    name = "$d" ++blocks
    data = data name " << END\n"
    for (elements = 1024; elements <= 268435456; elements *= 2)
        if ((id, elements) in times) data = data elements " " times[id, elements] "\n"
    data = data "END\n"
    plots[parts[1]] = plots[parts[1]] (plots[parts[1]] ? ", " : "") \
        name " with linespoints title \"" parts[2] "\" " style
}
BEGIN {
    panels = split("quantize/f32-s8/tensor dequantize/s8-f32/tensor quantize/f32-s4/tensor fake/f32-s8-f32/tensor", rows, " ")
    split("quantize: f32 to s8|dequantize: s8 to f32|quantize: f32 to packed s4|fake-quantize: f32 to f32 by s8", titles, "|")
    levels = split("scalar avx2 neon avx512", level, " ")
    split("#8fb8de #4f8fc9 #1f5fa8 #1f5fa8", color, " ")
}
/"executable"/ { of_peers = /bench_peers"/ }
/"real_time"/ {
    match($0, /"name": "[^"]*"/)
    n = split(substr($0, RSTART + 9, RLENGTH - 10), part, "/")
    if (part[n] ~ /^threads/ || !(p = panel_of(part[1] "/" part[2] "/" part[3]))) next
    elements = part[n]
    who = part[n - 1]
    rule = n == 6 ? part[4] : ""
    ns = value("real_time") / elements
    if (of_peers && rule == "libquant") {
        level_there[p, elements] = who
        own_there[p, elements] = ns
    } else if (of_peers && rule == "" && who != "floor") {
        peer[p, who (who ~ /^(tuned|user|roundf)$/ ? ", by hand" : ""), elements] = ns
    } else if (!of_peers && rule == "libquant") {
        keep(p, who, elements, ns)
    } else if (!of_peers && rule == "xnnpack" && who !~ /^(floor|scalar|avx2)$/) {
        keep(p, who ", reciprocal", elements, ns)
    }
}
END {
    for (k in peer) {
        split(k, part, SUBSEP)
        own = part[1] SUBSEP level_there[part[1], part[3]]
        if ((own, part[3]) in times)
            keep(part[1], part[2], part[3], peer[k] / own_there[part[1], part[3]] * times[own, part[3]])
    }
    if (!many) exit 1
    for (p = 1; p <= panels; ++p) {
        id = p SUBSEP "floor"
        if (id in order) draw(id, "lc rgb \"#999999\" dt 2 pt 0")
        delete order[id]
        for (l = 1; l <= levels; ++l) {
            id = p SUBSEP level[l]
            if (id in order) draw(id, "lc rgb \"" color[l] "\" lw 2 pt 7 ps 0.5")
            delete order[id]
            id = p SUBSEP level[l] ", reciprocal"
            if (id in order) draw(id, "lc rgb \"" color[l] "\" dt 3 lw 2 pt 6 ps 0.5")
            delete order[id]
        }
    }
    split("#c0392b #d68910 #7d3c98 #1e8449 #717d7e", warm, " ")
    count = 0
    for (id in order) names[substr(id, index(id, SUBSEP) + 1)]
    for (name in names) sorted[++count] = name
    for (i = 1; i <= count; ++i) for (j = i + 1; j <= count; ++j)
        if (sorted[j] < sorted[i]) { t = sorted[i]; sorted[i] = sorted[j]; sorted[j] = t }
    for (i = 1; i <= count; ++i) for (p = 1; p <= panels; ++p)
        if ((p, sorted[i]) in order)
            draw(p SUBSEP sorted[i], "lc rgb \"" warm[(i - 1) % 5 + 1] "\" pt " 4 + 2 * i " ps 0.5")
    printf "%s", data
    print "set terminal svg size 1080,760 font \"sans-serif,12\" background \"white\""
    print "set multiplot layout 2,2 title \"ns per element, one thread, least of many rounds\""
    print "set logscale xy"
    print "set xtics (\"4 Ki\" 4096, \"64 Ki\" 65536, \"1 Mi\" 1048576, \"16 Mi\" 16777216)"
    print "set xrange [3500:20000000]\nset format y \"%g\"\nset grid ytics lc rgb \"#dddddd\""
    print "set yrange [0.01:5]\nset ytics (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5)"
    print "set lmargin 8\nset rmargin 27\nset key outside right top Left reverse samplen 1.5"
    for (p = 1; p <= panels; ++p)
        if (plots[p]) print "set title \"" titles[p] "\"\nplot " plots[p]
    print "unset multiplot"
}' "$@" >"$place/draw.gp" || fail "no row of bench_quantize in: $*"
gnuplot "$place/draw.gp" >"$place/drawn.svg"
mv "$place/drawn.svg" "$output"
printf 'drew %s\n' "$output"
