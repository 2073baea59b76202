#include "base/clock.h"
#include "bench/bench.h"
#include "dho/alloc.h"

#include <stdio.h>

/* Best and mean seconds of tree sums of `floats` floats; the slowest rank counts. */
static dho_status time_size(dho_comm *comm, float *data, size_t floats, int times,
                            const dho_rounding *rounding, double out[2])
{
    out[0] = 1e30, out[1] = 0;
    for (int i = -1; i < times; i++) { /* one to warm up */
        DHO_TRY(dho_comm_barrier(comm));
        const double start = dho_seconds_now();
        DHO_TRY(dho_comm_tree_sum(comm, &data, 0, floats, rounding));
        int64_t nanoseconds = (int64_t)(1e9 * (dho_seconds_now() - start));
        DHO_TRY(dho_comm_max_int64(comm, &nanoseconds, 1));
        const double seconds = 1e-9 * (double)nanoseconds;
        if (i < 0) continue;
        if (seconds < out[0]) out[0] = seconds;
        out[1] += seconds / times;
    }
    return DHO_OK;
}

dho_status dho_bench_allreduce(dho_comm *comm, int64_t most, int times, bool packed)
{
    const dho_rounding coins = dho_rounding_of_step(1, 0), *rounding = packed ? &coins : NULL;
    const int ranks = dho_comm_size(comm), rank = dho_comm_rank(comm);
    float *data;
    dho_status status = dho_alloc_zero(&data, (size_t)most, sizeof *data, "gradients");
    if (status == DHO_OK) status = dho_comm_set_tree(comm, ranks);
    DHO_TRY_GOTO(dho_comm_agree(comm, status));
    if (rank == 0)
        printf("%d ranks, %d times each\n%12s %10s %10s %10s\n", ranks, times, "MiB", "best ms",
               "mean ms", "GB/s");
    for (int64_t floats = 1 << 18; status == DHO_OK; floats *= 4) {
        if (floats > most) floats = most;
        double seconds[2];
        status = time_size(comm, data, (size_t)floats, times, rounding, seconds);
        /* What each rank sends and receives at least, over the time: 2 (P - 1) / P of the slab. */
        const double bytes = 2.0 * (ranks - 1) / ranks * (packed ? 2 : 4) * (double)floats;
        if (status == DHO_OK && rank == 0)
            printf("%12.1f %10.2f %10.2f %10.3f\n", (double)floats * 4 / 0x1p20, 1e3 * seconds[0],
                   1e3 * seconds[1], 1e-9 * bytes / seconds[0]);
        if (floats == most) break;
    }
fail:
    dho_free(data);
    return status;
}
