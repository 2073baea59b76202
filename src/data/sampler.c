/* The sampler: which samples form microbatch v of step t. */
#include "dho/alloc.h"
#include "dho/loader.h"
#include "dho/rng.h"

#include <string.h>

/* An infinite stream: pass after pass over `count` ids, each in an order of its own. Only the order
 * of the pass in use is kept. */
typedef struct id_stream {
    int64_t *order; /* owned, [count]; NULL until the stream is first drawn from */
    int64_t count;
    int64_t pass; /* whose order it is; -1: none */
} id_stream;

struct dho_sampler {
    dho_sampler_options options;
    id_stream labelled;
    id_stream *unlabelled; /* owned, [shards] */
};

static dho_status check_options(const dho_sampler_options *o)
{
    if (o->shards < 1 || o->labelled < 0 || o->unlabelled < 0 ||
        (o->labelled == 0 && o->unlabelled == 0))
        return dho_fail(DHO_ERR_CONFIG,
                        "sampler: %d shards of %d labelled and %d unlabelled samples", o->shards,
                        o->labelled, o->unlabelled);
    if (o->unlabelled > 0 && o->dataset_count < o->shards)
        return dho_fail(DHO_ERR_CONFIG, "sampler: %lld images are fewer than the %d shards",
                        (long long)o->dataset_count, o->shards);
    if (o->labelled > 0 && o->labelled_count < 1)
        return dho_fail(DHO_ERR_CONFIG, "sampler: there is no labelled sample");
    /* Random numbers below n are 32 bits wide. */
    if (o->dataset_count > UINT32_MAX || o->labelled_count > UINT32_MAX)
        return dho_fail(DHO_ERR_CONFIG, "sampler: more than %u images", UINT32_MAX);
    for (int64_t i = 0; i < o->labelled_count; i++) {
        const int64_t low = i > 0 ? o->labelled_ids[i - 1] + 1 : 0;
        if (o->labelled_ids[i] < low || o->labelled_ids[i] >= o->dataset_count)
            return dho_fail(DHO_ERR_INTERNAL, "sampler: labelled_ids[%lld] is %lld", (long long)i,
                            (long long)o->labelled_ids[i]);
    }
    return DHO_OK;
}

dho_status dho_sampler_create(dho_sampler **out, const dho_sampler_options *options)
{
    dho_status status;
    *out = NULL;
    DHO_TRY(check_options(options));
    DHO_TRY_GOTO(dho_alloc_zero(out, 1, sizeof **out, "sampler"));
    dho_sampler *sampler = *out;
    sampler->options = *options;
    sampler->labelled = (id_stream){.count = options->labelled_count, .pass = -1};
    DHO_TRY_GOTO(dho_alloc_zero(&sampler->unlabelled, (size_t)options->shards,
                                sizeof *sampler->unlabelled, "sampler"));
    for (int v = 0; v < options->shards; v++) /* the ids v, v + V, ... below count */
        sampler->unlabelled[v] = (id_stream){
            .count = (options->dataset_count - v + options->shards - 1) / options->shards,
            .pass = -1};
    return DHO_OK;
fail:
    dho_sampler_destroy(out);
    return status;
}

void dho_sampler_destroy(dho_sampler **sampler)
{
    if (*sampler == NULL) return;
    if ((*sampler)->unlabelled != NULL)
        for (int v = 0; v < (*sampler)->options.shards; v++)
            dho_free((*sampler)->unlabelled[v].order);
    dho_free((*sampler)->unlabelled);
    dho_free((*sampler)->labelled.order);
    dho_free(*sampler);
    *sampler = NULL;
}

/* Puts the order of `pass` into the stream. */
static dho_status shuffle_stream(const dho_sampler *sampler, id_stream *stream, int shard,
                                 bool labelled, int64_t pass)
{
    if (stream->order == NULL)
        DHO_TRY(dho_alloc(&stream->order, (size_t)stream->count, sizeof *stream->order, "sampler"));
    if (labelled)
        memcpy(stream->order, sampler->options.labelled_ids,
               (size_t)stream->count * sizeof *stream->order);
    else
        for (int64_t i = 0; i < stream->count; i++)
            stream->order[i] = shard + i * sampler->options.shards;
    dho_rng rng;
    if (labelled)
        dho_rng_init(&rng, sampler->options.seed, DHO_RNG_SHUFFLE_LABELLED, (uint64_t)pass, 0);
    else
        dho_rng_init(&rng, sampler->options.seed, DHO_RNG_SHUFFLE, (uint64_t)pass, (uint64_t)shard);
    dho_rng_shuffle(&rng, stream->order, stream->count);
    stream->pass = pass;
    return DHO_OK;
}

/* Draws positions first .. first + n - 1 of the stream. */
static dho_status draw_stream(const dho_sampler *sampler, id_stream *stream, int shard,
                              bool labelled, int64_t first, int n, dho_draw *out)
{
    for (int i = 0; i < n; i++) {
        const int64_t pass = (first + i) / stream->count;
        if (pass != stream->pass) DHO_TRY(shuffle_stream(sampler, stream, shard, labelled, pass));
        out[i] = (dho_draw){
            .id = stream->order[(first + i) % stream->count], .pass = pass, .labelled = labelled};
    }
    return DHO_OK;
}

dho_status dho_sampler_draw(dho_sampler *sampler, int64_t step, int shard, dho_draw *out)
{
    const dho_sampler_options *o = &sampler->options;
    /* 2^31 shards of 2^31 samples leave no step; any real number of them leaves plenty. */
    const int64_t most = INT64_MAX / ((int64_t)o->shards + 1) /
                         ((o->labelled > o->unlabelled ? o->labelled : o->unlabelled) + INT64_C(1));
    if (step < 0 || step >= most || shard < 0 || shard >= o->shards)
        return dho_fail(DHO_ERR_INTERNAL, "sampler: step %lld, shard %d of %d", (long long)step,
                        shard, o->shards);
    DHO_TRY(draw_stream(sampler, &sampler->labelled, shard, true,
                        (step * o->shards + shard) * o->labelled, o->labelled, out));
    return draw_stream(sampler, &sampler->unlabelled[shard], shard, false, step * o->unlabelled,
                       o->unlabelled, out + o->labelled);
}

int64_t dho_sampler_steps_per_epoch(const dho_sampler *sampler)
{
    const dho_sampler_options *o = &sampler->options;
    const int64_t steps = o->unlabelled > 0
                              ? o->dataset_count / ((int64_t)o->shards * o->unlabelled)
                              : o->labelled_count / ((int64_t)o->shards * o->labelled);
    return steps > 1 ? steps : 1;
}

const dho_sampler_options *dho_sampler_get_options(const dho_sampler *sampler)
{
    return &sampler->options;
}
