/* A sample of a cache's records against what the teacher says of their images now. */
#include "base/compare.h"
#include "dho/alloc.h"
#include "dho/rng.h"
#include "teacher/cache_format.h"
#include "teacher/cache_rows.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct recomputation {
    dho_cache *cache;
    const dho_cache_spec *spec;
    const char *name; /* of the cache, for messages */
    uint64_t seed;
    cache_rows rows;
    int64_t *ids; /* owned, [count]; this rank's part of the sample, ascending */
    int64_t count;
    float *now, *again, *stored; /* owned, [dim] each; again: now as it would be stored */
    uint8_t *record;             /* owned: encoded */
    dho_cache_agreement found;   /* of this rank's part, then of all */
    int64_t worst, beyond;       /* the image that differs most; views beyond the tolerance */
} recomputation;

/* --- which --- */

/* Draw i of n comes from the i-th part of the shards: all are looked at when n >= shards. */
static int64_t draw_image(const recomputation *r, int64_t i, int64_t n)
{
    const int64_t shards = r->spec->shards, count = r->spec->count;
    dho_rng rng;
    dho_rng_init(&rng, r->seed, DHO_RNG_CACHE_SAMPLE, 0, (uint64_t)i);
    const double place = ((double)i + dho_rng_uniform(&rng)) / (double)n;
    const int64_t used = shards < count ? shards : count; /* the others are empty */
    int64_t shard = (int64_t)(place * (double)used);
    if (shard >= used) shard = used - 1;
    const int64_t images = (count - shard + shards - 1) / shards;
    int64_t at = (int64_t)(dho_rng_uniform(&rng) * (double)images);
    if (at >= images) at = images - 1;
    return at * shards + shard;
}

static int view_of(const recomputation *r, int64_t id)
{
    dho_rng rng;
    dho_rng_init(&rng, r->seed, DHO_RNG_CACHE_SAMPLE, 1, (uint64_t)id);
    return (int)dho_rng_below(&rng, (uint32_t)r->spec->views);
}

static dho_status choose_images(recomputation *r, int64_t size, int rank, int ranks)
{
    const bool all = size >= r->spec->count;
    const int64_t n = all ? r->spec->count : size;
    DHO_TRY(dho_alloc(&r->ids, (size_t)n, sizeof *r->ids, "sample"));
    for (int64_t i = 0; i < n; i++) r->ids[i] = all ? i : draw_image(r, i, n);
    qsort(r->ids, (size_t)n, sizeof *r->ids, dho_compare_int64);
    int64_t before = -1, different = 0;
    for (int64_t i = 0; i < n; i++) { /* in place: what is written was read */
        const int64_t id = r->ids[i];
        if (id != before && different++ % ranks == rank) r->ids[r->count++] = id;
        before = id;
    }
    return DHO_OK;
}

/* --- how different --- */

/* |a - b| / |b| */
static double distance(const float *a, const float *b, int dim)
{
    double difference = 0, length = 0;
    for (int i = 0; i < dim; i++) {
        difference += ((double)a[i] - b[i]) * ((double)a[i] - b[i]);
        length += (double)b[i] * b[i];
    }
    return sqrt(difference) / fmax(sqrt(length), 1e-12);
}

static double log_sum_exp(const float *logits, int classes)
{
    double largest = -INFINITY, sum = 0;
    for (int c = 0; c < classes; c++) largest = dho_larger(largest, logits[c]);
    for (int c = 0; c < classes; c++) sum += exp(logits[c] - largest);
    return largest + log(sum);
}

/* Total variation of the two softmax: half the sum of |p - q|. */
static double variation(const float *a, const float *b, int classes)
{
    const double log_a = log_sum_exp(a, classes), log_b = log_sum_exp(b, classes);
    double sum = 0;
    for (int c = 0; c < classes; c++) sum += fabs(exp(a[c] - log_a) - exp(b[c] - log_b));
    return sum / 2;
}

static bool is_bf16(const dho_cache_transform *transform)
{
    return strstr(transform->compute, "bf16") != NULL;
}

/* docs/teacher-cache.md, "Recomputing", has the reasons. */
static double tolerance_of(const dho_cache_spec *spec, const dho_cache_transform *now)
{
    if (is_bf16(now)) return 0.05;
    return spec->payload == DHO_CACHE_EMBEDDING && spec->encoding == DHO_CACHE_FP16 ? 0.002 : 0.02;
}

static dho_status compare_view(recomputation *r, int64_t id, dho_cache_record *now)
{
    const dho_cache_spec *spec = r->spec;
    dho_cache_record again = {.payload = r->again}, stored = {.payload = r->stored};
    DHO_TRY(dho_cache_read(r->cache, id, view_of(r, id), &stored));
    now->box = stored.box; /* Resize + CenterCrop of the whole has none, squashing has */
    now->flip = stored.flip;
    dho_status status = cache_record_encode(spec, now, r->record);
    if (status == DHO_OK) status = cache_record_decode(spec, r->record, &again);
    if (status != DHO_OK)
        return dho_fail_prefix(status, "%s: image %s, view %d: ", r->name,
                               r->rows.dataset.samples[id].path, view_of(r, id));
    r->found.views++;
    if (memcmp(r->again, r->stored, (size_t)spec->dim * sizeof(float)) == 0) {
        r->found.equal++;
        return DHO_OK;
    }
    double difference = spec->payload == DHO_CACHE_EMBEDDING
                            ? distance(r->again, r->stored, spec->dim)
                            : variation(r->again, r->stored, spec->dim);
    if (isnan(difference)) difference = INFINITY; /* a stored infinity */
    r->beyond += difference > r->found.tolerance;
    if (difference > r->found.largest) {
        r->found.largest = difference;
        r->worst = id;
    }
    return DHO_OK;
}

