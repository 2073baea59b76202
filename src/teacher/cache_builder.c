/* Building a cache: shard by shard, each by one rank. */
#include "base/folder_lock.h"
#include "base/meter.h"
#include "dho/alloc.h"
#include "dho/file.h"
#include "teacher/cache_rows.h"

#include <string.h>

typedef struct builder {
    const dho_config *config;
    const dho_cache_build_options *options;
    dho_cache_spec spec;
    cache_rows rows;
    int64_t *ids; /* owned; images of the shard in work, [id_count] */
    int64_t id_count;
    dho_meter meter;
    int64_t written; /* shards of this rank, then of all */
    int ranks;       /* that build shards side by side */
    int lock;        /* of the folder, on rank 0; -1: none */
} builder;

static void describe_spec(builder *b)
{
    const dho_cache_build_options *options = b->options;
    const dho_model *teacher = options->teacher.model;
    const dho_student *student = &teacher->student;
    const dho_config *config = b->config;
    b->spec = (dho_cache_spec){.fingerprint = b->rows.dataset.fingerprint,
                               .count = b->rows.dataset.count,
                               .shards = options->shards,
                               .views = options->center ? 1 : options->views,
                               .free_crops = options->center,
                               .payload = options->payload,
                               .encoding = options->encoding,
                               .top = options->top,
                               .dim = b->rows.dim,
                               .classes = student->classes,
                               .image_size = student->image_size,
                               .seed = config->seed,
                               .transform = b->rows.transform};
    if (!options->center) {
        memcpy(b->spec.crop_scale, config->data.crop_scale, sizeof b->spec.crop_scale);
        memcpy(b->spec.crop_ratio, config->data.crop_ratio, sizeof b->spec.crop_ratio);
        b->spec.flip = config->data.flip;
    }
    /* The CRC of weights and statistics keeps apart what two teachers at one path have said. */
    uint32_t crc = dho_crc32(0, teacher->parameters,
                             dho_graph_parameter_floats(student->graph) * sizeof(float));
    crc = dho_crc32(crc, teacher->buffers, dho_graph_buffer_floats(student->graph) * sizeof(float));
    dho_cache_describe_teacher(options->teacher.kind, options->teacher.name, crc, "",
                               b->spec.teacher);
}

static dho_status open_builder(builder *b)
{
    const dho_cache_build_options *options = b->options;
    DHO_TRY(
        cache_rows_open(&b->rows, b->config, &options->teacher, options->payload, options->center));
    describe_spec(b);
    return dho_alloc(&b->ids, (size_t)(b->spec.count / b->spec.shards + 1), sizeof *b->ids,
                     "cache builder");
}

static dho_status fill_image(void *context, int64_t id, dho_cache_record *views)
{
    builder *b = context;
    if (!b->rows.started)
        DHO_TRY(cache_rows_start(&b->rows, b->ids, b->id_count, b->spec.views, NULL, NULL));
    for (int view = 0; view < b->spec.views; view++) {
        int64_t found;
        const dho_status status = cache_rows_next(&b->rows, &found, &views[view]);
        if (status == DHO_ERR_FORMAT || status == DHO_ERR_IO)
            return dho_fail(status,
                            "%s: a teacher cache has a record of every image (data.on_error: skip "
                            "is for training); dho data check --decode lists all broken files",
                            dho_error_message());
        DHO_TRY(status);
        if (found != id)
            return dho_fail(DHO_ERR_INTERNAL, "the loader and the cache disagree about the order");
    }
    return DHO_OK;
}

static dho_status build_shard(void *context, int shard)
{
    builder *b = context;
    bool written;
    b->id_count = 0;
    for (int64_t id = shard; id < b->spec.count; id += b->spec.shards) b->ids[b->id_count++] = id;
    const dho_status status =
        dho_cache_write_shard(b->options->out, &b->spec, shard, fill_image, b, &written);
    cache_rows_stop(&b->rows);
    b->written += written;
    dho_meter_show(&b->meter, shard + b->ranks);
    return status;
}

/* The teacher's own head: a student's cosine head has its bias inside the factor, a head file's is
 * added after it. */
static dho_status finish(builder *b)
{
    const dho_model *teacher = b->options->teacher.model;
    const dho_graph *graph = teacher->student.graph;
    if (b->spec.payload == DHO_CACHE_LOGITS)
        return dho_cache_finish_new(b->options->out, &b->spec, NULL, b->written);
    dho_teacher_head head = {
        .classes = b->spec.classes,
        .dim = b->spec.dim,
        .scale = cache_rows_are_normalised(&b->rows) ? teacher->student.head_scale : 1};
    DHO_TRY(dho_alloc(&head.bias, (size_t)head.classes, sizeof *head.bias, "head"));
    for (size_t i = 0; i < dho_graph_parameter_count(graph); i++) {
        const dho_slot *slot = dho_graph_parameter(graph, i);
        const float *values = teacher->parameters + slot->offset;
        if (strcmp(slot->name, "head.weight") == 0)
            head.weight = teacher->parameters + slot->offset;
        if (strcmp(slot->name, "head.bias") == 0)
            for (int c = 0; c < head.classes; c++) head.bias[c] = head.scale * values[c];
    }
    const dho_status status = dho_cache_finish_new(b->options->out, &b->spec, &head, b->written);
    dho_free(head.bias);
    return status;
}

static dho_status build(builder *b, dho_comm *comm)
{
    const int rank = dho_comm_rank(comm);
    DHO_TRY(dho_comm_agree(comm, open_builder(b)));
    DHO_TRY(dho_comm_agree(comm, rank == 0 ? dho_cache_begin(b->options->out, &b->spec, &b->lock)
                                           : DHO_OK));
    b->ranks = dho_comm_size(comm);
    dho_meter_start(&b->meter, "cache: shard", b->spec.shards, rank == 0);
    DHO_TRY(dho_comm_share(comm, b->spec.shards, build_shard, b));
    dho_meter_end(&b->meter);
    DHO_TRY(dho_comm_sum_int64(comm, &b->written, 1));
    return dho_comm_agree(comm, rank == 0 ? finish(b) : DHO_OK);
}

dho_status dho_cache_build(const dho_config *config, dho_comm *comm,
                           const dho_cache_build_options *options)
{
    builder b = {.config = config, .options = options, .lock = -1};
    const dho_status status = build(&b, comm);
    dho_free(b.ids);
    cache_rows_close(&b.rows);
    dho_folder_unlock(&b.lock);
    return status;
}
