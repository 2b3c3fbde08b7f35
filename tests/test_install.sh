#!/bin/sh
# Installs the build in the current directory into an empty place and uses it from there as its
# users do, by pkg-config: the README's examples and programs of tests/package, in C11 and C++17,
# shared and static; looks at what the libraries export and need; and at lquant and its page.
#
#     test_install.sh SOURCE BUILD COMPILER SANITIZERS
#
# $MESON_EXE_WRAPPER runs what was built for another machine.
set -eu

source=$1
build=$2
compiler=$3
sanitizers=$4

place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
cd "$place"

# tool NAME: the compiler's own where it has a prefix, as in aarch64-linux-gnu-gcc.
tool() {
    command -v "${compiler%gcc}$1" || command -v "$1"
}

# Runs a program with the installed library. The wrapper is unquoted: a command and its options.
run() {
    LD_LIBRARY_PATH=${shared%/*} ${MESON_EXE_WRAPPER:-} "$@"
}

flags=
[ "$sanitizers" = none ] || flags="-fsanitize=$sanitizers"

meson install -C "$build" --no-rebuild --destdir "$place/root" >install.log 2>&1 || {
    cat install.log
    exit 1
}
pc=$(find "$place/root" -name libquant.pc)
archive=$(find "$place/root" -name libquant.a)
shared=$(find "$place/root" -name libquant.so)
[ -n "$pc" ] && [ -n "$archive" ] && [ -n "$shared" ]
export PKG_CONFIG_PATH="${pc%/*}" PKG_CONFIG_SYSROOT_DIR="$place/root"

# The C blocks of the README are programs, exactly as printed; the first one is looked at closely.
awk '/^```c$/ { ++n; on = 1; next } /^```$/ { on = 0 } on { print > "example" n ".c" }' "$source/README.md"
mv example1.c example.c
grep -q 'int main' example.c
grep -q 'int main' example2.c

strict="-std=c11 -Wall -Wextra -Werror $flags"
as_static="$archive $(pkg-config --libs-only-l --static libquant | sed 's/-lquant//')"
$compiler $strict example.c $(pkg-config --cflags --libs libquant) -o shared
$compiler $strict example.c $(pkg-config --cflags libquant) $as_static -o static
run ./shared >shared.txt
run ./static >static.txt
cat shared.txt
cmp shared.txt static.txt
grep -q '^2.50 became 45 \* ' shared.txt
$compiler $strict example2.c $(pkg-config --cflags --libs libquant) -o blocks
run ./blocks >blocks.txt
cat blocks.txt
grep -q '^72 bytes, and .* became ' blocks.txt

# ------------------------------------------------------------------------------- what is in them

# A program that is linked to the library as it says it is called.
soname=$("$(tool readelf)" -d "$shared" | sed -n 's/.*SONAME.*\[\(.*\)\]/\1/p')
version=$(sed -n 's/#define LQ_VERSION_\(MAJOR\|MINOR\) //p' "$source/include/libquant.h" | paste -sd.)
[ "$soname" = "libquant.so.$version" ]
"$(tool readelf)" -d shared | grep -q "NEEDED.*$soname"

# The interface is exported, all of it and nothing else; and no static name can meet a user's.
"$(tool nm)" -D --defined-only "$shared" | awk '{ print $3 }' | grep -v '^__\(asan\|odr\|ubsan\)' |
    LC_ALL=C sort | diff "$source/tests/symbols.txt" - || {
    echo "exported is not what tests/symbols.txt says"
    exit 1
}
"$(tool nm)" -g --defined-only "$archive" | awk 'NF == 3 { print $3 }' |
    grep -v '^lq_' | grep -v '^__\(asan\|odr\|ubsan\)' | if grep .; then
    echo "in the archive without the prefix lq_"
    exit 1
fi

# Nothing runs before the first call, and nothing is needed but the C library. (Sanitizers do both.)
if [ "$sanitizers" = none ]; then
    if "$(tool readelf)" -SW "$archive" | grep '\.init_array\|\.ctors\|\.preinit_array'; then
        echo "there is a constructor"
        exit 1
    fi
    "$(tool readelf)" -d "$shared" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p' |
        grep -v '^lib[cm]\.\|^libc\.so$\|^ld' | if grep .; then
        echo "needed beyond the C library"
        exit 1
    fi
fi

# ----------------------------------------------------------------------------------- more programs

package=$source/tests/package
$compiler $strict "$package/use.c" $(pkg-config --cflags --libs libquant) -o use
run ./use
$compiler $strict "$package/use.c" $(pkg-config --cflags libquant) $as_static -o use_static
run ./use_static
$compiler $strict "$package/threads.c" $(pkg-config --cflags --libs libquant) -pthread -o threads
run ./threads

# Two copies of the globals in one process are what AddressSanitizer calls a violation.
if [ "$sanitizers" = none ]; then
    $compiler $strict "$package/load.c" $(pkg-config --cflags libquant) -ldl -o load
    cp "$shared" copy.so
    run ./load "$shared" ./copy.so
fi

cxx=g++
[ -z "${MESON_EXE_WRAPPER:-}" ] || cxx=${compiler%gcc}g++
if command -v "$cxx" >/dev/null; then
    for program in use dlpack; do
        $cxx -std=c++17 -Wall -Wextra -Wshadow -Wconversion -Werror -I"$source/tests" \
            $(pkg-config --cflags libquant) -c "$package/$program.cc" -o $program.o
        # A program that is not sanitized cannot load what is.
        [ "$sanitizers" = none ] || continue
        $cxx $program.o $(pkg-config --libs libquant) -o ${program}_cc
        run ./${program}_cc
    done
else
    echo "no $cxx here: the header was not tried from C++"
fi

# -------------------------------------------------------------------------------- lquant, its page

lquant=$(find "$place/root" -path '*/bin/lquant')
if [ -n "$lquant" ]; then
    # It finds the library itself.
    ${MESON_EXE_WRAPPER:-} "$lquant" --version
    sed 's/\\-/-/g' "$(find "$place/root" -name lquant.1)" >page
    for command in inspect quantize dequantize compare calibrate merge; do
        ${MESON_EXE_WRAPPER:-} "$lquant" help $command | grep -o -e ' --[a-z-]*' >options || :
        for word in $command $(cat options); do
            grep -q -e "$word" page || {
                echo "lquant.1 does not mention $word"
                exit 1
            }
        done
    done
fi
echo "installed in an empty place and used from there"
