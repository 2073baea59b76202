/* The sampler: which samples form microbatch v of step t. */
#include "dho/alloc.h"
#include "dho/loader.h"
#include "dho/rng.h"

enum { NO_PASS = -1 };

/* An infinite stream: pass after pass over `count` ids, each in an order of its own. Only the order
 * of the pass in use is kept. */
typedef struct id_stream {
    int64_t *order; /* owned, [count]: ids, or positions in labelled_ids; NULL until drawn from */
    int64_t count;
    int64_t pass; /* whose order it is, or NO_PASS */
} id_stream;

struct dho_sampler {
    dho_sampler_options options;
    int64_t repeats; /* how often a labelled id may be in the list */
    int64_t unlabelled_count;
    id_stream labelled;
    id_stream *unlabelled; /* owned, [shards] */
};

/* Images of a shard in one pass of a loader. */
static int64_t pass_length(int64_t count, int shards)
{
    return (count + shards - 1) / shards;
}

int64_t dho_loader_batches(int64_t count, int shards, int micro)
{
    return (pass_length(count, shards) + micro - 1) / micro;
}

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
    for (int64_t i = 0; i < o->excluded_count; i++)
        if (o->excluded_ids[i] < (i > 0 ? o->excluded_ids[i - 1] + 1 : 0) ||
            o->excluded_ids[i] >= o->dataset_count)
            return dho_fail(DHO_ERR_INTERNAL, "sampler: excluded_ids[%lld] is %lld", (long long)i,
                            (long long)o->excluded_ids[i]);
    for (int64_t i = 0; i < o->labelled_count; i++) {
        const int64_t low = i > 0 ? o->labelled_ids[i - 1] : 0;
        if (o->labelled_ids[i] < low || o->labelled_ids[i] >= o->dataset_count)
            return dho_fail(DHO_ERR_INTERNAL, "sampler: labelled_ids[%lld] is %lld", (long long)i,
                            (long long)o->labelled_ids[i]);
    }
    return DHO_OK;
}

/* The ids of shard v are v, v + V, ... below the dataset's count, but for the excluded ones. */
static dho_status count_unlabelled(dho_sampler *sampler)
{
    const dho_sampler_options *o = &sampler->options;
    for (int v = 0; v < o->shards; v++)
        sampler->unlabelled[v] = (id_stream){
            .count = (o->dataset_count - v + o->shards - 1) / o->shards, .pass = NO_PASS};
    for (int64_t i = 0; i < o->excluded_count; i++)
        sampler->unlabelled[o->excluded_ids[i] % o->shards].count--;
    sampler->unlabelled_count = o->dataset_count - o->excluded_count;
    for (int v = 0; o->unlabelled > 0 && v < o->shards; v++)
        if (sampler->unlabelled[v].count < 1)
            return dho_fail(
                DHO_ERR_CONFIG,
                "data.exclude_labelled, data.holdout: %lld of %lld images are no unlabelled ones, "
                "and shard %d of train.shards %d has no other (fewer shards, fewer labels, or "
                "exclude_labelled: false)",
                (long long)o->excluded_count, (long long)o->dataset_count, v, o->shards);
    return DHO_OK;
}

/* How often the same id is in the list at most. */
static int64_t count_repeats(const dho_sampler_options *o)
{
    int64_t most = 1, run = 1;
    for (int64_t i = 1; i < o->labelled_count; i++) {
        run = o->labelled_ids[i] == o->labelled_ids[i - 1] ? run + 1 : 1;
        if (run > most) most = run;
    }
    return most;
}

