/* A CLIP text tower from a published file, run on texts. No token sees a later one, so what stands
 * behind the end mark is left out: texts are run in groups of about the same length. */
#include "clip/clip_source.h"
#include "dho/alloc.h"
#include "dho/file.h"
#include "dho/log.h"
#include "dho/text_tower.h"
#include "dho/tokenizer.h"

#include <math.h>
#include <string.h>

enum { LENGTH_STEP = 8 };

struct dho_clip_text {
    dho_tokenizer *tokenizer;
    dho_compute *compute; /* borrowed */
    int batch;
    dho_text_tower_options options; /* but for the length; model is static */
    float *parameters;              /* the slab is the same for all lengths */
    uint32_t crc;
    float scale;
};

/* The texts of a call as rows of ids. */
typedef struct id_rows {
    int32_t *ids; /* owned, [count][context] */
    size_t *ends; /* owned, [count]: where the end mark is */
    size_t count, context;
} id_rows;

static dho_status read_scale(const dho_clip_tensors *tensors, float *out)
{
    const char *path = dho_weights_path(tensors->weights);
    float value;
    *out = 100;
    const dho_tensor_view *tensor =
        dho_state_dict_find(tensors->weights, &tensors->names, "logit_scale", NULL);
    if (tensor == NULL) return DHO_OK;
    if (tensor->bytes != dho_dtype_size(tensor->dtype))
        return dho_fail(DHO_ERR_FORMAT, "%s: tensor \"%.200s\": expected one value", path,
                        tensor->name);
    dho_tensor_to_float(tensor, &value);
    *out = expf(value);
    if (*out > 0 && isfinite(*out)) return DHO_OK;
    return dho_fail(DHO_ERR_FORMAT, "%s: tensor \"%.200s\": e^%g is no scale", path, tensor->name,
                    (double)value);
}

static dho_status sizes_of(const dho_clip_tensors *tensors, dho_text_tower_options *out)
{
    DHO_TRY(dho_clip_size(tensors, "token_embedding.weight", 2, 0, &out->vocabulary));
    DHO_TRY(dho_clip_size(tensors, "token_embedding.weight", 2, 1, &out->width));
    DHO_TRY(dho_clip_size(tensors, "positional_embedding", 2, 0, &out->positions));
    DHO_TRY(dho_clip_size(tensors, "text_projection", 2, 1, &out->embed));
    return dho_clip_layers(tensors, "", &out->layers);
}

static dho_status tell_sizes(const char *path, const dho_text_tower_options *found)
{
    dho_text_tower published;
    const dho_text_tower_options options = {.model = found->model};
    DHO_TRY(dho_text_tower_create(&published, &options));
    if (found->width != published.width || found->layers != published.layers ||
        found->embed != published.embed || found->vocabulary != published.vocabulary ||
        found->positions != published.positions)
        dho_info("%s: not the published text tower of %s: width %d, %d layers, embedding %d, %d "
                 "tokens, %d positions",
                 path, found->model, found->width, found->layers, found->embed, found->vocabulary,
                 found->positions);
    dho_text_tower_destroy(&published);
    return DHO_OK;
}

static dho_status open_tower(dho_clip_text *text, const dho_weights *weights)
{
    const char *path = dho_weights_path(weights);
    dho_clip_tensors tensors;
    dho_text_tower tower = {0};
    dho_init_report report;
    dho_status status;
    DHO_TRY(dho_clip_find_tower(weights, "token_embedding.weight", &tensors));
    DHO_TRY(read_scale(&tensors, &text->scale));
    DHO_TRY(sizes_of(&tensors, &text->options));
    if (dho_tokenizer_vocab_size(text->tokenizer) > (size_t)text->options.vocabulary)
        return dho_fail(DHO_ERR_CONFIG,
                        "%s: embeds %d tokens, the vocabulary of the merges has %zu", path,
                        text->options.vocabulary, dho_tokenizer_vocab_size(text->tokenizer));
    DHO_TRY(tell_sizes(path, &text->options));
    DHO_TRY_GOTO(dho_text_tower_create(&tower, &text->options));
    const size_t floats = dho_graph_parameter_floats(tower.graph);
    DHO_TRY_GOTO(dho_alloc_zero(&text->parameters, floats, sizeof(float), "text tower"));
    DHO_TRY_GOTO(dho_state_dict_init(weights, tower.graph, false, text->parameters, NULL, &report));
    text->crc = dho_crc32(0, text->parameters, floats * sizeof(float));
fail:
    dho_text_tower_destroy(&tower);
    return status;
}

dho_status dho_clip_text_open(dho_clip_text **out, const dho_clip_source *source,
                              const char *merges, dho_compute *compute, int batch)
{
    const dho_clip_preset *preset;
    dho_clip_text *text = NULL;
    dho_weights *weights = NULL;
    dho_status status;
    *out = NULL;
    DHO_TRY(dho_clip_find_preset(source->model, &preset));
    DHO_TRY_GOTO(dho_alloc_zero(&text, 1, sizeof *text, "text tower"));
    text->compute = compute;
    text->batch = batch;
    text->options.model = preset->name;
    DHO_TRY_GOTO(dho_tokenizer_open(&text->tokenizer, merges));
    DHO_TRY_GOTO(dho_weights_open(&weights, source->path, source->key));
    DHO_TRY_GOTO(open_tower(text, weights));
    *out = text;
    text = NULL;
fail:
    dho_weights_close(&weights);
    dho_clip_text_close(&text);
    return status;
}

