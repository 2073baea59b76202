#include "dho/cache_builder.h"

#include "base/meter.h"
#include "dho/alloc.h"
#include "dho/dataset.h"
#include "dho/file.h"
#include "dho/loader.h"
#include "dho/log.h"
#include "dho/run_setup.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

typedef struct builder {
    const dho_config *config;
    const dho_cache_build_options *options;
    dho_cache_spec spec;
    dho_dataset dataset;
    dho_compute *compute;
    dho_executor *executor;
    int64_t *ids; /* owned; images of the shard in work, [id_count] */
    int64_t id_count;
    dho_eval_loader *loader; /* of the shard in work; NULL until its first image is asked for */
    dho_batch batch;         /* count 0: none in hand */
    int row;                 /* next row of the batch */
} builder;

static bool squashes(const dho_cache_build_options *options)
{
    return options->center && options->resize < 0;
}

/* Does a cosine head see the stored embedding? */
static bool normalises(const builder *b)
{
    return b->spec.payload == DHO_CACHE_EMBEDDING &&
           b->options->teacher->student.head_forms[0] == DHO_HEAD_COSINE;
}

static dho_status describe_spec(builder *b)
{
    const dho_cache_build_options *options = b->options;
    const dho_student *student = &options->teacher->student;
    const dho_config *config = b->config;
    if (student->head_count != 1)
        return dho_fail(DHO_ERR_CONFIG,
                        "%s: has two heads, a teacher has one: train it with method ce, kd or "
                        "single_head",
                        options->teacher_name);
    if (student->classes != b->dataset.classes)
        return dho_fail(DHO_ERR_CONFIG, "%s: the teacher knows %d classes, the dataset has %d",
                        options->teacher_name, student->classes, b->dataset.classes);
    for (int c = 0; options->teacher->class_names != NULL && c < student->classes; c++)
        if (strcmp(options->teacher->class_names[c], b->dataset.class_names[c]) != 0)
            return dho_fail(DHO_ERR_CONFIG,
                            "%s: the teacher's class %d is \"%s\", the dataset's is \"%s\"",
                            options->teacher_name, c, options->teacher->class_names[c],
                            b->dataset.class_names[c]);
    const bool embedding = options->payload == DHO_CACHE_EMBEDDING;
    b->spec = (dho_cache_spec){.fingerprint = b->dataset.fingerprint,
                               .count = b->dataset.count,
                               .shards = options->shards,
                               .views = options->center ? 1 : options->views,
                               .free_crops = options->center,
                               .payload = options->payload,
                               .encoding = options->encoding,
                               .top = options->top,
                               .dim = embedding ? student->feature_dim : student->classes,
                               .classes = student->classes,
                               .image_size = student->image_size,
                               .seed = config->seed};
    if (!options->center) {
        memcpy(b->spec.crop_scale, config->data.crop_scale, sizeof b->spec.crop_scale);
        memcpy(b->spec.crop_ratio, config->data.crop_ratio, sizeof b->spec.crop_ratio);
        b->spec.flip = config->data.flip;
    }
    /* The CRC of weights and statistics keeps apart what two teachers at one path have said. */
    const dho_model *teacher = options->teacher;
    uint32_t crc = dho_crc32(0, teacher->parameters,
                             dho_graph_parameter_floats(student->graph) * sizeof(float));
    crc = dho_crc32(crc, teacher->buffers, dho_graph_buffer_floats(student->graph) * sizeof(float));
    dho_cache_describe_teacher(options->kind, options->teacher_name, crc,
                               squashes(options) ? " squashed" : "", b->spec.teacher);
    return DHO_OK;
}

static dho_status open_builder(builder *b)
{
    const dho_config *config = b->config;
    DHO_TRY(dho_setup_dataset(config, &b->dataset));
    DHO_TRY(describe_spec(b));
    DHO_TRY(dho_alloc(&b->ids, (size_t)(b->spec.count / b->spec.shards + 1), sizeof *b->ids,
                      "cache builder"));
    DHO_TRY(dho_compute_create(&b->compute, config->compute.backend, config->compute.dtype,
                               dho_setup_threads(config->compute.threads)));
    const dho_executor_options execution = {
        .compute = b->compute, .batch = (int)config->eval.batch, .training = false};
    return dho_executor_create(&b->executor, b->options->teacher->student.graph, &execution);
}

static dho_status start_loader(builder *b);

/* The next row of the loader's batches, run through the teacher. */
static dho_status next_row(builder *b)
{
    const dho_model *teacher = b->options->teacher;
    if (++b->row < b->batch.count) return DHO_OK;
    if (b->loader == NULL) DHO_TRY(start_loader(b));
    if (b->batch.count > 0) dho_eval_loader_release(b->loader, &b->batch);
    b->batch.count = 0;
    const dho_status status = dho_eval_loader_next(b->loader, &b->batch, NULL);
    if (status == DHO_ERR_FORMAT || status == DHO_ERR_IO)
        return dho_fail(status,
                        "%s: a teacher cache has a record of every image (data.on_error: skip is "
                        "for training); dho data check --decode lists all broken files",
                        dho_error_message());
    DHO_TRY(status);
    if (b->batch.count == 0) return dho_fail(DHO_ERR_INTERNAL, "the loader ended too early");
    b->row = 0;
    dho_executor_forward(b->executor, b->batch.count, b->batch.images, teacher->parameters,
                         teacher->buffers, NULL);
    return DHO_OK;
}

/* x / max(|x|, 1e-12), as the head does it. */
static void normalise(float *x, int count)
{
    double squares = 0;
    for (int i = 0; i < count; i++) squares += (double)x[i] * (double)x[i];
    const double norm = sqrt(squares) > 1e-12 ? sqrt(squares) : 1e-12;
    for (int i = 0; i < count; i++) x[i] = (float)((double)x[i] / norm);
}

