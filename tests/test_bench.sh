#!/bin/sh
# A bench does what it says: every row of its list runs once, in the table and as JSON; options that
# are wrong end it with a message. Nothing is measured here.
#
#     test_bench.sh BENCH
#
# $MESON_EXE_WRAPPER runs what was built for another machine.
set -eu

bench=$1
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT

# Unquoted: a command and its options.
run() {
    ${MESON_EXE_WRAPPER:-} "$bench" "$@"
}

# refused WORD OPTION...: ends with 2 and a message that has the word, and prints nothing else.
refused() {
    word=$1
    shift
    status=0
    run "$@" >"$place/out" 2>"$place/message" || status=$?
    if [ "$status" -ne 2 ] || [ -s "$place/out" ] || ! grep -q -e "$word" "$place/message"; then
        echo "status $status of: $*"
        cat "$place/out" "$place/message"
        exit 1
    fi
}

run --help >"$place/help"
grep -q -e --filter "$place/help"

run --list --elements 4096 >"$place/list"
[ -s "$place/list" ]
[ -z "$(sort "$place/list" | uniq -d)" ]

run --seconds 0 --elements=4096 --json "$place/all.json" >"$place/table" 2>"$place/progress"
[ "$(wc -l <"$place/progress")" -eq "$(wc -l <"$place/list")" ]
rows=$(($(wc -l <"$place/table") - 1))

# Names are a row of the list with who it was, in one part or two, before the size.
python=$(command -v python3 || command -v /usr/bin/python3 || true)
if [ -n "$python" ]; then
    "$python" - "$place/all.json" "$place/list" "$rows" <<'END'
import json, sys
data = json.load(open(sys.argv[1]))
rows = data["benchmarks"]
listed = set(open(sys.argv[2]).read().split())
assert data["context"]["num_cpus"] >= 1
assert len(rows) == int(sys.argv[3]), (len(rows), sys.argv[3])
assert len({r["name"] for r in rows}) == len(rows), "a name twice"
seen = set()
for r in rows:
    parts = r["name"].split("/")
    rows_of = ["/".join(parts[:-n] + parts[-1:]) for n in (2, 3)]
    seen.update(set(rows_of) & listed)
    assert set(rows_of) & listed, r["name"]
    assert r["run_type"] == "iteration" and r["time_unit"] == "ns" and r["iterations"] == 1, r
    for key in "real_time", "cpu_time", "bytes_per_second", "items_per_second", "median":
        assert r[key] >= 0, (key, r)
assert seen == listed, seen ^ listed
print(len(listed), "rows,", len(rows), "contestants")
END
else
    echo "no python3 here: the JSON was not read"
fi

# One row, as it is usually asked for.
name=$(head -n 1 "$place/list")
run --filter="${name%/*}" --level scalar --threads 2 --seconds 0.001 --elements 4096 \
    >"$place/table" 2>"$place/progress"
grep -q scalar "$place/table"

refused "no option" --frobnicate
refused "no option" more
refused --list --filter "no row is called this"
refused --elements --elements 4095.5
refused --elements --elements 0
refused --threads --threads 0
refused --seconds --seconds=-1
refused --level --level sse9
refused value --json
refused write --json "$place/no/such/place" --elements 4096
