#!/usr/bin/env bash
# All measurements on this machine, one after the other, and one summary of them.
#   tests/bench/all.sh [quick] [PART ...]
# Parts (default: all, in this order):
#   machine   what the processor can do at most (dho bench machine)
#   limit     each student's step as a share of that limit, linear layers and attention apart (dho bench step)
#   tune      what a table of kernels gains over the rule (dho bench tune, steps in turns)
#   step      a step against PyTorch, in turns (compare_step.py)
#   data      the loader against torchvision (compare_data.sh)
#   lanes     1 rank of 2 threads against 2 ranks of 1, from JPEGs to the update, in turns
#   method    two heads with a teacher cache from JPEGs to the update, 2 x 1, against PyTorch DDP over gloo (method_step.sh)
#   scaling   two ranks together against two runs side by side, and PyTorch DDP (scaling.sh)
#   predict   dho predict against timm and onnxruntime (predict.sh)
#   cache     dho cache build --clip against open_clip (cache_build.sh)
#   bits      the same bits over ranks and resume, with a table of kernels too (any_ranks.sh, tuning.sh)
# quick: few models and rounds, some minutes in all; its figures show that everything runs, not how fast.
# A part that fails, or whose program or library is not there, is named in the summary; the others go on.
#   OUT (default bench-DATE)        a folder: summary.txt, and PART.txt and PART.json with all that a part said
#   DHO (build/release/dho)         the program            DHO_PYTHON (python3)   with torch, torchvision, timm ...
#   IMAGES                          a folder of class folders of JPEGs, for data and predict (default: dho synth's)
#   MODELS, DTYPES                  instead of the four students, and of "fp32 bf16"
set -uo pipefail
cd "$(dirname "$0")/../.."
. tests/bench/figures.bash

quick=
[ "${1:-}" != quick ] || { quick=1; shift; }
all=(machine limit tune step data lanes method scaling predict cache bits)
parts=("$@")
[ $# -gt 0 ] || parts=("${all[@]}")
for part in "${parts[@]}"; do
    case " ${all[*]} " in *" $part "*) ;; *) echo "all.sh: no part \"$part\" (parts: ${all[*]})" >&2; exit 2 ;; esac
done
dho=$(realpath "${DHO:-build/release/dho}")
[ -x "$dho" ] || { echo "all.sh: $dho: no such program (DHO names it)" >&2; exit 2; }
export DHO_PYTHON=${DHO_PYTHON:-python3}
read -ra models <<<"${MODELS:-$([ -n "$quick" ] && echo "resnet18 mobilenet_v2" || echo "resnet18 mobilenet_v2 resnet50 clip_vit_b16")}"
read -ra dtypes <<<"${DTYPES:-fp32 bf16}"
threads=$(nproc)
[ "$threads" -le 2 ] || threads=2
rounds=$([ -n "$quick" ] && echo 1 || echo 4)
out=${OUT:-bench-$(date +%Y%m%d-%H%M)}
mkdir -p "$out" && out=$(realpath "$out")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1

say() { echo "$*" | tee -a "$out/summary.txt"; }
value() { sed -n "s/^ *\"$2\": \([-0-9.e+]*\),\{0,1\}\$/\1/p" "$1" | head -n 1; } # FILE KEY: of the outermost object
has_python() { "$DHO_PYTHON" -c 'import importlib.util as u, sys; sys.exit(not all(map(u.find_spec, sys.argv[1:])))' "$@" 2>/dev/null; }
images() { # sets $images: JPEGs
    images=${IMAGES:-$work/data/train}
    [ -d "$images" ] || "$dho" synth --out "$work/data" --train 60 --val 1 --test 1 >/dev/null 2>&1
}
# ratio TEXT: of the pairs "A B" in $work/pairs, the mean of A / B, in a line of the summary; TEXT is printf's.
ratio() {
    awk -v text="  $1, mean of %d\n" '{ s += $1 / $2 } END { printf text, s / NR, NR }' "$work/pairs" | tee -a "$work/lines"
}
# A part's program is missing: the part returns this.
missing() { echo "needs $*" >"$work/why"; return 77; }

part_machine() {
    local t
    for t in $(seq 1 "$threads"); do
        "$dho" bench machine --threads "$t" --json >"$out/machine$t.json" || return 1
    done
    "$dho" bench machine --threads "$threads" || return 1
    tail -n 12 "$out/machine.txt" | grep -v '^$' | sed 's/^/  /' >"$work/lines"
}

