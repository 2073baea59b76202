# cmake --install into a folder of its own: the program runs from there, and programs of somebody
# else's, in C and in C++, build against libdho, static and shared, by pkg-config and by
# find_package(dho). A build for one processor says so on another.
. "$(dirname "$0")/lib.bash"
build=$(dirname "$DHO")
of_cache() { sed -n "s/^$1:[A-Z]*=//p" "$build/CMakeCache.txt"; }
sanitize=
[ "$(of_cache DHO_SANITIZE)" != ON ] || sanitize=-fsanitize=address,undefined
cxx=$(command -v g++ || command -v clang++) || skip_part "programs in C++: no g++ or clang++"

cat >"$work/user.c" <<'EOC'
#include <dho/dho.h>
#include <stdio.h>

int main(void)
{
    dho_student student;
    dho_student_options options = {0};
    options.model = "resnet18";
    options.width = 64;
    options.image_size = 224;
    options.classes = 1000;
    if (dho_student_create(&student, &options) != DHO_OK) {
        fprintf(stderr, "%s\n", dho_error_message());
        return 1;
    }
    /* Pulls in the whole library: MPI, BLIS, oneDNN, libjpeg ... */
    dho_config config;
    dho_comm *comm;
    if (dho_config_parse(&config, "data: {root: nowhere}", 21, "text", NULL, 0) != DHO_OK ||
        dho_comm_create_serial(&comm) != DHO_OK)
        return 1;
    config.method = DHO_METHOD_CE;
    if (dho_train(&config, comm, "never") != DHO_ERR_CONFIG) return 1; /* no such folder */
    dho_comm_destroy(&comm);
    dho_config_free(&config);
    printf("%d features\n", student.feature_dim);
    dho_student_destroy(&student);
    return 0;
}
EOC
sed 's/options = {0}/options = {}/' "$work/user.c" >"$work/user.cpp"
mkdir "$work/project"
cp "$work/user.c" "$work/user.cpp" "$work/project"
cat >"$work/project/CMakeLists.txt" <<'EOC'
cmake_minimum_required(VERSION 3.20)
project(user LANGUAGES ${LANGUAGE})
find_package(dho 0.1 REQUIRED)
if(LANGUAGE STREQUAL "CXX")
  add_executable(user user.cpp)
else()
  add_executable(user user.c)
endif()
target_link_libraries(user dho::dho)
EOC

runs() { # WHAT PROGRAM
    [ "$(LD_LIBRARY_PATH=$prefix/$lib "$2" 2>"$work/log")" = "512 features" ] || die "$1 does not run"
}

users() { # KIND: builds and runs each user's program against $prefix
    local kind=$1 option flags language compiler source
    lib=$(cd "$prefix" && dirname "$(find . -name pkgconfig -type d)")
    for option in "" --static; do
        flags=$(PKG_CONFIG_PATH=$prefix/$lib/pkgconfig pkg-config $option --cflags --libs dho 2>"$work/log") ||
            die "$kind: pkg-config $option"
        for language in C CXX; do
            compiler=cc source=user.c
            [ $language = C ] || compiler=$cxx source=user.cpp
            [ -n "$compiler" ] || continue
            # shellcheck disable=SC2086
            "$compiler" "$work/$source" $sanitize $flags -o "$work/user" >"$work/log" 2>&1 ||
                die "$kind: $compiler with pkg-config $option"
            runs "$kind, $compiler, pkg-config $option" "$work/user"
        done
    done
    pass "$kind: programs build by pkg-config, with --static and without, and run"
    for language in c c++; do
        compiler=cc
        [ $language = c ] || compiler=$cxx
        [ -n "$compiler" ] || continue
        # shellcheck disable=SC2086
        "$compiler" -x $language "$here/examples/classify.c" -x none $sanitize $flags -o "$work/classify" >"$work/log" 2>&1 ||
            die "$kind: examples/classify.c as $language"
        LD_LIBRARY_PATH=$prefix/$lib "$work/classify" "$work/student.safetensors" "$image" >"$work/said" 2>"$work/log" ||
            die "$kind: classify, as $language"
        grep -Eq "$image: $expected, [0-9.]+ %" "$work/said" || die "$kind: classify does not say $expected: $(cat "$work/said")"
        LD_LIBRARY_PATH=$prefix/$lib "$work/classify" "$work/student.safetensors" "$work/user.c" >"$work/log" 2>&1 &&
            die "$kind: classify takes a text for an image"
    done
    pass "$kind: examples/classify.c says what dho predict says, as C and as C++"
    for language in C ${cxx:+CXX}; do
        rm -rf "$work/project/build"
        cmake -G Ninja -S "$work/project" -B "$work/project/build" -DLANGUAGE=$language -DCMAKE_PREFIX_PATH="$prefix" \
            "-DCMAKE_${language}_FLAGS=$sanitize" >"$work/log" 2>&1 || die "$kind: find_package(dho), $language"
        cmake --build "$work/project/build" >"$work/log" 2>&1 || die "$kind: linking dho::dho, $language"
        runs "$kind, $language, dho::dho" "$work/project/build/user"
    done
    pass "$kind: programs build by find_package(dho) and run"
}