static dho_status fill_image(void *context, int64_t id, dho_cache_record *views)
{
    builder *b = context;
    const dho_student *student = &b->options->teacher->student;
    const dho_value value =
        b->spec.payload == DHO_CACHE_EMBEDDING ? student->features : student->heads[0];
    const float *output = dho_executor_output(b->executor, value);
    for (int view = 0; view < b->spec.views; view++) {
        DHO_TRY(next_row(b));
        if (b->batch.draws[b->row].id != id)
            return dho_fail(DHO_ERR_INTERNAL, "the loader and the cache disagree about the order");
        memcpy(views[view].payload, output + (size_t)b->row * (size_t)b->spec.dim,
               (size_t)b->spec.dim * sizeof(float));
        if (normalises(b)) normalise(views[view].payload, b->spec.dim);
        if (!b->spec.free_crops) {
            views[view].box = b->batch.boxes[b->row];
            views[view].flip = b->batch.flips[b->row];
        }
    }
    return DHO_OK;
}

static dho_status start_loader(builder *b)
{
    const dho_config *config = b->config;
    const dho_model *teacher = b->options->teacher;
    const int size = teacher->student.image_size, resize = b->options->resize;
    const bool squash = squashes(b->options);
    const dho_eval_loader_options options = {
        .dataset = &b->dataset,
        .ids = b->ids,
        .count = b->id_count,
        .views = b->spec.views,
        .image_size = size,
        .resize_short = !b->spec.free_crops || squash ? 0
                        : resize > 0                  ? resize
                                                      : dho_setup_eval_resize(config, size),
        .squash = squash,
        .scale = {config->data.crop_scale[0], config->data.crop_scale[1]},
        .ratio = {config->data.crop_ratio[0], config->data.crop_ratio[1]},
        .flip = config->data.flip,
        .seed = config->seed,
        .filter = dho_setup_filter(config->data.interpolation),
        .normalise = dho_setup_normalise(teacher->mean, teacher->std),
        .batch = (int)config->eval.batch,
        .threads = dho_setup_threads(config->data.loader_threads),
        .prefetch = (int)config->data.prefetch};
    return dho_eval_loader_create(&b->loader, &options);
}

static dho_status build_shard(builder *b, int shard)
{
    bool written;
    b->batch.count = b->row = 0;
    b->id_count = 0;
    for (int64_t id = shard; id < b->spec.count; id += b->spec.shards) b->ids[b->id_count++] = id;
    const dho_status status =
        dho_cache_write_shard(b->options->out, &b->spec, shard, fill_image, b, &written);
    dho_eval_loader_destroy(&b->loader);
    return status;
}

/* Shard by shard, all ranks side by side: a failure ends the build for all after one shard. */
static dho_status build_shards(builder *b, dho_comm *comm)
{
    const int rank = dho_comm_rank(comm), ranks = dho_comm_size(comm);
    dho_meter meter;
    dho_meter_start(&meter, "cache: shard", b->spec.shards, rank == 0);
    for (int first = 0; first < b->spec.shards; first += ranks) {
        const int shard = first + rank;
        DHO_TRY(dho_comm_agree(comm, shard < b->spec.shards ? build_shard(b, shard) : DHO_OK));
        dho_meter_show(&meter, first + ranks);
    }
    dho_meter_end(&meter);
    return DHO_OK;
}

static dho_status finish(builder *b)
{
    const dho_model *teacher = b->options->teacher;
    const dho_graph *graph = teacher->student.graph;
    if (b->spec.payload == DHO_CACHE_LOGITS)
        return dho_cache_finish(b->options->out, &b->spec, NULL);
    dho_teacher_head head = {.classes = b->spec.classes,
                             .dim = b->spec.dim,
                             .scale = normalises(b) ? teacher->student.head_scale : 1};
    for (size_t i = 0; i < dho_graph_parameter_count(graph); i++) {
        const dho_slot *slot = dho_graph_parameter(graph, i);
        if (strcmp(slot->name, "head.weight") == 0)
            head.weight = teacher->parameters + slot->offset;
        if (strcmp(slot->name, "head.bias") == 0) head.bias = teacher->parameters + slot->offset;
    }
    return dho_cache_finish(b->options->out, &b->spec, &head);
}

static dho_status build(builder *b, dho_comm *comm)
{
    const int rank = dho_comm_rank(comm);
    DHO_TRY(dho_comm_agree(comm, open_builder(b)));
    const size_t bytes = dho_cache_record_bytes(&b->spec) * (size_t)b->spec.views;
    dho_info("cache: %lld images x %d view%s, %zu bytes an image, %.1f MiB in all",
             (long long)b->spec.count, b->spec.views, b->spec.views == 1 ? "" : "s", bytes,
             (double)bytes * (double)b->spec.count / 1048576);
    DHO_TRY(dho_comm_agree(comm, rank == 0 ? dho_make_folders(b->options->out) : DHO_OK));
    DHO_TRY(build_shards(b, comm));
    return dho_comm_agree(comm, rank == 0 ? finish(b) : DHO_OK);
}

dho_status dho_cache_build(const dho_config *config, dho_comm *comm,
                           const dho_cache_build_options *options)
{
    builder b = {.config = config, .options = options};
    const dho_status status = build(&b, comm);
    dho_eval_loader_destroy(&b.loader);
    dho_free(b.ids);
    dho_executor_destroy(&b.executor);
    dho_compute_destroy(&b.compute);
    dho_dataset_free(&b.dataset);
    return status;
}