dho_status dho_sampler_create(dho_sampler **out, const dho_sampler_options *options)
{
    dho_status status;
    *out = NULL;
    DHO_TRY(check_options(options));
    DHO_TRY_GOTO(dho_alloc_zero(out, 1, sizeof **out, "sampler"));
    dho_sampler *sampler = *out;
    sampler->options = *options;
    sampler->repeats = count_repeats(options);
    sampler->labelled = (id_stream){.count = options->labelled_count, .pass = NO_PASS};
    DHO_TRY_GOTO(dho_alloc_zero(&sampler->unlabelled, (size_t)options->shards,
                                sizeof *sampler->unlabelled, "sampler"));
    DHO_TRY_GOTO(count_unlabelled(sampler));
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

/* The ids of a shard, ascending. */
static void list_shard(const dho_sampler_options *o, int shard, int64_t *ids)
{
    int64_t next = 0, count = 0; /* next: the first excluded id that is not below id */
    for (int64_t id = shard; id < o->dataset_count; id += o->shards) {
        while (next < o->excluded_count && o->excluded_ids[next] < id) next++;
        if (next < o->excluded_count && o->excluded_ids[next] == id) continue;
        ids[count++] = id;
    }
}

/* Puts the order of `pass` into the stream. */
static dho_status shuffle_stream(const dho_sampler *sampler, id_stream *stream, int shard,
                                 bool labelled, int64_t pass)
{
    const dho_sampler_options *o = &sampler->options;
    dho_rng rng;
    if (stream->pass == pass) return DHO_OK;
    if (stream->order == NULL)
        DHO_TRY(dho_alloc(&stream->order, (size_t)stream->count, sizeof *stream->order, "sampler"));
    if (labelled) {
        for (int64_t i = 0; i < stream->count; i++) stream->order[i] = i;
        dho_rng_init(&rng, o->seed, DHO_RNG_SHUFFLE_LABELLED, (uint64_t)pass, 0);
    } else {
        list_shard(o, shard, stream->order);
        dho_rng_init(&rng, o->seed, DHO_RNG_SHUFFLE, (uint64_t)pass, (uint64_t)shard);
    }
    dho_rng_shuffle(&rng, stream->order, stream->count);
    stream->pass = pass;
    return DHO_OK;
}

/* The draw at a position of the stream's order; an id that is in the labelled list several times
 * has a pass of its own each time. */
static dho_draw draw_at(const dho_sampler *sampler, const id_stream *stream, bool labelled,
                        int64_t position, int64_t pass)
{
    const int64_t *ids = sampler->options.labelled_ids;
    int64_t at = stream->order[position];
    if (!labelled) return (dho_draw){.id = at, .pass = pass};
    const int64_t id = ids[at];
    pass *= sampler->repeats;
    for (; at > 0 && ids[at - 1] == id; at--) pass++;
    return (dho_draw){.id = id, .pass = pass, .labelled = true};
}

/* Draws positions first .. first + n - 1 of the endless stream. */
static dho_status draw_stream(const dho_sampler *sampler, id_stream *stream, int shard,
                              bool labelled, int64_t first, int n, dho_draw *out)
{
    for (int i = 0; i < n; i++) {
        const int64_t pass = (first + i) / stream->count;
        DHO_TRY(shuffle_stream(sampler, stream, shard, labelled, pass));
        out[i] = draw_at(sampler, stream, labelled, (first + i) % stream->count, pass);
    }
    return DHO_OK;
}

/* Batch i of an epoch of a loader: rows of a microbatch, and where they begin in the pass. */
static int loader_rows(int64_t count, int shards, int micro, int64_t i, int64_t *first)
{
    if (micro == 0) return 0;
    *first = i % dho_loader_batches(count, shards, micro) * micro;
    const int64_t left = pass_length(count, shards) - *first;
    return left < micro ? (int)left : micro;
}

/* The rows of step i of epoch `epoch` of a loader. */
static dho_status draw_loader(const dho_sampler *sampler, id_stream *stream, int shard,
                              bool labelled, int64_t epoch, int64_t i, dho_draw *out, int *rows)
{
    const dho_sampler_options *o = &sampler->options;
    const int micro = labelled ? o->labelled : o->unlabelled;
    const int64_t count = labelled ? o->labelled_count : sampler->unlabelled_count;
    int64_t first = 0;
    *rows = loader_rows(count, o->shards, micro, i, &first);
    if (*rows == 0) return DHO_OK;
    const int64_t batches = dho_loader_batches(count, o->shards, micro);
    const int64_t passes = (o->epoch_steps + batches - 1) / batches;
    DHO_TRY(shuffle_stream(sampler, stream, shard, labelled, epoch));
    for (int r = 0; r < *rows; r++) {
        const int64_t own = first + r;
        const int64_t position = labelled ? shard + own * o->shards : own;
        out[r] = draw_at(sampler, stream, labelled, position % stream->count,
                         epoch * passes + i / batches);
    }
    return DHO_OK;
}

dho_step_rows dho_sampler_rows(const dho_sampler *sampler, int64_t step)
{
    const dho_sampler_options *o = &sampler->options;
    int64_t first;
    if (o->epoch_steps == 0)
        return (dho_step_rows){.labelled = o->labelled, .unlabelled = o->unlabelled};
    const int64_t i = step % o->epoch_steps;
    return (dho_step_rows){
        .labelled = loader_rows(o->labelled_count, o->shards, o->labelled, i, &first),
        .unlabelled = loader_rows(sampler->unlabelled_count, o->shards, o->unlabelled, i, &first)};
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
    if (o->epoch_steps > 0) {
        const int64_t epoch = step / o->epoch_steps, i = step % o->epoch_steps;
        int rows;
        DHO_TRY(draw_loader(sampler, &sampler->labelled, shard, true, epoch, i, out, &rows));
        return draw_loader(sampler, &sampler->unlabelled[shard], shard, false, epoch, i, out + rows,
                           &rows);
    }
    DHO_TRY(draw_stream(sampler, &sampler->labelled, shard, true,
                        (step * o->shards + shard) * o->labelled, o->labelled, out));
    return draw_stream(sampler, &sampler->unlabelled[shard], shard, false, step * o->unlabelled,
                       o->unlabelled, out + o->labelled);
}

const dho_sampler_options *dho_sampler_get_options(const dho_sampler *sampler)
{
    return &sampler->options;
}
