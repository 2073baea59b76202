# Threads, files, memory and disk: what is asked for beyond reason is bounded or refused in one line,
# what will be slow or fail is said at the start.
. "$(dirname "$0")/lib.bash"
small_data
unset OMP_NUM_THREADS OMP_WAIT_POLICY
cpus=$(nproc)
train=(train -c "$work/base.yaml" --set train.steps=2)

quick() { # ARGUMENT of env ...: a run in which nothing hangs
    rm -rf "$work/run"
    timeout 100 env "$@" "$DHO" "${train[@]}" ${more[@]+"${more[@]}"} >"$work/log" 2>&1 || die "a run with $*"
}
warned() { # TEXT: exactly one warning, with this text
    [ "$(grep -c '^dho: warning: ' "$work/log")" = 1 ] || die "not one warning"
    grep '^dho: warning: ' "$work/log" | grep -q -- "$1" || die "the warning does not say $1"
    pass "$(grep '^dho: warning: ' "$work/log")"
}
threads() { # N
    grep -q "^1 rank x $1 thread" "$work/log" || die "not $1 threads"
}

for value in 1000000 5000 2147483647 99999999999 $((64 + 8 * cpus)); do
    quick OMP_NUM_THREADS="$value"
    warned "OMP_NUM_THREADS: [0-9]* threads for each rank on $cpus CPU.* make sense; $cpus used"
    threads "$cpus"
done
for value in 0 -1 abc 1e6 0x10 2.5 ,; do
    quick OMP_NUM_THREADS="$value"
    warned "OMP_NUM_THREADS=\"$value\" is not a number of threads from 1; $cpus used"
done
quick OMP_NUM_THREADS=1,2
grep -q "^dho: warning" "$work/log" && die "a list is warned of"
threads 1
quick OMP_NUM_THREADS=$((cpus + 1))
warned "1 rank with $((cpus + 1)) threads shares $cpus CPU.*: set OMP_NUM_THREADS to $cpus"
threads $((cpus + 1))

# Teams smaller than the work is divided among would wait for ever.
quick OMP_NUM_THREADS=2 OMP_THREAD_LIMIT=1
grep -q "warning: OMP_THREAD_LIMIT: 1 thread is used" "$work/log" || die "no word of the limit"
threads 1
for variable in OMP_DYNAMIC=true OMP_MAX_ACTIVE_LEVELS=0 OMP_PROC_BIND=true OMP_NESTED=true; do
    quick OMP_NUM_THREADS=2 $variable
    threads 2
done
pass "OMP_THREAD_LIMIT, OMP_DYNAMIC, OMP_MAX_ACTIVE_LEVELS, OMP_PROC_BIND"

if [ "$cpus" -lt 500 ]; then
    ranks=2 refuse 2 "compute.threads: 4096 threads for each rank on" "${train[@]}" --set compute.threads=4096
    ranks=2 refuse 2 "data.loader_threads: 4096 threads for each rank on" "${train[@]}" --set data.loader_threads=4096
fi
for value in abc 0 -1 2.5 1000000 99999999999999999999; do
    status=0
    DHO_THREADS_PER_RANK=$value run 2 "${train[@]}" >"$work/log" 2>&1 || status=$?
    [ $status = 2 ] || die "exit code $status with DHO_THREADS_PER_RANK=$value"
    grep -q "error: DHO_THREADS_PER_RANK: expected a number of threads from 1 to 999999, got \"$value\"" "$work/log" ||
        die "no word of DHO_THREADS_PER_RANK=$value"
done
pass "DHO_THREADS_PER_RANK that is no number of threads"
more=(--set compute.threads=$((cpus + 2)))
quick A=
warned "set compute.threads to $cpus"
more=()

