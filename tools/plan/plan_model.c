#include "plan/plan_model.h"

#include "base/compare.h"
#include "dho/comm.h"

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

/* S */
static int most_sums(int leaves, int ranks)
{
    int places[PLAN_MOST_SHARDS + 1], most = 1;
    dho_tree_cut(leaves, 0, leaves, ranks, places);
    for (int r = 0; r < ranks; r++) {
        const int sums = dho_tree_sums(leaves, places[r], places[r + 1] - places[r], NULL);
        if (sums > most) most = sums;
    }
    return most;
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

/* Seconds of the sum, both directions. */
static double sum_seconds(const plan_job *job, const plan_place *place, double memory, int *sums)
{
    const double nodes = place->nodes, per_node = place->ranks_per_node, ranks = nodes * per_node;
    const int p = place->nodes * place->ranks_per_node;
    double leaving[2], between[2], latency;
    *sums = 1;
    if (p == 1) return 0;
    if ((p & (p - 1)) == 0) {
        leaving[0] = leaving[1] = per_node * (1 - 1 / nodes) * job->slab_bytes;
        between[0] = between[1] = (per_node - 1) * job->slab_bytes / nodes;
        latency =
            log2_of(place->nodes) * place->latency + log2_of(place->ranks_per_node) * LOCAL_LATENCY;
    } else {
        *sums = most_sums(job->shards, p);
        leaving[1] = per_node * job->slab_bytes * (ranks - per_node) / ranks;
        between[1] = per_node * job->slab_bytes * (per_node - 1) / ranks;
        leaving[0] = *sums * leaving[1];
        between[0] = *sums * between[1];
        latency = (place->nodes > 1 ? place->latency : LOCAL_LATENCY) + (p - 1) * MESSAGE_SECONDS;
    }
    return 2 * latency + (leaving[0] + leaving[1]) / place->bandwidth +
           (CROSS_SCATTER * between[0] + CROSS_GATHER * between[1]) / memory;
}

static double update_seconds(const plan_job *job, const plan_trainer *trainer, double memory,
                             int ranks)
{
    const double floats = 4 + 2 * job->moments + (job->average ? 3 : 0);
    return floats * FLOAT * job->weights / memory / (trainer->shards_optimizer ? ranks : 1);
}

/* What the loader and the whole run take of a step that is known. */
static void add_loader(const plan_job *job, const plan_rates *rates, const plan_place *place,
                       plan_step *out)
{
    const double busy = dho_smaller(place->ranks_per_node * place->threads, place->cores);
    const double here = out->most * place->ranks_per_node; /* of a node that has most */
    const double decode = (here < job->shards ? here : job->shards) * job->rows * rates->decode;
    const double with = (busy * out->compute + decode) / place->cores;
    out->loader = dho_larger(0, with - out->compute);
}

plan_step plan_step_of(const plan_job *job, const plan_rates *rates, const plan_place *place,
                       const plan_trainer *trainer)
{
    const int ranks = place->nodes * place->ranks_per_node,
              most = (job->shards + ranks - 1) / ranks;
    const int lanes = trainer->lanes < most ? trainer->lanes : most;
    plan_step out = {.ranks = ranks, .most = most, .lanes = lanes};
    const double cores = place->cores, used = place->ranks_per_node * place->threads;
    const double memory = rank_memory(rates, place), crowd = dho_larger(1, used / cores);
    const double threads = (double)place->threads / lanes, share = dho_smaller(1, used / cores);
    const double micro = microbatch_seconds(rates, share, threads, false);
    out.compute = crowd * ceil_div(most, lanes) * micro + (most - 1) * 3 * job->slab_bytes / memory;
    add_loader(job, rates, place, &out);
    out.sum = sum_seconds(job, place, node_memory(rates, place), &out.sums);
    out.exposed = out.sum;
    if (trainer->bucket_bytes > 0) {
        const double backward = crowd * microbatch_seconds(rates, share, threads, true);
        const double last = dho_smaller(1, trainer->bucket_bytes / job->slab_bytes) * out.sum;
        out.exposed = dho_larger(out.sum - backward, last);
    }
    out.update = update_seconds(job, trainer, memory, ranks);
    out.seconds = out.compute + out.loader + out.exposed + out.update;
    out.idle = 1 - (double)job->shards / ((double)most * ranks);
    out.images = (double)job->shards * job->rows / place->nodes / out.seconds;
    out.read_bytes = out.images * (rates->image_bytes + job->record_bytes);
    out.decode_cores = out.images * rates->decode;
    if (rates->write > 0) out.checkpoint = job->checkpoint_bytes / rates->write;
    out.run_seconds = job->steps * out.seconds + job->checkpoints * out.checkpoint;
    return out;
}
