#!/usr/bin/env bash
# Installs what dho needs from Debian's packages; does nothing when all of it is there.
#   launch/dependencies.sh [test]      with `test`, also what the tests use (clang for the fuzzers,
#                                      SLURM for the batch jobs)
# Needs root, or sudo.
set -eu
packages=(gcc cmake ninja-build pkg-config libopenmpi-dev openmpi-bin libblis-openmp-dev
    libjpeg62-turbo-dev libpng-dev libyaml-dev libjansson-dev zlib1g-dev libminizip-dev libarchive-dev
    libunistring-dev libdnnl-dev check)
if [ "${1:-}" = test ]; then
    packages+=(clang libclang-rt-14-dev libomp-dev slurm-wlm munge procps)
fi
missing=()
for package in "${packages[@]}"; do
    dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing+=("$package")
done
[ ${#missing[@]} = 0 ] && exit 0
as_root=()
if [ "$(id -u)" != 0 ]; then
    command -v sudo >/dev/null || {
        echo "dependencies: as root, run: apt-get install ${missing[*]}" >&2
        exit 1
    }
    as_root=(sudo)
fi
echo "dependencies: installing ${missing[*]}"
"${as_root[@]}" apt-get update -qq
DEBIAN_FRONTEND=noninteractive "${as_root[@]}" apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
