#!/bin/sh
# A stranger's first program, as README tells: from a clean clone of what is committed, by each way to get the header into a build. Each is at
# most ten commands; the last runs the program, which says 0 by its exit status.
#   tests/ci/first.sh [way...]     copy copy-c++ pkg-config cmake cmake-c++ fetch meson uninstall
set -u
cd "$(dirname "$0")/../.." || exit 1
out=$PWD/build/first
rm -rf "$out" && mkdir -p "$out" || exit 1
git clone -q --no-local --depth 1 "file://$(git rev-parse --show-toplevel)" "$out/zslab" || exit 1
passed=0 failed=0

quickstart() # C or C++: the program in the header's first comment, as pasted
{
    sed -n "/QUICKSTART in $1 (/,/^       }\$/p" "$out/zslab/zslab.h" | sed 1d
}

way() # name, program, commands on standard input
{
    dir=$out/$1
    mkdir -p "$dir" && cp "$out/$2" "$dir/" || exit 1
    cat >"$dir/commands"
    count=$(grep -c '^[^ #]' "$dir/commands")
    if (cd "$dir" && set -e && . ./commands) >"$dir/log" 2>&1 && [ "$count" -le 10 ]; then
        passed=$((passed + 1))
        echo "ok   $1: $count commands"
    else
        failed=$((failed + 1))
        echo "FAIL $1: $count commands"
        tail -n 20 "$dir/log" | sed 's/^/     | /'
    fi
}

quickstart C >"$out/first.c"
quickstart C++ >"$out/first.cc"
grep -v 'define ZSLAB_IMPLEMENTATION' "$out/first.c" >"$out/main.c" # the implementation is another file's
grep -v 'define ZSLAB_IMPLEMENTATION' "$out/first.cc" >"$out/main.cc"
root=$out/root
make -s -C "$out/zslab" install PREFIX="$root" >/dev/null || exit 1

way copy first.c <<EOF
cp ../zslab/zslab.h .
cc first.c -pthread -o first
./first
EOF
way copy-c++ first.cc <<EOF
cp ../zslab/zslab.h .
c++ first.cc -pthread -o first
./first
EOF
way pkg-config first.c <<EOF
export PKG_CONFIG_PATH=$root/lib/pkgconfig
cc first.c \$(pkg-config --cflags --libs zslab) -o first
./first
EOF
for l in c cc; do
    name=C
    [ $l = c ] || name=CXX
    way cmake-$l main.$l <<EOF
echo 'cmake_minimum_required(VERSION 3.18)' >CMakeLists.txt
echo 'project(first $name)' >>CMakeLists.txt
echo 'find_package(zslab 0.1 REQUIRED)' >>CMakeLists.txt
echo 'add_executable(first main.$l)' >>CMakeLists.txt
echo 'target_link_libraries(first zslab::impl)' >>CMakeLists.txt
cmake -B build -DCMAKE_PREFIX_PATH=$root
cmake --build build
build/first
EOF
done
way fetch main.c <<EOF
echo 'cmake_minimum_required(VERSION 3.18)' >CMakeLists.txt
echo 'project(first C)' >>CMakeLists.txt
echo 'include(FetchContent)' >>CMakeLists.txt
echo 'FetchContent_Declare(zslab SOURCE_DIR $out/zslab SOURCE_SUBDIR examples/cmake)' >>CMakeLists.txt
echo 'FetchContent_MakeAvailable(zslab)' >>CMakeLists.txt
echo 'add_executable(first main.c)' >>CMakeLists.txt
echo 'target_link_libraries(first zslab::impl)' >>CMakeLists.txt
cmake -B build
cmake --build build
build/first
EOF
way meson first.c <<EOF
echo "project('first', 'c')" >meson.build
echo "executable('first', 'first.c', dependencies: dependency('zslab'))" >>meson.build
export PKG_CONFIG_PATH=$root/lib/pkgconfig
meson setup build
ninja -C build
build/first
EOF
way uninstall first.c <<EOF
make -C ../zslab uninstall PREFIX=$root
[ -z "\$(find $root -type f)" ]
EOF
echo "$passed passed, $failed failed"
[ $failed -eq 0 ]
