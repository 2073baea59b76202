#!/usr/bin/env bash
# Installs what dho needs from the system's packages; does nothing when all of it is there.
#   launch/dependencies.sh [GROUP ...]     build, always; test: what the tests use as well (clang for
#                                          the fuzzers, SLURM for the batch jobs); package: a Debian
#                                          package; bare: bare roots; arm64: the cross build
#   launch/dependencies.sh --list [GROUP ...]      only prints the packages
# Needs root, or sudo, if something is missing. Knows Debian 12 and 13, Ubuntu 22.04 and 24.04 and
# what is built on them. Elsewhere it looks for the libraries themselves and names the missing ones.
#
# DHO_OS_RELEASE  the file that says which system this is (default: /etc/os-release)
set -eu

# One row a package: its group; its name on Debian; how to see that it is there, for other systems (a
# command, pkg:MODULE of pkg-config, a header.h, or - for "not asked"); and where it has another
# name, RELEASE=NAME with RELEASE as in os-release (ubuntu, or ubuntu22.04).
rows='
build gcc                 cc
build cmake               cmake
build ninja-build         ninja
build pkg-config          pkg-config
build libopenmpi-dev      mpicc
build openmpi-bin         mpirun
build libblis-openmp-dev  blis.h
build libjpeg62-turbo-dev pkg:libjpeg    ubuntu=libjpeg-turbo8-dev
build libpng-dev          pkg:libpng
build libwebp-dev         pkg:libwebp
build libtiff-dev         pkg:libtiff-4
build libgif-dev          gif_lib.h
build libyaml-dev         pkg:yaml-0.1
build libjansson-dev      pkg:jansson
build zlib1g-dev          pkg:zlib
build libdeflate-dev      pkg:libdeflate
build libminizip-dev      pkg:minizip
build libarchive-dev      pkg:libarchive
build libprotobuf-c-dev   pkg:libprotobuf-c
build protobuf-c-compiler protoc-c
build libunistring-dev    unictype.h
build libdnnl-dev         -
build check               pkg:check
test  clang               clang
test  libclang-rt-dev     -              ubuntu22.04=libclang-common-14-dev
test  libomp-dev          -
test  slurm-wlm           sbatch
test  munge               munge
test  procps              pgrep
test  bzip2               bzip2
test  xz-utils            xz
test  patch               patch
test  tmux                tmux
test  g++                 c++
test  qemu-user-static    -
arm64 gcc-aarch64-linux-gnu aarch64-linux-gnu-gcc
arm64 qemu-user-static    qemu-aarch64-static
bare  debootstrap         debootstrap
package dpkg-dev          dpkg-shlibdeps
'

fail() {
    echo "dependencies: error: $*" >&2
    exit 2
}

# Prints "debian 12", "ubuntu 22.04" and the like; nothing for a system that is not known. What is
# built on one of them (Mint, Pop!_OS) says on which.
known_system() {
    local ID='' VERSION_ID='' VERSION_CODENAME='' UBUNTU_CODENAME='' DEBIAN_CODENAME=''
    # shellcheck disable=SC1090
    . "${DHO_OS_RELEASE:-/etc/os-release}" 2>/dev/null || true
    case "$ID $VERSION_ID ${UBUNTU_CODENAME:-${DEBIAN_CODENAME:-$VERSION_CODENAME}}" in
    debian\ 12* | *\ bookworm) echo "debian 12" ;;
    debian\ 13* | *\ trixie) echo "debian 13" ;;
    ubuntu\ 22.04* | *\ jammy) echo "ubuntu 22.04" ;;
    ubuntu\ 24.04* | *\ noble) echo "ubuntu 24.04" ;;
    esac
}

there() { # PACKAGE PROBE
    if [ -n "$system" ]; then
        dpkg-query -W -f '${Status}' "$1" 2>/dev/null | grep -q 'ok installed'
        return
    fi
    case $2 in
    -) ;;
    pkg:*) pkg-config --exists "${2#pkg:}" 2>/dev/null ;;
    *.h) [ -n "$(find -L /usr/include /usr/local/include ${CPATH:+${CPATH//:/ }} -name "$2" -print -quit 2>/dev/null)" ] ;;
    *) command -v "$2" >/dev/null ;;
    esac
}

only_list=no
if [ "${1:-}" = --list ]; then
    only_list=yes
    shift
fi
groups=" build $* "
for group in $groups; do
    grep -q "^$group " <<<"$rows" || fail "no group \"$group\" (build, test, package, bare, arm64)"
done
system=$(known_system)
command -v dpkg-query >/dev/null || [ $only_list = yes ] || system=
missing=()
while read -r group package probe others; do
    [ -n "$group" ] && [[ $groups == *" $group "* ]] || continue
    for other in $others; do
        case $other in "${system% *}="* | "${system/ /}="*) package=${other#*=} ;; esac
    done
    if [ $only_list = yes ]; then
        echo "$package"
    else
        there "$package" "$probe" || missing+=("$package")
    fi
done <<<"$rows"
[ ${#missing[@]} -gt 0 ] || exit 0
[ -n "$system" ] ||
    fail "this is no Debian 12 or 13, Ubuntu 22.04 or 24.04: install yourself what Debian calls ${missing[*]}"
as_root=()
if [ "$(id -u)" != 0 ]; then
    command -v sudo >/dev/null || fail "as root, run: apt-get install ${missing[*]}"
    as_root=(sudo)
fi
echo "dependencies: installing ${missing[*]}"
log=$(mktemp)
trap 'rm -f "$log"' EXIT
apt() { ${as_root[@]+"${as_root[@]}"} env DEBIAN_FRONTEND=noninteractive apt-get -qq "$@" >"$log" 2>&1; }
if ! apt update || ! apt install -y --no-install-recommends "${missing[@]}"; then
    tail -n 5 "$log" >&2
    fail "apt-get could not install ${missing[*]}"
fi
