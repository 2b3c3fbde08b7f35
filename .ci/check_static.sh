#!/bin/sh
# What reads the sources without running them has nothing to say: cppcheck (library and examples) and
# clang-tidy by the profile in .clang-tidy (the library without its vector kernels, which are the same
# loops over intrinsics); and -Wconversion where size_t and pointers have 32 bits.
#
#     check_static.sh
set -eu

cd "$(dirname "$0")/.."

# What cppcheck takes for faults, and why they are none:
# - objectIndex: lq_vector passes the address of its one dimension with a rank of 1;
# - arrayIndexThenCheck: a text ends at its NUL, and where it is cut;
# - shiftTooManyBitsSigned: arithmetic shifts of signed integers are assumed of compilers;
# - incorrectLogicOperator: it takes 0x1p-14f for 0;
# - CastIntegerToAddressAtReturn: it takes a pointer to a function for an integer;
# - uninitvar: a loop fills pairs, which it does not follow.
cppcheck --quiet --error-exitcode=1 --std=c11 --enable=warning,performance,portability -j "$(nproc)" \
    -D__x86_64__ -DLQ_HAVE_AVX2=0 -DLQ_HAVE_AVX512=0 -DLQ_HAVE_NEON=0 -Iinclude -Isrc \
    -Iexamples/common --suppress=missingIncludeSystem \
    --suppress=objectIndex:include/libquant.h \
    --suppress=arrayIndexThenCheck:examples/lquant/compare.c \
    --suppress=shiftTooManyBitsSigned:src/fixed_point.h \
    --suppress=incorrectLogicOperator:src/layouts/ggml_super_encode.c \
    --suppress=CastIntegerToAddressAtReturn:src/run.c \
    --suppress=uninitvar:src/loops/panels.h \
    src examples

ls src/*.c src/layouts/*.c src/methods/*.c | xargs -P "$(nproc)" -n 12 sh -c '
    clang-tidy --quiet "$@" -- -std=c11 -Iinclude -Isrc 2>/dev/null' sh

if command -v arm-linux-gnueabihf-gcc >/dev/null; then
    for file in src/*.c src/layouts/*.c src/methods/*.c src/scalar/*.c; do
        arm-linux-gnueabihf-gcc -std=c11 -fsyntax-only -Wall -Wextra -Wconversion -Wshadow -Werror \
            -Iinclude -Isrc "$file"
    done
else
    echo "no arm-linux-gnueabihf-gcc here: -Wconversion was not tried with 32 bits"
fi
