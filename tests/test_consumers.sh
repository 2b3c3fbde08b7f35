#!/bin/sh
# Uses libquant in the ways that take a build system, each in a clean directory: CMake's find_package
# on an installed prefix that was moved, Meson by a wrap and as a subproject, and the one line of the
# README that compiles the sources by hand.
#
#     test_consumers.sh SOURCE BUILD COMPILER
set -eu

source=$1
build=$2
compiler=$3

place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
cd "$place"
package=$source/tests/package
version=$(sed -n 's/#define LQ_VERSION_\(MAJOR\|MINOR\|PATCH\) //p' "$source/include/libquant.h" |
    paste -sd.)

# quietly COMMAND...: shows what it prints only if it fails.
quietly() {
    "$@" >log 2>&1 || {
        cat log
        echo "failed: $*"
        exit 1
    }
}

# ------------------------------------------------------------------------------------------ CMake

cmake_use() {
    quietly meson install -C "$build" --no-rebuild --destdir "$place/root"
    header=$(find root -name libquant.h)
    mv "${header%/include/libquant.h}" moved
    set -- -S "$package" -B cmake -DCMAKE_PREFIX_PATH="$place/moved" -DCMAKE_C_COMPILER="$compiler"
    quietly cmake "$@" -DWANTED="$version"
    quietly cmake --build cmake
    for program in shared shared_cc static; do
        "cmake/$program"
    done
    if readelf -d cmake/static | grep libquant || ! readelf -d cmake/shared | grep -q libquant; then
        echo "static and shared are not what they say"
        exit 1
    fi
    # Other minor versions may be different, and later patches are asked for what they bring.
    for other in 0.0 0.99 1.0 "$version.1" "${version%.*}.99"; do
        rm -rf cmake
        if cmake "$@" -DWANTED="$other" >log 2>&1; then
            echo "version $version of libquant took itself for $other"
            exit 1
        fi
        grep -q 'compatible with requested version' log
    done
}

if command -v cmake >/dev/null && command -v g++ >/dev/null; then
    cmake_use
    echo "CMake: find_package"
else
    echo "no cmake and g++ here: find_package was not tried"
fi

# ------------------------------------------------------------------------------------------ Meson

# Without the vector kernels and optimization: they are compiled by all other tests.
meson_use() {
    CC=$compiler quietly meson setup "$@" "$1-build" --buildtype=debug --fatal-meson-warnings \
        -Ddefault_library=static -Dlibquant:avx2=disabled -Dlibquant:avx512=disabled
}

mkdir -p wrap/subprojects/packagecache
cp "$package/meson.build" "$package/use.c" wrap
archive=wrap/subprojects/packagecache/libquant.tar
tar -C "$source" --transform "s,^,libquant-$version/," -cf "$archive" include src meson.build \
    meson_options.txt
cat >wrap/subprojects/libquant.wrap <<END
[wrap-file]
directory = libquant-$version
source_url = file://$place/$archive
source_filename = libquant.tar
source_hash = $(sha256sum "$archive" | cut -d ' ' -f 1)

[provide]
dependency_names = libquant
END
meson_use wrap
quietly meson compile -C wrap-build use
wrap-build/use
echo "Meson: a wrap"

# The same as a directory that is there, without a wrap.
mkdir -p directory/subprojects
cp "$package/use.c" directory
sed "s/dependency('libquant',/dependency('libquant', fallback: 'libquant',/" "$package/meson.build" \
    >directory/meson.build
mv "wrap/subprojects/libquant-$version" directory/subprojects/libquant
meson_use directory
if meson introspect --targets directory-build | grep 'lquant\|bench_\|test_'; then
    echo "a subproject builds more than the library"
    exit 1
fi
echo "Meson: a subproject"

# ---------------------------------------------------------------------------------------- by hand

# Optimized less: that takes half a minute, and no optimization of the vector kernels takes longer.
line=$(sed -n '/^    cc .*src\/\*\.c/s/-O2/-O1/p' "$source/README.md")
[ -n "$line" ]
mkdir hand
cp -r "$source/include" "$source/src" hand
cp "$package/use.c" hand/program.c
cd hand
cc() {
    command "$compiler" -Wall -Wextra -Werror "$@"
}
eval "$line"
./program
echo "by hand:$line"
