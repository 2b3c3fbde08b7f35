#!/bin/sh
# The binary interface is that of tests/libquant.abi: functions with their types, structs with their
# fields (Debian: abigail-tools; x86-64). Constants are in tests/abi.inc.
#
#     check_abi.sh [--write]
#
# What differs is shown. Additions at the end of structs and new functions keep the SONAME: rewrite
# the file with them by --write. Anything else needs another LQ_VERSION_MINOR, too.
set -eu

cd "$(dirname "$0")/.."
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT

# Debugging information for types; no kernels but the scalar ones, whose instructions do not matter.
soname=libquant.so.$(sed -n 's/#define LQ_VERSION_\(MAJOR\|MINOR\) //p' include/libquant.h |
    paste -sd.)
gcc -std=c11 -g -O0 -shared -fPIC -fvisibility=hidden -Wl,-soname,"$soname" -Iinclude -Isrc \
    src/*.c src/*/*.c -lm -o "$place/libquant.so"

# Nobody sees what is in a calibrator.
printf '[suppress_type]\nname = lq_calibrator\n' >"$place/opaque"
seen="--exported-interfaces-only --suppressions $place/opaque"
if [ "${1:-}" = --write ]; then
    # Unquoted: an option each.
    abidw $seen --headers-dir include --drop-private-types --no-show-locs --no-corpus-path --no-comp-dir-path \
        --no-parameter-names --out-file tests/libquant.abi "$place/libquant.so"
else
    abidiff $seen tests/libquant.abi "$place/libquant.so"
    echo "the binary interface is that of tests/libquant.abi"
fi
