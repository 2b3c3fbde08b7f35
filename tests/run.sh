#!/bin/sh
# Builds libquant with everything and runs its tests:
#
#     sh tests/run.sh [MESON OPTION...]
#
# BUILD_DIR=DIR builds there instead of in build/. For example, with sanitizers:
#
#     BUILD_DIR=build-asan sh tests/run.sh -Db_sanitize=address,undefined -Dbuildtype=debug
#
# TESTS="NAME..." builds and runs these tests alone; WRAPPER=COMMAND runs them by that command.
#
# The last line says how many tests passed and failed. Fails if one failed or none passed.
set -eu

root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
build=${BUILD_DIR:-$root/build}
. "$root/tests/setup.sh"

# Meson names it after the wrapper, too.
log=$build/meson-logs/testlog
wrapper=${WRAPPER:-}
wrapper=${wrapper%% *}
[ -z "$wrapper" ] || log=$log-${wrapper##*/}

# Prints "PASSED FAILED SKIPPED". A test program of cmocka counts as the tests that it reports,
# any other one as one test; so does a program that fails without a failed test, as in a crash.
count_results() {
    awk '
        function count(word,    rest, n) {
            for (rest = $0; match(rest, "\\[  " word " *\\] [0-9]+ test"); ) {
                n += substr(rest, RSTART + 13, RLENGTH - 18)
                rest = substr(rest, RSTART + RLENGTH)
            }
            return n + 0
        }
        match($0, /"result": "[A-Z]+"/) {
            result = substr($0, RSTART + 11, RLENGTH - 12)
            good = result == "OK" || result == "EXPECTEDFAIL"
            p = count("PASSED"); f = count("FAILED"); s = count("SKIPPED")
            if (result == "SKIP") s += !s
            else if (good) p += !(p + f + s)
            else f += !f
            passed += p; failed += f; skipped += s
        }
        END { print passed + 0, failed + 0, skipped + 0 }
    ' "$log.json"
}

require_packages gcc libc6-dev meson ninja-build pkg-config libcjson-dev libcmocka-dev

# More cases, where they lie beside the source tree. Named even if absent: an old build
# directory may remember another place.
for data in weights vectors; do
    directory=
    [ ! -d "$root/../shared/$data" ] || directory=$(cd "$root/../shared/$data" && pwd)
    set -- "-D$data=$directory" "$@"
done

say "Building in $build"
configure -Dtests=enabled -Dexamples=enabled "$@"
# With names, meson test builds what they need.
[ -n "${TESTS:-}" ] || meson compile -C "$build"

say "Testing"
rm -f "$log.json"
status=0
# Unquoted: a name each.
meson test -C "$build" ${TESTS:---no-rebuild} --print-errorlogs ${WRAPPER:+--wrapper "$WRAPPER"} ||
    status=$?
[ -f "$log.json" ] || fail "no tests were run"

set -- $(count_results)
if [ "$3" -gt 0 ]; then
    printf '%d passed, %d failed, %d skipped\n' "$1" "$2" "$3"
else
    printf '%d passed, %d failed\n' "$1" "$2"
fi
[ "$status" -eq 0 ] && [ "$1" -gt 0 ] && [ "$2" -eq 0 ]
