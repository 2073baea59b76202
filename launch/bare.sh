#!/usr/bin/env bash
# Tries README's two commands as on fresh machines: in bare roots of Debian, over the files of this
# checkout's last commit; first as root, then as an ordinary user without sudo who finds the packages.
#   launch/bare.sh [fast|full] [RELEASE ...]       (default: fast bookworm trixie)
#   launch/bare.sh run RELEASE root|user COMMAND [ARGUMENT ...]     one command, packages in place
# fast and full are launch/check.sh's. Needs root (to change the root folder) and debootstrap. The
# packages come from this machine's own Debian mirror.
#
# DHO_BARE_DIR   where the roots and logs are (default: /var/tmp/dho-bare); a release's bare root stays
#                there for the next time, the copy that was worked in does not
# DHO_BARE_KEEP  1: the copy stays too, and the next call goes on in it
set -eu
cd "$(dirname "$0")/.."
folder=${DHO_BARE_DIR:-/var/tmp/dho-bare}
PATH=$PATH:/usr/sbin:/sbin
failures=0

fail() {
    echo "bare: error: $*" >&2
    exit 2
}

# The address of Debian's main archive among this machine's sources, in either of apt's two forms.
own_mirror() {
    {
        sed -n 's/^deb *\(\[[^]]*\] *\)\{0,1\}\([^ ]*\) .*/\2/p' /etc/apt/sources.list /etc/apt/sources.list.d/*.list
        sed -n 's/^URIs: *//p' /etc/apt/sources.list.d/*.sources
    } 2>/dev/null | tr ' ' '\n' | grep -m 1 -E '/debian/?$'
}

make_root() { # RELEASE: once
    local root=$folder/$1 log=$folder/$1.log mirror
    [ ! -d "$root" ] || return 0
    mirror=$(own_mirror) || fail "no Debian mirror in this machine's /etc/apt"
    echo "== a bare root of $1"
    rm -rf "$root.part"
    debootstrap --variant=minbase "$1" "$root.part" "$mirror" >"$log" 2>&1 || {
        tail -n 3 "$log" >&2
        fail "debootstrap could not make a root of $1 (a release's code name?): see $log"
    }
    apt-config dump Acquire >"$root.part/etc/apt/apt.conf.d/90-as-outside" # a proxy, if there is one
    mv "$root.part" "$root"
}

# A copy to work in, with this commit's files for root or the ordinary user. In a copy that was kept,
# what was built and made stays.
make_copy() { # RELEASE root|user ...
    local copy=$folder/$1.copy user home
    if [ ! -d "$copy" ] || [ "${DHO_BARE_KEEP:-}" != 1 ]; then
        rm -rf "$copy"
        cp -a "$folder/$1" "$copy"
        cp -L /etc/resolv.conf /etc/hosts "$copy/etc/" 2>/dev/null || true
        chroot "$copy" useradd --create-home --shell /bin/bash user
    fi
    # Process numbers begin anew in each command's namespace: what a killed mpirun has left under its
    # number would be in the way of the next one that has it.
    find "$copy/tmp" -mindepth 1 -delete
    for user in "${@:2}"; do
        home=$copy/root/dho
        [ "$user" = root ] || home=$copy/home/$user/dho
        mkdir -p "$home"
        find "$home" -mindepth 1 -maxdepth 1 ! -name build ! -name data ! -name runs -exec rm -rf {} +
        git -c safe.directory="$PWD" archive HEAD | tar -x -C "$home"
        chroot "$copy" chown -R "$user:" "${home#"$copy"}"
    done
}

# Runs a command in the copy. Its mounts and processes live in namespaces of their own and end with it.
enter() { # RELEASE root|user COMMAND [ARGUMENT ...]
    local copy=$folder/$1.copy home=/root
    [ "$2" = root ] || home=/home/$2
    # shellcheck disable=SC2016
    unshare --mount --pid --fork --kill-child bash -ec '
        copy=$1 user=$2 home=$3
        shift 3
        mount --make-rprivate /
        mount --bind "$copy" "$copy" # so that a command in it may make namespaces as well
        mount -t proc proc "$copy/proc"
        mount --rbind /sys "$copy/sys"
        mount --rbind /dev "$copy/dev"
        mount -t tmpfs -o mode=1777 tmpfs "$copy/dev/shm"
        exec chroot --userspec="$user" --groups= "$copy" env -i HOME="$home" USER="$user" \
            PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8 \
            ${http_proxy:+http_proxy="$http_proxy"} ${https_proxy:+https_proxy="$https_proxy"} \
            bash -c "cd ~/dho && exec \"\$@\"" bash "$@"
    ' bash "$copy" "$2" "$home" "${@:3}" </dev/null
}

try() { # RELEASE root|user COMMAND [ARGUMENT ...]: its last lines, its time
    local log=$folder/$1-$2-$(basename "$3" .sh).log start=$SECONDS status=0
    printf '== %s, %s: %s\n' "$1" "$2" "${*:3}"
    enter "$@" >"$log" 2>&1 || status=$?
    tail -n 7 "$log"
    if [ $status = 0 ]; then
        echo "ok: $1, $2: ${*:3} ($((SECONDS - start)) s)"
    else
        echo "FAILED: $1, $2: ${*:3}: exit code $status after $((SECONDS - start)) s; see $log"
        failures=$((failures + 1))
    fi
}

[ "$(id -u)" = 0 ] || fail "needs root, to change the root folder"
launch/dependencies.sh bare
command -v debootstrap >/dev/null || fail "debootstrap not found: apt-get install debootstrap"
unshare --mount true 2>/dev/null || fail "this machine does not let root make mounts (a container?)"
mkdir -p "$folder"
case ${1:-fast} in
fast | full)
    check=${1:-fast}
    [ $# = 0 ] || shift
    [ $# -gt 0 ] || set -- bookworm trixie
    [ -z "$(git status --porcelain --untracked-files=no)" ] || echo "bare: what is not committed is not tried"
    for release in "$@"; do
        make_root "$release"
        make_copy "$release" root user
        for user in root user; do
            try "$release" $user launch/quickstart.sh
            try "$release" $user launch/check.sh "$check"
        done
        [ "${DHO_BARE_KEEP:-}" = 1 ] || rm -rf "$folder/$release.copy"
    done
    ;;
run)
    [ $# -ge 4 ] && [[ $3 =~ ^(root|user)$ ]] || fail "usage: $0 run RELEASE root|user COMMAND [ARGUMENT ...]"
    make_root "$2"
    DHO_BARE_KEEP=1 make_copy "$2" "$3"
    enter "${@:2}" || failures=1
    ;;
*) fail "usage: $0 [fast|full] [RELEASE ...], or $0 run RELEASE root|user COMMAND [ARGUMENT ...]" ;;
esac
[ $failures = 0 ] || exit 1