void dho_clip_text_close(dho_clip_text **text)
{
    if (*text == NULL) return;
    dho_tokenizer_close(&(*text)->tokenizer);
    dho_free((*text)->parameters);
    dho_free(*text);
    *text = NULL;
}

int dho_clip_text_dim(const dho_clip_text *text)
{
    return text->options.embed;
}

float dho_clip_text_scale(const dho_clip_text *text)
{
    return text->scale;
}

uint32_t dho_clip_text_crc(const dho_clip_text *text)
{
    return text->crc;
}

/* --- encoding --- */

static dho_status tokenize(const dho_clip_text *text, const char *const *texts, id_rows *rows,
                           int64_t *out_cut)
{
    DHO_TRY(dho_alloc(&rows->ids, rows->count * rows->context, sizeof *rows->ids, "texts"));
    DHO_TRY(dho_alloc(&rows->ends, rows->count, sizeof *rows->ends, "texts"));
    for (size_t i = 0; i < rows->count; i++) {
        size_t needed;
        DHO_TRY(dho_tokenizer_encode(text->tokenizer, texts[i], strlen(texts[i]),
                                     rows->ids + i * rows->context, rows->context, &rows->ends[i],
                                     &needed));
        if (needed <= rows->context) continue;
        if (out_cut == NULL)
            return dho_fail(DHO_ERR_CONFIG, "\"%.80s...\" has %zu tokens, the model takes %zu",
                            texts[i], needed, rows->context);
        if (*out_cut < 0) *out_cut = (int64_t)i;
    }
    return DHO_OK;
}

/* The next texts, from *at on, that end in [low, high); the number of them, at most `batch`. */
static int pick(const id_rows *rows, size_t low, size_t high, int batch, size_t *at, size_t *picked)
{
    int count = 0;
    for (; *at < rows->count && count < batch; (*at)++)
        if (rows->ends[*at] >= low && rows->ends[*at] < high) picked[count++] = *at;
    return count;
}

typedef struct text_run {
    dho_text_tower tower;
    dho_executor *executor;
    float *ids;     /* owned, [batch][length] */
    size_t *picked; /* owned, [batch] */
} text_run;

static void run_free(text_run *run)
{
    dho_executor_destroy(&run->executor);
    dho_text_tower_destroy(&run->tower);
    dho_free(run->ids);
    dho_free(run->picked);
}

static dho_status run_open(const dho_clip_text *text, int length, text_run *run)
{
    dho_text_tower_options options = text->options;
    options.length = length;
    const size_t batch = (size_t)text->batch;
    DHO_TRY(dho_text_tower_create(&run->tower, &options));
    const dho_executor_options execution = {.compute = text->compute, .batch = text->batch};
    DHO_TRY(dho_executor_create(&run->executor, run->tower.graph, &execution));
    DHO_TRY(dho_alloc(&run->ids, batch * (size_t)length, sizeof *run->ids, "texts"));
    return dho_alloc(&run->picked, batch, sizeof *run->picked, "texts");
}

/* The texts whose end mark is at low .. length - 1. */
static dho_status encode_group(const dho_clip_text *text, const id_rows *rows, size_t low,
                               int length, float *out)
{
    const size_t dim = (size_t)text->options.embed;
    text_run run = {0};
    size_t at = 0;
    size_t any = 0;
    while (any < rows->count && (rows->ends[any] < low || rows->ends[any] >= (size_t)length)) any++;
    if (any == rows->count) return DHO_OK;
    dho_status status = run_open(text, length, &run);
    for (int count; status == DHO_OK &&
                    (count = pick(rows, low, (size_t)length, text->batch, &at, run.picked)) > 0;) {
        for (int b = 0; b < count; b++)
            for (int t = 0; t < length; t++)
                run.ids[b * length + t] =
                    (float)rows->ids[run.picked[b] * rows->context + (size_t)t];
        status = dho_executor_prepare(run.executor, count);
        if (status != DHO_OK) break;
        dho_executor_forward(run.executor, count, run.ids, text->parameters, NULL, NULL);
        const float *embedding = dho_executor_output(run.executor, run.tower.embedding);
        for (int b = 0; b < count; b++)
            memcpy(out + run.picked[b] * dim, embedding + (size_t)b * dim, dim * sizeof *out);
    }
    run_free(&run);
    return status;
}

dho_status dho_clip_text_encode(dho_clip_text *text, const char *const *texts, size_t count,
                                float *out, int64_t *out_cut)
{
    id_rows rows = {.count = count, .context = (size_t)text->options.positions};
    if (out_cut != NULL) *out_cut = -1;
    dho_status status = tokenize(text, texts, &rows, out_cut);
    for (size_t low = 0; status == DHO_OK && low < rows.context; low += LENGTH_STEP) {
        const size_t high = low + LENGTH_STEP < rows.context ? low + LENGTH_STEP : rows.context;
        status = encode_group(text, &rows, low, (int)high, out);
    }
    dho_free(rows.ids);
    dho_free(rows.ends);
    return status;
}
