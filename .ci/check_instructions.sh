#!/bin/sh
# The objects of an x86-64 build have no instructions beyond their level, whatever runs:
#
#     check_instructions.sh BUILD
#
# The baseline has no VEX (AVX, AVX2) and no EVEX (AVX-512) encoding, and AVX2 has no EVEX. In 64-bit
# code these begin with the bytes c4 or c5, and 62, after at most segment and address prefixes.
set -eu

status=0

# none_of OBJECTS BYTES: no instruction of them begins with these.
none_of() {
    objects=$(find "$build/src" -path "$1")
    [ -n "$objects" ] || { echo "no objects like $1"; status=1; return; }
    # Unquoted: a path each.
    found=$(objdump -d --wide $objects | awk -F '\t' -v bytes="^((64|65|67) )*($2) " \
        'NF > 2 && $2 ~ bytes' | head -n 5)
    counted=$(objdump -d --wide $objects | awk -F '\t' 'NF > 2' | wc -l)
    if [ -n "$found" ]; then
        printf '%s has instructions beyond its level:\n%s\n' "$1" "$found"
        status=1
    else
        printf '%s: %d instructions, none begins with %s\n' "$1" "$counted" "$2"
    fi
}

build=$1
none_of '*/libquant.so.*.p/*.o' 'c4|c5|62'
none_of '*/liblibquant_avx2.a.p/*.o' '62'
exit "$status"