/* --- the work --- */

/* A dho_view_source: one view of each image. */
static dho_status stored_view(void *context, int64_t id, int64_t pass, dho_box *box, bool *flip)
{
    const recomputation *r = context;
    (void)pass;
    return dho_cache_read_view(r->cache, id, view_of(r, id), box, flip);
}

static dho_status check_settings(const recomputation *r)
{
    const dho_cache_spec *spec = r->spec;
    const dho_student *student = &r->rows.teacher->model->student;
    DHO_TRY(dho_cache_check_dataset(r->cache, r->rows.dataset.fingerprint, r->rows.dataset.count));
    if (r->rows.dim != spec->dim)
        return dho_fail(DHO_ERR_CONFIG, "%s: dim is %d, expected %d of this teacher", r->name,
                        spec->dim, r->rows.dim);
    if (spec->image_size != 0 && spec->image_size != student->image_size)
        return dho_fail(DHO_ERR_CONFIG, "%s: image_size is %d, expected %d of this teacher",
                        r->name, spec->image_size, student->image_size);
    if (!spec->transform.known) return DHO_OK;
    if (is_bf16(&spec->transform) != is_bf16(&r->rows.transform))
        return dho_fail(DHO_ERR_CONFIG, "%s: was computed by %s, compute.dtype says %s", r->name,
                        spec->transform.compute, is_bf16(&r->rows.transform) ? "bf16" : "fp32");
    if (cache_transform_compare(&spec->transform, &r->rows.transform, DHO_ERR_CONFIG, r->name) ==
        DHO_OK)
        return DHO_OK;
    return dho_fail(DHO_ERR_CONFIG,
                    "%s: the cache was not made as this configuration and this teacher say",
                    dho_error_message());
}

static dho_status open_local(recomputation *r, const dho_config *config,
                             const dho_cache_teacher *teacher, const dho_cache_sample *sample,
                             const dho_comm *comm)
{
    const size_t dim = (size_t)r->spec->dim;
    DHO_TRY(cache_rows_open(&r->rows, config, teacher, r->spec->payload, r->spec->free_crops));
    DHO_TRY(check_settings(r));
    r->found.tolerance = tolerance_of(r->spec, &r->rows.transform);
    DHO_TRY(dho_alloc(&r->now, dim, sizeof(float), "sample"));
    DHO_TRY(dho_alloc(&r->again, dim, sizeof(float), "sample"));
    DHO_TRY(dho_alloc(&r->stored, dim, sizeof(float), "sample"));
    DHO_TRY(dho_alloc(&r->record, dho_cache_record_bytes(r->spec), 1, "sample"));
    return choose_images(r, sample->size, dho_comm_rank(comm), dho_comm_size(comm));
}

static dho_status compare_all(recomputation *r)
{
    const bool boxes = !r->spec->free_crops;
    DHO_TRY(cache_rows_start(&r->rows, r->ids, r->count, 1, boxes ? stored_view : NULL, r));
    for (int64_t i = 0; i < r->count; i++) {
        dho_cache_record now = {.payload = r->now};
        int64_t id;
        DHO_TRY(cache_rows_next(&r->rows, &id, &now));
        DHO_TRY(compare_view(r, id, &now));
    }
    return DHO_OK;
}

/* The sums of all ranks; the rank whose view is the worst of all says so. */
static dho_status judge(recomputation *r, dho_comm *comm)
{
    int64_t sums[3] = {r->found.views, r->found.equal, r->beyond}, largest;
    const double mine = r->found.largest;
    _Static_assert(sizeof largest == sizeof mine, "doubles >= 0 have the order of their bits");
    memcpy(&largest, &mine, sizeof largest);
    DHO_TRY(dho_comm_sum_int64(comm, sums, 3));
    DHO_TRY(dho_comm_max_int64(comm, &largest, 1));
    r->found.views = sums[0];
    r->found.equal = sums[1];
    memcpy(&r->found.largest, &largest, sizeof largest);
    dho_status status = DHO_OK;
    if (sums[2] > 0 && mine >= r->found.largest)
        status =
            dho_fail(DHO_ERR_FORMAT,
                     "%s: image %s, view %d: what the teacher says of it now differs from the "
                     "record by %.2g, rounding explains %g at most (so do %" PRId64 " of %" PRId64
                     " sampled views): another teacher, another transform or other images",
                     r->name, r->rows.dataset.samples[r->worst].path, view_of(r, r->worst), mine,
                     r->found.tolerance, sums[2], sums[0]);
    return dho_comm_agree(comm, status);
}

dho_status dho_cache_recompute(const dho_config *config, dho_comm *comm, dho_cache *cache,
                               const dho_cache_teacher *teacher, const dho_cache_sample *sample,
                               dho_cache_agreement *out)
{
    recomputation r = {.cache = cache,
                       .spec = dho_cache_get_spec(cache),
                       .name = dho_cache_folder(cache),
                       .seed = sample->seed};
    dho_status status = dho_comm_agree(comm, open_local(&r, config, teacher, sample, comm));
    if (status == DHO_OK) status = dho_comm_agree(comm, compare_all(&r));
    if (status == DHO_OK) status = judge(&r, comm);
    *out = r.found;
    cache_rows_close(&r.rows);
    dho_free(r.ids);
    dho_free(r.now);
    dho_free(r.again);
    dho_free(r.stored);
    dho_free(r.record);
    return status;
}
