# The tutorials, docs/tutorial-*.md: every block of shell in them runs as it is printed, in one folder a page,
# in the order of the page.
#   tests/e2e/tutorials.sh [PAGE ...]       PAGE: own-images, clip, ... (default: all)
# What a page takes from elsewhere has a stand-in here: CLIP's weights are those of a tiny model.
. "$(dirname "$0")/lib.bash"
PATH=$(dirname "$DHO"):$PATH
pages=("$@")
[ $# -gt 0 ] || for page in "$here"/docs/tutorial-*.md; do pages+=("$(basename "$page" .md | sed 's/^tutorial-//')"); done

folder_for() { # PAGE: a source folder of one's own, as the pages expect it
    mkdir -p "$work/$1/build/release"
    cd "$work/$1"
    ln -s "$here/launch" "$here/configs" "$here/slurm" .
    ln -s "$DHO" build/release/dho
}

blocks() { # PAGE: its blocks of shell, and of YAML that name a file in their first line, as one script
    awk '/^```sh$/ { sh = 1; next }
         /^```yaml$/ { yaml = 1; first = 1; next }
         /^```$/ { if (yaml && !first) print "END_OF_YAML"; sh = yaml = 0; next }
         yaml && first { sub(/^# */, ""); print "cat >" $1 " <<\"END_OF_YAML\""; first = 0; next }
         sh || yaml' "$here/docs/tutorial-$1.md"
}

for page in "${pages[@]}"; do
    [ -f "$here/docs/tutorial-$page.md" ] || die "no docs/tutorial-$page.md"
    folder_for "$page"
    case $page in
    clip)
        mkdir clip
        cp "$here"/tests/golden/clip_small/{model.safetensors,vocab.json,merges.txt} clip/
        ;;
    slurm)
        PATH=$PATH:/usr/sbin:/sbin
        if [ "$(id -u)" != 0 ] || ! { command -v slurmctld && command -v munged && command -v sbatch; } >/dev/null || [ "$(nproc)" -lt 2 ]; then
            skip_part "tutorial slurm: needs root, two CPUs, slurm-wlm and munge"
            continue
        fi
        chmod 755 "$work"
        export DHO_SLURM_DIR=$work/slurm-local DHO_SLURM_PORT=$((20000 + $$ % 6000 * 2))
        trap '"$here/launch/slurm-local.sh" stop >/dev/null 2>&1 || true; rm -rf "$work"' EXIT
        ;;
    esac
    blocks "$page" >script
    grep -q '^dho \|launch/' script || die "$page: has no command"
    log=$work/log
    bash -eu script >"$log" 2>&1 </dev/null || die "docs/tutorial-$page.md: a command failed"
    pass "docs/tutorial-$page.md: $(grep -c '^dho \|^launch/\|^sbatch ' script) commands as printed"
done
finish
