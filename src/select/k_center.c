#include "select/k_center.h"

#include "dho/alloc.h"

#include <math.h>
#include <string.h>

/* So many of the first centres are compared with a point while it is in the cache. */
enum { BLOCK = 32, LANES = 8 };
/* In place of a distance: a centre. */
#define TAKEN (-1.0)

typedef struct k_center {
    dho_comm *comm;
    const dho_points *points;
    int64_t count;   /* points of this rank */
    double *nearest; /* owned, [count]: squared distance to the nearest centre, or TAKEN */
    float *centres;  /* owned, [BLOCK][width] */
    int threads;
} k_center;

/* Sums in lanes of its own: the same bits whatever the compiler makes of it. */
static double squared_distance(const float *a, const float *b, size_t width)
{
    double lanes[LANES] = {0}, sum = 0;
    size_t i = 0;
    for (; i + LANES <= width; i += LANES)
        for (size_t k = 0; k < LANES; k++) {
            const double difference = (double)a[i + k] - (double)b[i + k];
            lanes[k] += difference * difference;
        }
    for (size_t k = 0; i < width; i++, k++) {
        const double difference = (double)a[i] - (double)b[i];
        lanes[k] += difference * difference;
    }
    for (size_t k = 0; k < LANES; k++) sum += lanes[k];
    return sum;
}

/* Where a place's point lies. */
static int rank_of(const dho_deal *deal, int64_t place)
{
    return (int)(place / deal->batch % deal->ranks);
}

static int64_t index_of(const dho_deal *deal, int64_t place)
{
    return place / deal->batch / deal->ranks * deal->batch + place % deal->batch;
}

/* Puts a point into the block of centres on every rank, and takes it out of the choice. */
static dho_status share_centre(k_center *job, int64_t place, int slot)
{
    const dho_points *points = job->points;
    float *centre = job->centres + (size_t)slot * points->width;
    const int owner = rank_of(&points->deal, place);
    if (dho_comm_rank(job->comm) == owner) {
        const int64_t at = index_of(&points->deal, place);
        memcpy(centre, points->rows + (size_t)at * points->width, points->width * sizeof *centre);
        job->nearest[at] = TAKEN;
    }
    return dho_comm_broadcast(job->comm, centre, points->width * sizeof *centre, owner);
}

static void compare_with(k_center *job, int centres)
{
    const size_t width = job->points->width;
#pragma omp parallel for schedule(static) num_threads(job->threads) if (job->threads > 1)
    for (int64_t i = 0; i < job->count; i++) {
        const float *row = job->points->rows + (size_t)i * width;
        if (job->nearest[i] == TAKEN) continue;
        for (int c = 0; c < centres; c++) {
            const double d = squared_distance(row, job->centres + (size_t)c * width, width);
            if (d < job->nearest[i]) job->nearest[i] = d;
        }
    }
}

static dho_status begin(k_center *job, const dho_id_list *centres)
{
    for (int64_t i = 0; i < job->count; i++) job->nearest[i] = INFINITY;
    for (int64_t c = 0; c < centres->count; c += BLOCK) {
        const int64_t left = centres->count - c;
        const int now = left < BLOCK ? (int)left : BLOCK;
        for (int k = 0; k < now; k++) DHO_TRY(share_centre(job, centres->ids[c + k], k));
        compare_with(job, now);
    }
    return DHO_OK;
}

/* The point of all ranks that is farthest from its nearest centre. Distances are not negative, so
 * their bits have the order of the numbers. */
static dho_status find_farthest(const k_center *job, dho_choice *out)
{
    const int rank = dho_comm_rank(job->comm);
    int64_t at = -1, bits = -1, farthest;
    for (int64_t i = 0; i < job->count; i++)
        if (job->nearest[i] != TAKEN && (at < 0 || job->nearest[i] > job->nearest[at])) at = i;
    if (at >= 0) memcpy(&bits, &job->nearest[at], sizeof bits);
    farthest = bits;
    DHO_TRY(dho_comm_max_int64(job->comm, &farthest, 1));
    /* A rank's places ascend: its first with this distance is its smallest. */
    int64_t candidate =
        at >= 0 && bits == farthest ? -dho_deal_place(&job->points->deal, rank, at) : INT64_MIN;
    DHO_TRY(dho_comm_max_int64(job->comm, &candidate, 1));
    if (farthest < 0) return dho_fail(DHO_ERR_INTERNAL, "k-center: no point is left");
    out->id = -candidate;
    memcpy(&out->value, &farthest, sizeof out->value);
    out->value = sqrt(out->value);
    return DHO_OK;
}

static dho_status choose(k_center *job, const dho_id_list *centres, int64_t budget, dho_choice *out)
{
    DHO_TRY(begin(job, centres));
    for (int64_t i = 0; i < budget; i++) {
        DHO_TRY(find_farthest(job, &out[i]));
        DHO_TRY(share_centre(job, out[i].id, 0));
        compare_with(job, 1);
    }
    return DHO_OK;
}

static dho_status reserve(k_center *job)
{
    DHO_TRY(dho_alloc(&job->nearest, (size_t)job->count, sizeof *job->nearest, "distances"));
    return dho_alloc(&job->centres, BLOCK * job->points->width, sizeof *job->centres, "centres");
}

dho_status dho_k_center(dho_comm *comm, const dho_points *points, const dho_id_list *centres,
                        int threads, int64_t budget, dho_choice *out)
{
    k_center job = {.comm = comm,
                    .points = points,
                    .count = dho_deal_count(&points->deal, dho_comm_rank(comm)),
                    .threads = threads};
    dho_status status = dho_comm_agree(comm, reserve(&job));
    if (status == DHO_OK) status = choose(&job, centres, budget, out);
    dho_free(job.nearest);
    dho_free(job.centres);
    return status;
}