step_of() { # MODEL DTYPE ARGUMENT ...
    "$dho" bench step --model "$1" --dtype "$2" --threads "$threads" --steps $((rounds > 1 ? 3 : 1)) "${@:3}"
}

# Of an operator, both passes: seconds at the limit over seconds, and GFLOP/s.
operator() { # FILE NAME
    awk -v name="\"$2\"" '/"operator":/ { own = index($0, name) > 0 } /"layers":/ { exit }
        own && /"seconds":/ { gsub(/[^-0-9.e+]/, "", $2); s += $2 } own && /"limit_seconds":/ { gsub(/[^-0-9.e+]/, "", $2); l += $2 }
        own && /"flops":/ { gsub(/[^-0-9.e+]/, "", $2); f += $2 }
        END { if (s > 0) printf "%s %.0f %% (%.0f GFLOP/s); ", name, 100 * l / s, 1e-9 * f / s }' "$1" | tr -d '"'
}

part_limit() {
    local model dtype file
    for dtype in "${dtypes[@]}"; do
        for model in "${models[@]}"; do
            file=$out/step-$model-$dtype.json
            step_of "$model" "$dtype" --json >"$file" || return 1
            awk -v f="$(value "$file" flops)" -v s="$(value "$file" median_seconds)" -v c="$(value "$file" compute_limit_per_second)" \
                -v l="$(value "$file" limit_seconds)" -v i="$(value "$file" images_per_second)" -v what="$model $dtype" 'BEGIN {
                printf "  %-20s %6.1f images/s, %5.0f GFLOP/s: %.0f %% of the processor'"'"'s, %.0f %% of its operators'"'"' limits; ", what, i,
                    1e-9 * f / s, 100 * f / s / c, 100 * l / s }'
            for operator in convolution "linear on tokens" attention; do operator "$file" "$operator"; done
            echo
        done
    done | tee "$work/lines"
}

part_tune() {
    local model dtype table a b
    for dtype in "${dtypes[@]}"; do
        for model in "${models[@]}"; do
            table=$out/$model-$dtype.tuning
            "$dho" bench tune --model "$model" --dtype "$dtype" --out "$table" --seconds "$([ -n "$quick" ] && echo 0.02 || echo 0.3)" || return 1
            for ((i = 0; i < rounds; i++)); do
                a=$("$dho" bench step --model "$model" --dtype "$dtype" --threads 1 --steps 2 | sed -n 's/^step *\([0-9.]*\) ms.*/\1/p')
                b=$("$dho" bench step --model "$model" --dtype "$dtype" --threads 1 --steps 2 --tuning "$table" | sed -n 's/^step *\([0-9.]*\) ms.*/\1/p')
                echo "$a $b"
            done >"$work/pairs"
            ratio "$(printf %-20s "$model $dtype") by the table %.3f times as fast as by rule"
        done
    done
}

part_step() {
    has_python torch torchvision open_clip || { missing "Python's torch, torchvision, open_clip"; return; }
    "$DHO_PYTHON" tests/bench/compare_step.py "$dho" --models "$(IFS=,; echo "${models[*]}")" --dtypes "$(IFS=,; echo "${dtypes[*]}")" \
        --threads "$threads" --rounds $((rounds + 1)) $([ -n "$quick" ] && echo --modes eager) || return 1
    awk -F'|' '/^\| [a-z]/ && $2 !~ /model/ { printf "  %-20s %s of PyTorch\x27s speed\n", $2 $3, $7 } /^geometric/ { print "  " $0 }' "$out/step.txt" >"$work/lines"
}

part_data() {
    has_python torch torchvision || { missing "Python's torch, torchvision"; return; }
    images
    DHO=$dho bash tests/bench/compare_data.sh "$images" $((rounds > 1 ? 3 : 1)) $((rounds > 1 ? 3 : 1)) || return 1
    sed 's/^/  /' "$out/data.txt" >"$work/lines"
}

# Images a second of a run from JPEGs, the median of the steps after the second.
train() { # OUT RANKS THREADS MODEL DTYPE
    rm -rf "${work:?}/$1"
    DHO_THREADS_PER_RANK=$3 OMP_NUM_THREADS=$3 launch/mpirun.sh "$2" "$dho" train "$work/run.yaml" --out "$work/$1" --set student.model="$4" \
        --set compute.dtype="$5" --set train.steps=$((rounds > 1 ? 10 : 4)) >"$work/log" 2>&1 || { tail -n 3 "$work/log"; return 1; }
    images_per_second "$work/$1/metrics.jsonl" 2
}