cmake --install "$build" --prefix "$work/usr" >"$work/log" 2>&1 || die "cmake --install"
"$work/usr/bin/dho" version >"$work/log" 2>&1 || die "the installed dho"
pass "$(cat "$work/log")"
for file in man/man1/dho.1 man/man1/dho-train.1 bash-completion/completions/dho dho/launch/mpirun.sh dho/launch/open_mpi.sh \
    dho/slurm/train.sbatch doc/dho/README.md; do
    [ -s "$work/usr/share/$file" ] || die "no share/$file is installed"
done
(cd / && "$work/usr/share/dho/launch/mpirun.sh" 2 "$work/usr/bin/dho" bench allreduce --floats 1000 --steps 1) >"$work/log" 2>&1 ||
    die "the installed launcher"
pass "man pages, completion, launchers and pages are installed; the launcher runs"
(cd / && "$work/usr/bin/dho" table) >"$work/log" 2>&1 || die "the installed tables"
grep -q '^imagenet_semi ' "$work/log" || die "the installed dho does not find its tables"
(cd / && "$work/usr/bin/dho" table imagenet_semi) >"$work/log" 2>&1 || die "an installed table"
pass "the installed tables and their configurations are found from any folder"

for header in "$work"/usr/include/dho/*.h; do
    case $header in
    *_rows.h) continue ;; # rows of a table, which another header includes
    */dho.h) ;;
    */version.h)
        numbers=$(sed -n 's/^#define DHO_VERSION_[MP].* \([0-9]*\)$/\1/p' "$header" | paste -sd.)
        grep -qF "#define DHO_VERSION \"$numbers\"" "$header" || die "version.h: $numbers is not its text"
        ;;
    *) grep -q '^extern "C" {' "$header" || die "no extern \"C\" in $header" ;;
    esac
    [ -n "$cxx" ] || continue
    "$cxx" -std=c++11 -Wall -Wextra -pedantic -Werror -fsyntax-only -x c++ -I "$work/usr/include" "$header" \
        >"$work/log" 2>&1 || die "$header alone, in C++"
done
pass "each public header compiles alone${cxx:+, in C++}"

# A student for examples/classify.c, and what dho predict says with it.
installed() { (cd "$work" && ./usr/bin/dho "$@" 2>"$work/log") || die "$1"; }
installed synth --out data --train 4 --val 2 --test 1 >"$work/log"
cat >"$work/student.yaml" <<EOC
method: ce
out: run
data: {root: data/train, labels: all, image_size: 32}
student: {model: resnet18, width: 8}
train: {shards: 2, batch_labelled: 16, batch_unlabelled: 0, steps: 3}
EOC
installed train student.yaml >"$work/log"
installed export run --out student.safetensors
image=$(find "$work/data/val" -name '*.jpg' | LC_ALL=C sort | head -n 1)
installed predict student.safetensors "$image" --top 1 >"$work/predicted"
expected=$(sed -n 's/.*"class": *"\([^"]*\)".*/\1/p' "$work/predicted")
[ -n "$expected" ] || die "dho predict says no class: $(cat "$work/predicted")"

prefix=$work/usr
users "as built"

