#include "plan/plan_model.h"

#include "base/compare.h"

#include <math.h>

#define LOCAL_LATENCY 1e-6   /* seconds, between two ranks of a node */
#define MESSAGE_SECONDS 1e-6 /* of the processor, a message among many that are on their way */
enum { CROSS_SCATTER = 7, CROSS_GATHER = 4, FLOAT = 4 };

static double ceil_div(int a, int b)
{
    return (double)((a + b - 1) / b);
}

static double seconds_of(const plan_speed *speed, bool backward)
{
    return backward ? speed->backward : speed->microbatch;
}

/* m(threads), or of backward alone, with a share of the node's cores at work. */
static double microbatch_seconds(const plan_rates *rates, double share, double threads,
                                 bool backward)
{
    const double cores = rates->cores, alone = seconds_of(&rates->alone, backward);
    if (rates->cores == 1) return alone;
    const double full = seconds_of(&rates->full, backward);
    const double whole = seconds_of(&rates->whole, backward);
    const double at = dho_smaller(1, dho_larger(0, (share - 1 / cores) / (1 - 1 / cores)));
    const double one = alone + (full - alone) * at;
    if (threads <= 1) return one;
    if (threads == cores) return whole;
    const double serial = dho_larger(0, dho_smaller(one, (cores * whole - full) / (cores - 1)));
    return serial + (one - serial) / threads;
}

/* Bytes a second that one rank moves, and that a node moves. */
static double node_memory(const plan_rates *rates, const plan_place *place)
{
    const double here = dho_larger(rates->full.copies * rates->full.memory, rates->whole.memory);
    return dho_larger(here, rates->alone.memory) * place->cores / rates->cores;
}

static double rank_memory(const plan_rates *rates, const plan_place *place)
{
    const double own = dho_smaller(place->threads, (double)place->cores / place->ranks_per_node);
    return dho_smaller(own * rates->alone.memory,
                       node_memory(rates, place) / place->ranks_per_node);
}

static int log2_of(int power)
{
    int out = 0;
    for (; power > 1; power /= 2) out++;
    return out;
}

/* Seconds of the sum's two halves, scatter and gather. */
static void sum_seconds(const plan_job *job, const plan_place *place, const plan_share *share,
                        double memory, double out[2])
{
    const double nodes = place->nodes, per_node = place->ranks_per_node, ranks = nodes * per_node;
    const int p = place->nodes * place->ranks_per_node;
    double leaving, between, latency; /* of the gather */
    double times = 1;                 /* so much more in the scatter */
    /* What of a float is sent; updated weights of a sharded optimizer are sent whole. */
    const double scattered = job->packed ? 0.5 : 1;
    const double gathered = share->shards_optimizer ? 1 : scattered;
    if ((p & (p - 1)) == 0) {
        leaving = per_node * (1 - 1 / nodes) * job->slab_bytes;
        between = (per_node - 1) * job->slab_bytes / nodes;
        latency =
            log2_of(place->nodes) * place->latency + log2_of(place->ranks_per_node) * LOCAL_LATENCY;
    } else {
        leaving = per_node * job->slab_bytes * (ranks - per_node) / ranks;
        between = per_node * job->slab_bytes * (per_node - 1) / ranks;
        latency = (place->nodes > 1 ? place->latency : LOCAL_LATENCY) + (p - 1) * MESSAGE_SECONDS;
        times = share->sums;
    }
    latency *= ceil(job->slab_bytes / share->bucket_bytes);
    out[0] = latency +
             times * (scattered * leaving / place->bandwidth + CROSS_SCATTER * between / memory);
    out[1] = latency + gathered * leaving / place->bandwidth + CROSS_GATHER * between / memory;
}

/* What of the sum is not hidden. */
static double exposed_seconds(const plan_job *job, const plan_share *share, const double sum[2],
                              double backward)
{
    const double after = share->shards_optimizer ? sum[1] : 0, beside = sum[0] + sum[1] - after;
    const double last = dho_smaller(1, share->bucket_bytes / job->slab_bytes);
    return dho_larger(beside - backward, last * beside) + after;
}

static double update_seconds(const plan_job *job, const plan_share *share, double memory, int ranks)
{
    const double floats = 4 + 2 * job->moments + (job->average ? 3 : 0);
    return floats * FLOAT * job->weights / memory / (share->shards_optimizer ? ranks : 1);
}

static double loader_seconds(const plan_job *job, const plan_rates *rates, const plan_place *place,
                             int most, double compute)
{
    const double busy = dho_smaller(place->ranks_per_node * place->threads, place->cores);
    const double here = dho_smaller(most * place->ranks_per_node, job->shards); /* of a node */
    const double decode = here * job->rows * rates->decode;
    return dho_larger(0, (busy * compute + decode) / place->cores - compute);
}

/* What follows from the seconds of a step. */
static void add_run(const plan_job *job, const plan_rates *rates, int nodes, plan_step *out)
{
    out->images = (double)job->shards * job->rows / nodes / out->seconds;
    out->read_bytes = out->images * (rates->image_bytes + job->record_bytes);
    out->decode_cores = out->images * rates->decode;
    if (rates->write > 0) out->checkpoint = job->checkpoint_bytes / rates->write;
    const double late = dho_larger(0, out->checkpoint - job->checkpoint_steps * out->seconds);
    out->run_seconds = job->steps * out->seconds + (job->checkpoints - 1) * late + out->checkpoint;
}

plan_step plan_step_of(const plan_job *job, const plan_rates *rates, const plan_place *place,
                       const plan_share *share)
{
    plan_step out = {.ranks = place->nodes * place->ranks_per_node};
    const double cores = place->cores, used = place->ranks_per_node * place->threads;
    const double memory = rank_memory(rates, place), crowd = dho_larger(1, used / cores);
    const double at_work = dho_smaller(1, used / cores), threads = share->lane_threads;
    const double micro = crowd * microbatch_seconds(rates, at_work, threads, false);
    const double backward = crowd * microbatch_seconds(rates, at_work, threads, true);
    out.compute = ceil_div(share->most, share->lanes) * micro +
                  (share->most - 1) * 3 * job->slab_bytes / memory;
    out.loader = loader_seconds(job, rates, place, share->most, out.compute);
    double sum[2];
    sum_seconds(job, place, share, node_memory(rates, place), sum);
    out.sum = sum[0] + sum[1];
    out.exposed = exposed_seconds(job, share, sum, backward);
    out.update = update_seconds(job, share, memory, out.ranks);
    out.seconds = out.compute + out.loader + out.exposed + out.update;
    out.idle = 1 - (double)job->shards / ((double)share->most * out.ranks);
    add_run(job, rates, place->nodes, &out);
    return out;
}