part_lanes() {
    local model dtype a b
    [ "$threads" = 2 ] || { missing "two cores"; return; }
    images
    cat >"$work/run.yaml" <<END
{method: ce, data: {root: "$images", labels: all, image_size: 224},
 train: {shards: 4, batch_labelled: $([ -n "$quick" ] && echo 16 || echo 64), log_every: 1, tensorboard: false, checkpoint_every: 0}}
END
    for dtype in "${dtypes[@]}"; do
        for model in "${models[@]}"; do
            for ((i = 0; i < rounds; i++)); do
                a=$(train lanes 1 2 "$model" "$dtype") && b=$(train ranks 2 1 "$model" "$dtype") || return 1
                echo "$a $b"
            done >"$work/pairs"
            ratio "$(printf %-20s "$model $dtype") 1 x 2 is %.3f of 2 x 1"
        done
    done
}

part_method() {
    has_python torch torchvision open_clip || { missing "Python's torch, torchvision, open_clip"; return; }
    images
    [ -z "$quick" ] || local -x MODELS="resnet18:4" WAY=0:tensor
    [ -n "$quick" ] || unset MODELS
    DHO=$dho DTYPES="${dtypes[*]}" bash tests/bench/method_step.sh "$images" $((rounds > 1 ? 3 : 1)) || return 1
    sed 's/^/  /' "$out/method.txt" >"$work/lines"
}

part_scaling() {
    [ "$threads" = 2 ] || { missing "two cores"; return; }
    has_python torch torchvision open_clip || unset DHO_PYTHON
    DHO_SCALING=$([ -n "$quick" ] && echo resnet18:8) bash tests/bench/scaling.sh "$dho" "$rounds" $((rounds > 1 ? 40 : 5))
    local status=$?
    export DHO_PYTHON=${DHO_PYTHON:-python3}
    sed -n '3,$s/^/  /p' "$out/scaling.txt" >"$work/lines"
    return $status
}

part_predict() {
    has_python torch timm onnx onnxruntime || { missing "Python's torch, timm, onnx, onnxruntime"; return; }
    images
    [ -z "$quick" ] || local -x MODELS="resnet18:64" WAYS="channels_last:0:2:16 sleep:0:2:16"
    [ -n "$quick" ] || unset MODELS
    DHO=$dho bash tests/bench/predict.sh "$images" $((rounds > 1 ? 3 : 1)) || return 1
    grep -E '^[a-z]|^  dho' "$out/predict.txt" | sed 's/^/  /' >"$work/lines"
}

part_cache() {
    has_python torch open_clip safetensors || { missing "Python's torch, open_clip, safetensors"; return; }
    images
    [ -z "$quick" ] || local -x WAY_FP32=eager:0:2:16 WAY_BF16=eager:0:2:16
    DHO=$dho bash tests/bench/cache_build.sh "$images" $([ -n "$quick" ] && echo 1 16 || echo 3 128) || return 1
    sed 's/^/  /' "$out/cache.txt" >"$work/lines"
}

part_bits() {
    DHO=$dho bash tests/e2e/tuning.sh && { [ -n "$quick" ] || DHO=$dho bash tests/e2e/any_ranks.sh; } || return 1
    grep -E 'same bits|passed' "$out/bits.txt" | sed 's/^/  /' >"$work/lines"
}

: >"$out/summary.txt"
say "$(grep -m 1 'model name' /proc/cpuinfo | cut -d: -f2- | sed 's/^ *//'), $(nproc) CPUs, $("$dho" version)"
say "features: $("$dho" version --verbose | sed -n 's/^found here *//p')"
say "$(date -u +%FT%TZ), load $(cut -d' ' -f1-3 /proc/loadavg)${quick:+, quick: the figures are not to be quoted}"
failed=0
for part in "${parts[@]}"; do
    : >"$work/lines"
    echo "$part ..." >&2
    begin=$SECONDS status=0
    "part_$part" >"$out/$part.txt" 2>"$out/$part.err" || status=$?
    say ""
    case $status in
        0) say "$part ($((SECONDS - begin)) s)" ;;
        77) say "$part: skipped, $(cat "$work/why")" ;;
        *) say "$part: FAILED: $(tail -n 1 "$out/$part.err" | cut -c 1-200) ($out/$part.err)"; failed=1 ;;
    esac
    tee -a "$out/summary.txt" <"$work/lines"
done
exit $failed
