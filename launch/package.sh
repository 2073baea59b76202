#!/usr/bin/env bash
# Packages of the last commit, in the folder build/package:
#   launch/package.sh [deb|source]      (default: deb)
#
#   deb     a Debian package, for the Debian or Ubuntu that builds it: program, libdho and its headers,
#           launchers, job scripts, configurations, man pages, completion, pages. It runs on every
#           processor from DHO_MARCH on.
#   source  a tarball that builds without a network
#
# DHO_MARCH  the oldest processor: a -march= of the compiler (default: x86-64-v3 on x86-64, that is
#            AVX2: Haswell of 2013, Zen; elsewhere the compiler's own)
set -eu
cd "$(dirname "$0")/.."
kind=${1:-deb}
folder=build/package
version=$(sed -n 's/^#define DHO_VERSION "\(.*\)"/\1/p' include/dho/version.h)
mkdir -p $folder
case $kind in
source)
    git archive --prefix="dho-$version/" -o "$folder/dho-$version.tar.gz" HEAD
    echo "$folder/dho-$version.tar.gz"
    exit
    ;;
deb) ;;
*)
    echo "usage: $0 [deb|source]" >&2
    exit 2
    ;;
esac
launch/dependencies.sh package
march=${DHO_MARCH-}
[ -n "$march" ] || [ "$(uname -m)" != x86_64 ] || march=x86-64-v3
log=$folder/build.log
if ! cmake -G Ninja -S . -B $folder/build -DCMAKE_BUILD_TYPE=Release -DBUILD_TESTING=OFF -DDHO_NATIVE=OFF \
    ${march:+-DCMAKE_C_FLAGS=-march=$march} >$log 2>&1 || ! cmake --build $folder/build >>$log 2>&1 ||
    ! (cd $folder/build && cpack -B "$OLDPWD/$folder") >>$log 2>&1; then
    tail -n 5 $log >&2
    echo "package: error: see $log" >&2
    exit 1
fi
ls $folder/dho_"$version"_*.deb
