# Shared by the end-to-end tests: a work folder, small data, a count of checks.
set -eu
: "${DHO:?the dho program}"
here=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export DHO_THREADS_PER_RANK=1 # the same bits on any number of ranks need the same threads
passed=0

run() { # RANKS ARGUMENT ...: dho on so many ranks
    local ranks=$1
    shift
    "$here/launch/mpirun.sh" "$ranks" "$DHO" "$@"
}

short=()
train() { # RANKS NAME ARGUMENT ...: base.yaml with the arguments of `short`
    local ranks=$1 name=$2
    shift 2
    run "$ranks" train -c "$work/base.yaml" --out "$work/$name" "${short[@]}" "$@" >"$work/log" 2>&1 ||
        die "training $name"
}

pass() {
    passed=$((passed + 1))
    echo "ok: $*"
}

die() {
    echo "FAILED: $*" >&2
    [ -f "$work/log" ] && tail -n 20 "$work/log" >&2
    echo "$passed passed, 1 failed"
    exit 1
}

skip() { # WHY: the whole test cannot run here
    echo "skipped: $*"
    exit 77
}

skip_part() { # WHY: a part of the test cannot run here; launch/check.sh lists and counts these lines
    echo "skipped: $*"
}

needs_python() { # MODULE ...: sets python
    python=${DHO_PYTHON:-python3}
    # Looks without importing: that takes seconds.
    "$python" -c 'import importlib.util as util, sys; sys.exit(not all(map(util.find_spec, sys.argv[1:])))' \
        "$@" 2>/dev/null || skip "$python has not all of $* (launch/oracles.sh installs them)"
}

ended() { # EXIT_CODE ARGUMENT ...: so ends dho on $ranks ranks (default: 1)
    local code=$1 status=0
    shift
    timeout 120 "$here/launch/mpirun.sh" "${ranks:-1}" "$DHO" "$@" >"$work/log" 2>&1 || status=$?
    [ $status = "$code" ] || die "exit code $status, not $code: $*"
}

expect() { # EXIT_CODE TEXT ARGUMENT ...: dho ends so, and says TEXT
    ended "$1" "${@:3}"
    says "$2"
}

refuse() { # EXIT_CODE TEXT ARGUMENT ...: dho ends so, with one line of error
    ended "$1" "${@:3}"
    [ "$(grep -c '^dho: error: ' "$work/log")" = 1 ] || die "not one line of error: ${*:3}"
    grep '^dho: error: ' "$work/log" | grep -q -- "$2" || die "the error does not say $2"
    pass "$(grep '^dho: error: ' "$work/log" | sed "s|$work/||g" | cut -c 1-150)"
}

same() { # NAME NAME TEXT: the last weights of two runs
    local last
    last=$(ls "$work/$1/checkpoints" | tail -1)
    cmp -s "$work"/{"$1","$2"}/checkpoints/"$last"/model.safetensors || die "$3"
    pass "$3"
}

says() { # TEXT: the log does
    grep -q -- "$1" "$work/log" || die "does not say \"$1\""
    pass "$(grep -m 1 -- "$1" "$work/log" | sed "s|$work/||g" | cut -c 1-150)"
}

clip_vocabulary() { # CLIP's merges, as open_clip has them
    "$python" -c 'import importlib.util as util, os
print(os.path.join(os.path.dirname(util.find_spec("open_clip").origin), "bpe_simple_vocab_16e6.txt.gz"))'
}

finish() {
    echo "$passed passed, 0 failed"
}

# Tiny data, a teacher trained with all labels for a moment, its cache with two views an image.
small_data() {
    "$DHO" synth --out "$work/data" --train 12 --val 4 --test 3 >"$work/log" 2>&1 || die "synth"
    cat >"$work/base.yaml" <<EOF
method: dho
out: $work/run
data: {root: $work/data/train, labels: shots, shots: 2, image_size: 32}
student: {model: resnet18, width: 8}
teacher: {cache: $work/cache}
train: {shards: 4, batch_labelled: 16, batch_unlabelled: 16, steps: 50, log_every: 10}
eval:
  batch: 16
  select_on: val
  sets:
    - {name: val, root: $work/data/val}
    - {name: a, root: $work/data/test_a}
EOF
    small_teacher
}
small_teacher() { # of the data of base.yaml
    run 2 train -c "$work/base.yaml" --set method=ce --set data.labels=all --set train.steps=4 \
        --out "$work/teacher" >"$work/log" 2>&1 || die "training the teacher"
    run 2 cache build -c "$work/base.yaml" --teacher "$work"/teacher/checkpoints/step-* --views 2 \
        --shards 8 >"$work/log" 2>&1 || die "building the cache"
}
