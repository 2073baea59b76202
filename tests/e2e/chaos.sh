# A run that is killed again and again, by SIGKILL, and started again by the same command, ends with the
# weights of a run that was left alone, bit for bit.
#   tests/e2e/chaos.sh [KILLS [SEED]]      (default: 8, and a seed of the clock; DHO=the program)
# Of 8 kills 3 come while a checkpoint is being written, 3 at any moment, one hits mpirun instead of a rank,
# and one comes when the disk is full (a tmpfs of its own; needs root). The number of ranks changes from
# start to start. Prints how long a job lives after a death, and what temporary files are left.
if [ -z "${CHAOS_DISK:-}" ] && [ "$(id -u)" = 0 ] && unshare --mount true 2>/dev/null; then
    CHAOS_DISK=tmpfs exec unshare --mount bash "$0" "$@"
fi
. "$(dirname "$0")/lib.bash"
kills=${1:-8}
seed=${2:-$((${EPOCHREALTIME//[.,]/} % 32768))}
RANDOM=$seed
echo "seed $seed: $0 $kills $seed begins in the same way"
export OMP_NUM_THREADS=1
mkdir "$work/disk" "$work/tmp"
mkfifo "$work/nobody"
exec 9<>"$work/nobody"
nap() { read -r -t "$1" -u 9 || true; } # sleep, without a process
export TMPDIR=$work/tmp # also for MPI's files, which a killed mpirun leaves
if [ -n "${CHAOS_DISK:-}" ]; then
    mount -t tmpfs -o size=256m tmpfs "$work/disk"
    trap 'umount -l "$work/disk"; rm -rf "$work"' EXIT
else
    skip_part "a full disk (needs root to make mounts)"
fi

steps=400 every=10
"$DHO" synth --out "$work/data" --train 12 --val 1 --test 1 >"$work/log" 2>&1 || die "synth"
cat >"$work/run.yaml" <<END
method: ce
data: {root: $work/data/train, labels: all, image_size: 32}
student: {model: resnet18, width: 16}
train: {shards: 4, batch_labelled: 16, batch_unlabelled: 0, steps: $steps, log_every: 1, ema: 0.9,
  checkpoint_every: $every, watchdog: 60}
eval: {sets: []}
END
run 2 train -c "$work/run.yaml" --out "$work/alone" >"$work/log" 2>&1 || die "the run that is left alone"

folder='' runs=0 lives=() killed=0 inside=0 full=0 starts=0 ended=0
pids() { pgrep -f "^$DHO train -c $work/run.yaml --out $folder" || true; } # of the ranks
writes() { compgen -G "$folder/checkpoints/*tmp*" >/dev/null; }

start() { # the same command again, on 1, 2 or 4 ranks
    local ranks=$((1 << RANDOM % 3))
    [ "$kind" != mpirun ] || ranks=2
    : >"$work/log"
    "$here/launch/mpirun.sh" $ranks "$DHO" train -c "$work/run.yaml" --out "$folder" >>"$work/log" 2>&1 &
    job=$!
    starts=$((starts + 1))
}

await() { # COMMAND ...: until it succeeds; 1 if the job ends first
    while ! "$@"; do
        kill -0 $job 2>/dev/null || return 1
        nap 0.002
    done
}
steps_begun() { grep -q '^step ' "$work/log"; }
disk_is_felt() { grep -qi 'no space' "$work/log"; }

strike() { # kills a rank or mpirun, and waits for the end of the job
    local victims victim begin end late=no
    mapfile -t victims < <(if [ "$kind" = mpirun ]; then pgrep -x -P $job 'mpirun|prterun'; else pids; fi)
    [ ${#victims[@]} -gt 0 ] || return 1
    victim=${victims[RANDOM % ${#victims[@]}]}
    begin=${EPOCHREALTIME//[.,]/}
    kill -KILL "$victim" 2>/dev/null || return 1
    killed=$((killed + 1))
    # mpirun's ranks may outlive it; a job whose mpirun is whole ends after its ranks.
    while kill -0 $job 2>/dev/null || [ -n "$(pids)" ]; do
        nap 0.02
        [ $((${EPOCHREALTIME//[.,]/} - begin)) -lt 90000000 ] || { late=yes && break; }
    done 2>/dev/null # bash says "Killed" as well
    [ $late = no ] || die "the job goes on 90 s after a death ($kind)"
    end=${EPOCHREALTIME//[.,]/}
    lives+=($(((end - begin) / 1000)))
    ! writes || inside=$((inside + 1))
}

ends_well() { # the job was left alone
    local status=0
    wait $job || status=$?
    case $status in
    0) ended=1 ;;
    1) if [ "$kind" != disk ] || ! disk_is_felt; then die "exit code 1 of a run that nobody killed"; fi ;;
    *) die "exit code $status of a run that nobody killed" ;;
    esac
}

check_run() { # its weights, and what it leaves
    local file last
    last=step-$(printf %08d $steps)
    for file in model optimizer; do
        cmp -s "$work/alone/checkpoints/$last/$file.safetensors" "$folder/checkpoints/$last/$file.safetensors" ||
            die "$file differs from the run that was left alone"
    done
    find "$folder" "$work/alone" \( -name '*tmp*' -o -name '*.replaced' \) >>"$work/left"
    runs=$((runs + 1))
    rm -rf "$folder"
}

order=(writing any mpirun writing disk any writing any)
: >"$work/left"
while :; do
    [ -n "$folder" ] || folder=$work/disk/run-$runs
    kind=${order[killed % 8]}
    if [ "$kind" = disk ] && [ -z "${CHAOS_DISK:-}" ]; then kind=any; fi
    if [ $killed -ge "$kills" ]; then kind=nothing; fi
    ended=0
    start
    case $kind in
    nothing) ends_well ;;
    writing)
        await steps_begun || true
        nap "0.$((RANDOM % 900))"
        { await writes && strike; } || ends_well
        ;;
    disk)
        await steps_begun || true
        head -c 1G /dev/zero >"$work/disk/balloon" 2>/dev/null || true
        if await disk_is_felt; then full=$((full + 1)); fi
        strike || ends_well
        rm -f "$work/disk/balloon"
        ;;
    *)
        [ $((RANDOM % 4)) = 0 ] || await steps_begun || true # else while it starts
        nap "0.$((RANDOM % 900 + 100))"
        strike || ends_well
        ;;
    esac
    wait $job 2>/dev/null || true
    [ $ended = 1 ] || continue
    check_run
    folder=''
    if [ "$kind" = nothing ]; then break; fi
done
left=$(wc -l <"$work/left")
mapfile -t lives < <(printf '%s\n' "${lives[@]}" | sort -n)
echo "$killed kills ($inside while a checkpoint was written; $full times the disk was full) in $starts starts of $runs runs"
echo "from a death to the end of the job: median ${lives[${#lives[@]} / 2]} ms, largest ${lives[-1]} ms"
echo "temporary files left: $left"
[ "$left" = 0 ] || die "temporary files: $(sed "s|$work/||" "$work/left" | head -n 5 | tr '\n' ' ')"
pass "$killed kills: the weights of a run that was left alone"
finish
