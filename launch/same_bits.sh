#!/usr/bin/env bash
# Do the programs of this tree and of a commit compute the same bits on this machine?
#   launch/same_bits.sh COMMIT [PRESET]        (default: the preset that was built last, else dev)
# Builds COMMIT in a temporary worktree, runs every configuration of configs/ small with both
# (tests/e2e/bits.sh), and names what differs. Each program has its own tree's configurations.
# Exit codes: 0 the same bits, 1 not, 2 wrong arguments.
set -eu
cd "$(dirname "$0")/.."
if [ $# -lt 1 ] || [ $# -gt 2 ] || ! commit=$(git rev-parse --verify --quiet "$1^{commit}"); then
    echo "usage: $0 COMMIT [PRESET]" >&2
    exit 2
fi
newest=$(ls -t build/*/dho 2>/dev/null | head -n 1)
newest=${newest#build/}
preset=${2:-${newest%/dho}}
preset=${preset:-dev}
work=$(mktemp -d)
clean() {
    git worktree remove --force "$work/tree" 2>/dev/null || true
    rm -rf "$work"
}
trap clean EXIT

build() { # FOLDER
    (cd "$1" && cmake --preset "$preset" && cmake --build --preset "$preset" --target dho_program -j "$(nproc)") \
        >"$work/log" 2>&1 || {
        tail -n 20 "$work/log" >&2
        echo "$0: error: $1 does not build ($preset)" >&2
        exit 1
    }
}
git worktree add --detach "$work/tree" "$commit" >/dev/null 2>&1
rows_of() { # FOLDER
    echo "building and running $(git -C "$1" describe --always --dirty) ($preset)" >&2
    build "$1"
    DHO=$1/build/$preset/dho DHO_BITS_CONFIGS=$1/configs bash tests/e2e/bits.sh rows
}
rows_of "$work/tree" >"$work/before"
rows_of "$PWD" >"$work/now"
if diff "$work/before" "$work/now" >"$work/log"; then
    echo "the same bits: $(wc -l <"$work/now") rows"
    exit
fi
sed -n 's/^\([<>]\) [0-9a-f]*  /\1 /p' "$work/log" | sort -k 2
echo "other bits in the rows above (< only before, > only now; both: changed)"
exit 1