exports() { # LIBRARY: it exports what include/dho declares and nothing else
    grep -hoE '^[a-z][A-Za-z0-9_ *]*[ *]dho_[a-z0-9_]*\(' include/dho/*.h | grep -vE '^(static|typedef) ' |
        sed -E 's/.*[ *](dho_[a-z0-9_]*)\($/\1/' | sort -u >"$work/declared"
    grep -hoE '^extern const [^;]*;' include/dho/*.h | grep -oE 'dho_[a-z0-9_]*(\[|;)' | tr -d '[;' >>"$work/declared" || true
    nm -D --defined-only "$1" | awk '$3 !~ /^\.gomp_critical/ { print $3 }' | sort -u >"$work/exported" # OpenMP's locks
    sort -u -o "$work/declared" "$work/declared"
    diff "$work/declared" "$work/exported" >"$work/log" || die "$1 exports others than include/dho declares"
    pass "libdho exports the $(wc -l <"$work/declared") names of include/dho"
}

# The other kind, without optimisation, since only its linking is tried.
shared=ON
[ "$(of_cache BUILD_SHARED_LIBS)" != ON ] || shared=OFF
cmake -G Ninja -S . -B "$work/other" -DCMAKE_BUILD_TYPE=Debug -DBUILD_SHARED_LIBS=$shared -DBUILD_TESTING=OFF \
    -DDHO_NATIVE=OFF -DDHO_ONEDNN="$(of_cache DHO_ONEDNN)" >"$work/log" 2>&1 || die "configuring the other kind"
cmake --build "$work/other" -j 2 >"$work/log" 2>&1 || die "building the other kind"
[ $shared = ON ] && exports "$work/other/libdho.so" || exports "$build/libdho.so"
prefix=$work/moved
cmake --install "$work/other" --prefix "$work/first" >"$work/log" 2>&1 || die "cmake --install, the other kind"
mv "$work/first" "$prefix"
"$prefix/bin/dho" version >"$work/log" 2>&1 || die "the installed dho of the other kind"
sanitize=
users "BUILD_SHARED_LIBS=$shared, DHO_NATIVE=OFF, moved"

if command -v dpkg-deb >/dev/null && command -v dpkg-shlibdeps >/dev/null; then
    (cd "$work/other" && cpack -G DEB -B "$work/package") >"$work/log" 2>&1 || die "cpack"
    package=$(echo "$work"/package/dho_*.deb)
    dpkg-deb -x "$package" "$work/unpacked" >"$work/log" 2>&1 || die "unpacking $package"
    dpkg-deb -f "$package" Depends >"$work/log" || die "the package's fields"
    for needed in openmpi-bin libjpeg libyaml; do grep -q "$needed" "$work/log" || die "the package does not need $needed"; done
    for file in bin/dho share/man/man1/dho.1 share/dho/launch/mpirun.sh share/dho/configs/quickstart.yaml; do
        [ -e "$work/unpacked/usr/$file" ] || [ -e "$work/unpacked/usr/$file.gz" ] || die "the package has no $file"
    done
    LD_LIBRARY_PATH=$(dirname "$(find "$work/unpacked" -name 'libdho.*' -print -quit)") "$work/unpacked/usr/bin/dho" version \
        >"$work/log" 2>&1 || die "the program of the package"
    pass "a Debian package: $(basename "$package")"
else
    skip_part "a Debian package: needs dpkg-deb and dpkg-shlibdeps (dpkg-dev)"
fi

# Another processor: QEMU's have no AVX-512, Nehalem has no AVX either.
emulator=$(command -v qemu-x86_64-static || command -v qemu-x86_64) || emulator=
if [ -z "$emulator" ] || [ "$(uname -m)" != x86_64 ] || [ -n "$(of_cache DHO_SANITIZE | grep ON)" ]; then
    skip_part "the program on another processor: needs qemu-user-static, x86-64 and no sanitizer"
    finish
    exit 0
fi
if [ "$(of_cache DHO_NATIVE)" = ON ] && grep -q '\<avx2\>' /proc/cpuinfo; then
    status=0
    "$emulator" -cpu Nehalem "$work/usr/bin/dho" version >"$work/log" 2>&1 || status=$?
    [ $status = 1 ] || die "on a processor without AVX: ended with $status"
    grep -q '^dho: error: built for another processor: needs avx, .*; this one has .*sse4.2' "$work/log" ||
        die "on a processor without AVX"
    [ "$(grep -c '^dho' "$work/log")" = 1 ] || die "more than one line"
    pass "on another processor: $(grep '^dho' "$work/log")"
fi
"$emulator" -cpu Nehalem "$prefix/bin/dho" table >"$work/log" 2>&1 || die "DHO_NATIVE=OFF on a processor without AVX"
pass "DHO_NATIVE=OFF runs on a processor without AVX"
finish
