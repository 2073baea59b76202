#!/usr/bin/env bash
# The libraries that dho needs, of another Debian architecture, in a folder, for a cross build:
#   launch/sysroot.sh ARCHITECTURE FOLDER          e.g. arm64 build/aarch64-sysroot
# Downloads the packages with all they depend on and unpacks them (300 MB). Changes nothing of this
# system and needs no root. Does nothing when FOLDER is there and whole.
set -eu
[ $# = 2 ] || {
    echo "usage: $0 ARCHITECTURE FOLDER" >&2
    exit 2
}
architecture=$1 folder=$2
# The libraries are those of the rows of dependencies.sh; programs run on this system, not there.
mapfile -t packages < <("$(dirname "$0")/dependencies.sh" --list | grep -E '^(lib|zlib|check)')
[ "$(cat "$folder/.packages" 2>/dev/null)" != "${packages[*]}" ] || exit 0
rm -rf "$folder"
mkdir -p "$folder"
apt=$(mktemp -d)
trap 'rm -rf "$apt"' EXIT
mkdir -p "$apt/lists/partial" "$apt/cache/archives/partial"
: >"$apt/status" # apt's view of a system of that architecture with nothing installed
export APT_CONFIG=$apt/config
cat >"$APT_CONFIG" <<END
APT::Architecture "$architecture";
APT::Architectures { "$architecture"; };
APT::Install-Recommends "false";
APT::Sandbox::User "$(id -un)";
Dir::State "$apt";
Dir::State::status "$apt/status";
Dir::Cache "$apt/cache";
Debug::NoLocking "true";
END
echo "sysroot: downloading ${#packages[@]} packages of $architecture and what they need"
apt-get -qq update >"$apt/log" 2>&1 || true # a source of somebody else's may lack the architecture
if ! apt-get -qq install -y --download-only libc6 "${packages[@]}" >"$apt/log" 2>&1; then
    tail -n 5 "$apt/log" >&2
    echo "sysroot: error: no packages of $architecture (not Debian, or no network)" >&2
    exit 1
fi
for package in "$apt"/cache/archives/*.deb; do
    case ${package##*/} in # libraries and headers; no compilers and what comes with them
    libgcc-*-dev_* | libstdc++-*-dev_*) ;;
    lib* | zlib1g* | linux-libc-dev* | check_* | ocl-icd* | ibverbs* | openmpi-common_*)
        dpkg -x "$package" "$folder"
        ;;
    esac
done
echo "${packages[*]}" >"$folder/.packages"
