#!/bin/sh
# What stands beside the benches answers as they do: help, and 2 for what is no option. plot.sh draws
# what a bench has written.
#
#     test_bench_tools.sh PLOT BENCH_QUANTIZE [COUNT_INSTRUCTIONS]
#
# $MESON_EXE_WRAPPER runs what was built for another machine.
set -eu

plot=$1
bench=$2
count=${3:-}
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT

# answers COMMAND...: to --help, and to an option that there is not.
answers() {
    "$@" --help >"$place/help"
    [ -s "$place/help" ]
    status=0
    "$@" --frobnicate >"$place/out" 2>"$place/message" || status=$?
    if [ "$status" -ne 2 ] || [ -s "$place/out" ] || ! grep -q "no option" "$place/message"; then
        echo "status $status of: $* --frobnicate"
        cat "$place/out" "$place/message"
        exit 1
    fi
}

answers sh "$plot"
# Unquoted: a command and its options.
[ -z "$count" ] || answers ${MESON_EXE_WRAPPER:-} "$count"

command -v gnuplot >/dev/null || {
    echo "no gnuplot here: nothing was drawn"
    exit 77
}
for elements in 4096 8192; do
    ${MESON_EXE_WRAPPER:-} "$bench" --filter f32-s8/tensor --seconds 0 --elements $elements \
        --json "$place/$elements.json" >"$place/table" 2>"$place/progress"
done
OUTPUT=$place/drawn.svg sh "$plot" "$place/4096.json" "$place/8192.json"
for drawn in floor scalar "quantize: f32 to s8"; do
    grep -q "$drawn" "$place/drawn.svg"
done
