#define _GNU_SOURCE
#include "bench/limits.h"
#include "bench/team.h"

#include "base/clock.h"
#include "base/compare.h"
#include "base/machine.h"
#include "base/topology.h"
#include "dho/alloc.h"
#include "dho/processor.h"

#include <string.h>

enum { MEASUREMENTS = DHO_ARITHMETICS + 2 * DHO_LEVELS };

/* Of one slice: short, so that some slices find the machine undisturbed. */
static const double SLICE_SECONDS = 0.005;
/* Where others use the CPUs, threads wait for each other: so many times what was planned, no more.
 */
static const double MOST = 2;

typedef struct team team;

typedef struct member {
    team *team; /* borrowed */
    float *data;
    double rate; /* of the last measurement: units a second */
} member;

struct team {
    dho_limits *limits;
    int slices; /* of one measurement, at most */
    bool goes_on;
    member *members; /* owned */
    dho_team threads;
};

/* One thread's part of a measurement: the units that one call of `work` does, and how often in all
 * that many seconds. */
typedef void (*work)(const member *m, const void *what);

static double rate_of(const member *m, double seconds, double units, work run, const void *what)
{
    double done = 0;
    const double start = dho_seconds_now();
    double now = start;
    while (now - start < seconds) {
        run(m, what);
        done += units;
        now = dho_seconds_now();
    }
    return done / (now - start);
}

/* All threads at once, the best of many slices; the sum is the members' to make, behind a barrier.
 */
static double best_of_all(member *m, double units, work run, const void *what)
{
    team *t = m->team;
    const double start = dho_seconds_now();
    double best = 0;
    run(m, what);
    for (int i = 0;; i++) {
        if (m == t->members)
            t->goes_on = i == 0 || (i < t->slices &&
                                    dho_seconds_now() - start < MOST * SLICE_SECONDS * t->slices);
        pthread_barrier_wait(&t->threads.barrier);
        const bool over = !t->goes_on;
        pthread_barrier_wait(&t->threads.barrier); /* all have read it */
        if (over) break;
        m->rate = rate_of(m, SLICE_SECONDS, units, run, what);
        pthread_barrier_wait(&t->threads.barrier);
        double sum = 0;
        for (int k = 0; k < t->threads.count; k++) sum += t->members[k].rate;
        best = dho_larger(best, sum);
    }
    return best;
}

enum { TURNS = 5000 };

static void multiply(const member *m, const void *what)
{
    (void)m;
    ((const dho_arithmetic_loop *)what)->run(TURNS);
}

typedef struct piece {
    const dho_memory_loop *loop;
    size_t count; /* floats */
} piece;

static void read_piece(const member *m, const void *what)
{
    const piece *p = what;
    p->loop->read(m->data, p->count);
}

static void triad_piece(const member *m, const void *what)
{
    const piece *p = what;
    const size_t third = p->count / 3 / DHO_MEMORY_GRAIN * DHO_MEMORY_GRAIN;
    p->loop->triad(m->data, m->data + third, m->data + 2 * third, third);
}

static void measure_arithmetic(member *m, dho_arithmetic kind)
{
    const dho_arithmetic_loop *loop = dho_arithmetic_loop_of(kind);
    dho_limits *limits = m->team->limits;
    if (loop == NULL) return;
    const double rate = best_of_all(m, TURNS * loop->operations, multiply, loop);
    if (m != m->team->members) return;
    limits->with[kind] = loop->name;
    limits->operations[kind] = rate;
}

static void measure_level(member *m, dho_level level)
{
    dho_bandwidth *b = &m->team->limits->levels[level];
    const size_t count =
        (size_t)(b->working_set / sizeof(float)) / (3 * DHO_MEMORY_GRAIN) * (3 * DHO_MEMORY_GRAIN);
    const piece p = {dho_memory_loop_of(), count};
    if (count == 0) return;
    const double bytes = (double)count * sizeof(float);
    const double read = best_of_all(m, bytes, read_piece, &p);
    const double triad = best_of_all(m, bytes, triad_piece, &p);
    if (m != m->team->members) return;
    b->read = read;
    b->triad = triad;
}

