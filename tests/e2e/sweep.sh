# Fails the n-th allocation, and the n-th write, fsync, rename, mkdir or open for writing, of one rank of two: each ends
# with one line of error and exit code 1 or 2, or goes on as documented; what is left can be gone on from to the same
# weights. DHO_SWEEP=G: n grows by G % and 1, from 1 on (270; 0: every n, which takes hours).
. "$(dirname "$0")/lib.bash"
faults=${DHO_TOOLS:?the folder of the test tools}/dho_faults.so
[ -f "$faults" ] || skip "a sanitizer has the allocator that faults need"
grow=${DHO_SWEEP:-270}
export OMP_NUM_THREADS=1
"$DHO" synth --out "$work/data" --train 2 --val 1 --test 1 >"$work/log" 2>&1 || die "synth"
cat >"$work/base.yaml" <<EOF2
method: dho
out: $work/run
data: {root: $work/data/train, labels: all, image_size: 32}
student: {model: resnet18, width: 2}
teacher: {cache: $work/cache}
train: {shards: 2, batch_labelled: 4, batch_unlabelled: 4, steps: 3, log_every: 1}
eval: {batch: 16, select_on: val, sets: [{name: val, root: $work/data/val}]}
EOF2
small_teacher
more=(--set train.checkpoint_every=1 --set train.eval_every=2 --set train.keep_best=nll --set train.ema=0.5)
"$DHO" train -c "$work/base.yaml" "${more[@]}" --out "$work/plain" >"$work/log" 2>&1 || die "train"
cat >"$work/dho" <<EOF2
#!/bin/sh
LD_PRELOAD=$faults exec "$DHO" "\$@"
EOF2
chmod +x "$work/dho"

count=0
bad() {
    cp "$work/log" "$work/kept" 2>/dev/null || true
    die "$*"
}
# RANKS RANK KIND N ARGUMENT ...: one run; false: there are no N such calls. What goes on after a fault is no failure.
one() {
    local ranks=$1 rank=$2 kind=$3 n=$4 status=0
    shift 4
    rm -f "$work/mark"
    DHO_FAULT="$kind $n $n $work" DHO_FAULT_RANK=$rank DHO_FAULT_MARK=$work/mark \
        timeout 60 "$here/launch/mpirun.sh" "$ranks" "$work/dho" "$@" >"$work/log" 2>&1 || status=$?
    local what="$1 on $ranks ranks, $kind $n of rank $rank"
    [ -e "$work/mark" ] || { [ $status = 0 ] && return 1 || bad "$what: exit code $status without a fault"; }
    count=$((count + 1))
    case $status in
    0) ;;
    1 | 2) [ "$(grep -c '^dho: error: .' "$work/log")" = 1 ] || bad "$what: not one line of error" ;;
    *) bad "$what: exit code $status" ;;
    esac
}
# RANKS RANK KIND CHECK ARGUMENT ...: all n; CHECK is a command that looks at what is left.
sweep() {
    local ranks=$1 rank=$2 kind=$3 check=$4 n=1
    shift 4
    count=0
    while rm -rf "$work/out" && one "$ranks" "$rank" "$kind" $n "$@"; do
        "$check" "$1 on $ranks ranks, $kind $n of rank $rank"
        n=$((n + 1 + n * grow / 100))
    done
    pass "$1 on $ranks ranks: $count faults of rank $rank's calls ($kind)"
}
left_nothing() { # temporary files: none
    local left
    left=$(find "$work"/out* -name '*.tmp*' 2>/dev/null || true)
    [ -z "$left" ] || bad "$1: left $left"
}
goes_on() { # a run, to the same weights
    left_nothing "$1"
    "$DHO" "${train[@]}" >"$work/log" 2>&1 || bad "$1: does not go on"
    cmp -s "$work"/{plain,out}/checkpoints/step-00000003/model.safetensors || bad "$1: other weights"
    ! grep -qv '^{.*}$' "$work/out/metrics.jsonl" || bad "$1: a torn line"
}
is_whole() { # a cache, or none
    left_nothing "$1"
    "$DHO" cache build "${build[@]}" >"$work/log" 2>&1 || bad "$1: does not go on"
    "$DHO" cache verify "$work/out" >"$work/log" 2>&1 || bad "$1: a bad cache"
}
evaluates() { left_nothing "$1"; }

train=(train -c "$work/base.yaml" "${more[@]}" --out "$work/out")
build=(-c "$work/base.yaml" --teacher "$work/teacher" --views 1 --shards 2 --out "$work/out")
sweep 2 1 memory goes_on "${train[@]}"
sweep 2 0 memory goes_on "${train[@]}"
sweep 2 0 io goes_on "${train[@]}"
sweep 2 1 io is_whole cache build "${build[@]}"
sweep 2 0 io is_whole cache build "${build[@]}"
sweep 1 0 memory is_whole cache build "${build[@]}"
sweep 1 0 memory evaluates eval "$work/plain" --out "$work/out"
sweep 1 0 io evaluates eval "$work/plain" --out "$work/out"
sweep 1 0 memory left_nothing export "$work/plain" --out "$work/out.onnx"
sweep 1 0 io left_nothing export "$work/plain" --out "$work/out.safetensors"
finish