# Ranks that share the CPUs: with nothing said each has its part, else it is said once.
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
share() { # ARGUMENT of env ...: two ranks of plain mpirun, not bound
    rm -rf "$work/run"
    timeout 100 env "$@" mpirun --oversubscribe --bind-to none -n 2 "$DHO" "${train[@]}" >"$work/log" 2>&1 ||
        die "plain mpirun with $*"
}
if [ "$cpus" -ge 2 ]; then
    share A=
    grep -q "^dho: warning" "$work/log" && die "a share is warned of"
    grep -q "^2 ranks x $((cpus / 2)) thread" "$work/log" || die "not a share of the CPUs"
    pass "two ranks share $cpus CPUs"
    share OMP_NUM_THREADS="$cpus"
    warned "2 ranks with $((2 * cpus)) threads share $cpus CPUs.*: set OMP_NUM_THREADS to $((cpus / 2))"
    rm -rf "$work/run"
    OMP_NUM_THREADS=1 timeout 100 mpirun --oversubscribe --bind-to none -n 2 taskset -c "$(taskset -cp $$ | sed 's/.*[ ,-]//')" \
        "$DHO" "${train[@]}" >"$work/log" 2>&1 || die "two ranks on one CPU"
    warned "2 ranks with 2 threads share 1 CPU, .*: the launcher bound them; mpirun --map-by slot:PE=1 gives each"
fi

# A file system without locks, as Lustre without -o flock: said, and the run goes on.
if command -v cc >/dev/null; then
    printf '#include <errno.h>\nint flock(int f, int o) { (void)f, (void)o; errno = ENOSYS; return -1; }\n' >"$work/flock.c"
    cc -shared -fPIC -o "$work/flock.so" "$work/flock.c"
    quick OMP_NUM_THREADS=1 LD_PRELOAD="$work/flock.so"
    warned "run: its file system has no locks (Function not implemented)"
else
    skip_part "a file system without locks (needs a compiler)"
fi

# Few open files, a small stack, a file of limited size, little memory.
(ulimit -n 16 && quick A=) || exit 1
(ulimit -s 256 && quick A=) || exit 1
pass "16 open files, a stack of 256 KiB"
rm -rf "$work/run"
(ulimit -f 100 && "$DHO" "${train[@]}" >"$work/log" 2>&1) && die "a file of more than 100 KiB"
grep -q "^dho: error: .*cannot write: File too large" "$work/log" || die "no word of the file's size"
pass "$(grep '^dho: error: ' "$work/log" | sed "s|$work/||g")"
"$DHO" bench step --model resnet50 --image-size 1024 --labelled 4096 --steps 1 >"$work/log" 2>&1 &&
    die "terabytes of memory"
grep -q "^dho: error: activations: cannot allocate .* GiB: this process can have .* GiB" "$work/log" || die "no word of memory"
pass "$(grep '^dho: error: ' "$work/log")"

# A small disk, and /dev/shm as a container has it.
if [ "$(id -u)" = 0 ] && mkdir "$work/small" && mount -t tmpfs -o size=1m tmpfs "$work/small" 2>/dev/null; then
    trap 'umount "$work/small"; rm -rf "$work"' EXIT
    "$DHO" "${train[@]}" --out "$work/small/run" >"$work/log" 2>&1 && die "a checkpoint on a full disk"
    warned "small/run: .* MiB are free, .* MiB are needed (a checkpoint takes"
    "$DHO" cache build -c "$work/base.yaml" --teacher "$work"/teacher --views 60 --out "$work/small/cache" \
        >"$work/log" 2>&1 && die "a cache on a full disk"
    warned "small/cache: .* MiB are free, the cache needs .* MiB more"
    unshare -m bash -c 'mount -t tmpfs -o size=2m tmpfs /dev/shm && exec "$@"' - \
        "$here/launch/mpirun.sh" 2 "$DHO" "${train[@]}" --out "$work/run2" >"$work/log" 2>&1 || true
    # A rank that Open MPI 5 ends at once may be faster than the other one's warning; the launcher then says it.
    if grep -q "^mpirun.sh: error: not enough space in /dev/shm for MPI's own files: 2048 KiB are free" "$work/log"; then
        pass "/dev/shm is too small, and MPI does not start"
    else
        warned "/dev/shm has 2.0 MiB free, Open MPI wants 4 MiB for each of 2 ranks"
    fi
else
    skip_part "small file systems (needs root to mount them)"
fi
finish