static void run_member(void *context)
{
    member *m = context;
    /* Each touches its own: near its CPU. */
    memset(m->data, 0, (size_t)m->team->limits->levels[DHO_LEVEL_MEMORY].working_set);
    for (int kind = 0; kind < DHO_ARITHMETICS; kind++) measure_arithmetic(m, (dho_arithmetic)kind);
    for (int level = 0; level < DHO_LEVELS; level++) measure_level(m, (dho_level)level);
}

/* Half of each cache, the other half being for what else runs; of memory four times what the last
 * cache has, as far as a quarter of what is free reaches. */
static void choose_sizes(dho_limits *limits, int threads)
{
    enum { LEAST_MEMORY = 64 << 20 };
    dho_machine machine;
    dho_cache_size caches[DHO_CACHE_LEVELS];
    dho_machine_look_at_cpus(&machine);
    dho_topology_look_at_caches("", machine.cpus, caches);
    for (int level = 0; level < DHO_LEVEL_MEMORY; level++) {
        const dho_cache_size *cache = &caches[level + 2];
        const int together = cache->cpus > threads ? threads : cache->cpus > 0 ? cache->cpus : 1;
        const double each = (double)cache->bytes / together;
        limits->levels[level].bytes = each * threads;
        limits->levels[level].working_set = each / 2;
    }
    const double last =
        dho_larger(limits->levels[DHO_LEVEL_L3].bytes, limits->levels[DHO_LEVEL_L2].bytes);
    const double most = 0.25 * (double)dho_machine_memory("") / threads;
    const double wanted = dho_larger(LEAST_MEMORY, 4 * last / threads);
    limits->levels[DHO_LEVEL_MEMORY].working_set = dho_smaller(wanted, most);
    dho_topology_describe_caches(caches, limits->caches, sizeof limits->caches);
}

dho_status dho_limits_measure(dho_limits *out, int threads, double seconds)
{
    char built[sizeof out->features];
    team t = {.limits = out, .slices = (int)(seconds / (SLICE_SECONDS * MEASUREMENTS)) + 1};
    *out = (dho_limits){.threads = threads};
    dho_processor_describe(built, out->features, sizeof out->features);
    choose_sizes(out, threads);
    DHO_TRY(dho_alloc_zero(&t.members, (size_t)threads, sizeof *t.members, "benchmark"));
    dho_status status = DHO_OK;
    for (int i = 0; i < threads && status == DHO_OK; i++) {
        t.members[i].team = &t;
        status = dho_alloc(&t.members[i].data, (size_t)out->levels[DHO_LEVEL_MEMORY].working_set, 1,
                           "benchmark data");
    }
    if (status == DHO_OK)
        status = dho_team_run(&t.threads, threads, run_member, t.members, sizeof *t.members);
    for (int i = 0; i < threads; i++) dho_free(t.members[i].data);
    dho_free(t.members);
    return status;
}

double dho_limits_compute(const dho_limits *limits, dho_compute_dtype dtype)
{
    const double *rate = limits->operations;
    if (dtype != DHO_DTYPE_BF16) return rate[DHO_ARITHMETIC_FP32];
    return dho_larger(rate[DHO_ARITHMETIC_FP32],
                      dho_larger(rate[DHO_ARITHMETIC_BF16], rate[DHO_ARITHMETIC_AMX_BF16]));
}

double dho_limits_bandwidth(const dho_limits *limits, double bytes, dho_level *out_level)
{
    int level = 0;
    while (level < DHO_LEVEL_MEMORY &&
           (limits->levels[level].read == 0 || bytes > limits->levels[level].bytes))
        level++;
    *out_level = (dho_level)level;
    return dho_larger(limits->levels[level].read, limits->levels[level].triad);
}
