#!/bin/sh
# Installs the build in the current directory into an empty place and uses it from there as its
# users do, by pkg-config: the README's example, shared and static, and the header from C++.
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
$compiler $strict example.c $(pkg-config --cflags --libs libquant) -o shared
$compiler $strict example.c $(pkg-config --cflags libquant) "$archive" \
    $(pkg-config --libs-only-l --static libquant | sed 's/-lquant//') -o static
run ./shared >shared.txt
run ./static >static.txt
cat shared.txt
cmp shared.txt static.txt
grep -q '^2.50 became 45 \* ' shared.txt
$compiler $strict example2.c $(pkg-config --cflags --libs libquant) -o blocks
run ./blocks >blocks.txt
cat blocks.txt
grep -q '^72 bytes, and .* became ' blocks.txt

# A program that is linked to the library as it says it is called.
soname=$("$(tool readelf)" -d "$shared" | sed -n 's/.*SONAME.*\[\(.*\)\]/\1/p')
version=$(sed -n 's/#define LQ_VERSION_\(MAJOR\|MINOR\) //p' "$source/include/libquant.h" | paste -sd.)
[ "$soname" = "libquant.so.$version" ]
"$(tool readelf)" -d shared | grep -q "NEEDED.*$soname"

# Nothing but the interface is exported.
"$(tool nm)" -D --defined-only "$shared" | awk '{ print $3 }' | grep -v '^lq_' | grep -v '^__\(asan\|odr\|ubsan\)' |
    if grep .; then
        echo "exported, but not part of the interface"
        exit 1
    fi

cxx=g++
[ -z "${MESON_EXE_WRAPPER:-}" ] || cxx=${compiler%gcc}g++
if command -v "$cxx" >/dev/null; then
    # The headers from C++; DLPack as a program of today has it.
    echo '#include <libquant_dlpack.h>
int main() {
    DLTensor empty{};
    lq_tensor view = lq_matrix(nullptr, LQ_S8, 2, 3);
    return view.size == 6 && lq_tensor_from_dlpack(&empty, &view) == LQ_ERROR_ENUM ? 0 : 1;
}' >header.cc
    $cxx -std=c++17 -Wall -Wextra -Wshadow -Wconversion -Werror -I"$source/tests" \
        $(pkg-config --cflags libquant) header.cc $(pkg-config --libs libquant) -o header
    run ./header
else
    echo "no $cxx here: the header was not tried from C++"
fi
echo "installed in an empty place and used from there"
