/* A classifier from a file of dho export. The file is from anybody: everything is checked. */
#include "eval/classifier_export.h"

#include "base/json.h"
#include "dho/alloc.h"
#include "dho/state_dict.h"

#include <stdlib.h>
#include <string.h>

enum { MAX_CLASSES = 1 << 20, MAX_WIDTH = 65536, MAX_LAYERS = 1024, MAX_SIDE = 65500 };

/* The metadata of one file. */
typedef struct reader {
    const dho_safetensors *file;
    const char *path;
} reader;

static dho_status bad_value(const reader *r, const char *key, const char *text)
{
    return dho_fail(DHO_ERR_FORMAT, "%s: metadata: %s is \"%.60s\"", r->path, key, text);
}

static dho_status require(const reader *r, const char *key, const char **out)
{
    *out = dho_safetensors_metadata(r->file, key);
    if (*out != NULL) return DHO_OK;
    return dho_fail(DHO_ERR_FORMAT,
                    "%s: its metadata has no \"%s\": is it a file of this version's dho export?",
                    r->path, key);
}

/* `count` numbers with blanks between them, low .. high. */
static dho_status read_numbers(const reader *r, const char *key, double low, double high,
                               double *out, size_t count)
{
    const char *text;
    DHO_TRY(require(r, key, &text));
    const char *at = text;
    for (size_t i = 0; i < count; i++) {
        char *end;
        out[i] = strtod(at, &end);
        if (end == at || !(out[i] >= low && out[i] <= high)) return bad_value(r, key, text);
        at = end;
    }
    return *at == '\0' ? DHO_OK : bad_value(r, key, text);
}

static dho_status read_integer(const reader *r, const char *key, int low, int high, int *out)
{
    double value = 0;
    DHO_TRY(read_numbers(r, key, low, high, &value, 1));
    *out = (int)value;
    return *out == value ? DHO_OK : bad_value(r, key, dho_safetensors_metadata(r->file, key));
}

/* A JSON list of texts. *inout_count: how many there must be; 0: any number, which it becomes. */
static dho_status read_names(const reader *r, const char *key, int *inout_count, char ***out)
{
    const char *text;
    json_t *list;
    dho_status status;
    DHO_TRY(require(r, key, &text));
    DHO_TRY(dho_json_parse(&list, text, strlen(text), r->path));
    const size_t count = json_array_size(list);
    if (count < 1 || count > MAX_CLASSES || (*inout_count > 0 && count != (size_t)*inout_count)) {
        status = dho_fail(DHO_ERR_FORMAT, "%s: metadata: %s has %zu names", r->path, key, count);
        goto fail;
    }
    *inout_count = (int)count;
    DHO_TRY_GOTO(dho_alloc_zero(out, count, sizeof **out, "class names"));
    for (size_t c = 0; c < count; c++) {
        const char *name = json_string_value(json_array_get(list, c));
        if (name == NULL) {
            status =
                dho_fail(DHO_ERR_FORMAT, "%s: metadata: %s: entry %zu is no text", r->path, key, c);
            goto fail;
        }
        DHO_TRY_GOTO(dho_strdup(&(*out)[c], name));
    }
fail:
    json_decref(list);
    return status;
}

/* "linear cosine": of each head. */
static dho_status read_forms(const reader *r, int heads, dho_head_form out[2])
{
    const char *text, *at;
    DHO_TRY(require(r, "head_forms", &text));
    at = text;
    for (int h = 0; h < heads; h++) {
        const size_t length = strcspn(at, " ");
        if (length == 6 && strncmp(at, "linear", 6) == 0)
            out[h] = DHO_HEAD_LINEAR;
        else if (length == 6 && strncmp(at, "cosine", 6) == 0)
            out[h] = DHO_HEAD_COSINE;
        else
            return bad_value(r, "head_forms", text);
        at += length + (at[length] == ' ');
    }
    return *at == '\0' ? DHO_OK : bad_value(r, "head_forms", text);
}

static dho_status read_heads(const reader *r, dho_student_options *out)
{
    double scale, hidden[2];
    const char *heads = dho_safetensors_metadata(r->file, "heads");
    if (heads == NULL)
        return dho_fail(DHO_ERR_FORMAT,
                        "%s: metadata: says of no head that dho can read: export with --head both, "
                        "ce or kd",
                        r->path);
    out->dual_head = strcmp(heads, "head_ce head_kd") == 0;
    DHO_TRY(read_forms(r, out->dual_head ? 2 : 1, out->head_forms));
    DHO_TRY(read_numbers(r, "head_scale", 1e-30, 1e30, &scale, 1));
    out->head_scale = (float)scale;
    if (dho_safetensors_metadata(r->file, "head_hidden") == NULL) return DHO_OK;
    DHO_TRY(read_numbers(r, "head_hidden", 0, MAX_WIDTH, hidden, 2));
    for (int h = 0; h < 2; h++) out->head_hidden[h] = (int)hidden[h];
    return DHO_OK;
}

static dho_status read_transform(const reader *r, int image_size, dho_eval_transform *out)
{
    const char *word;
    DHO_TRY(read_integer(r, "resize", image_size, MAX_SIDE, &out->resize_short));
    DHO_TRY(require(r, "interpolation", &word));
    for (out->filter = DHO_FILTER_BILINEAR; strcmp(dho_filter_name(out->filter), word) != 0;
         out->filter = DHO_FILTER_BICUBIC)
        if (out->filter == DHO_FILTER_BICUBIC) return bad_value(r, "interpolation", word);
    return DHO_OK;
}

static dho_status read_combination(const reader *r, dho_classifier *out)
{
    out->alpha = 0.5;
    out->beta = out->temperature = 1;
    if (dho_safetensors_metadata(r->file, "temperature") != NULL)
        DHO_TRY(read_numbers(r, "temperature", 1e-3, 1e3, &out->temperature, 1));
    if (dho_safetensors_metadata(r->file, "alpha") == NULL) return DHO_OK;
    DHO_TRY(read_numbers(r, "alpha", 0, 1, &out->alpha, 1));
    DHO_TRY(read_numbers(r, "beta", 1e-30, 1e30, &out->beta, 1));
    out->chosen = true;
    return DHO_OK;
}

/* What the metadata say: everything but the weights. */
static dho_status read_metadata(const reader *r, dho_student_options *options, dho_classifier *out)
{
    dho_model *model = &out->model;
    const char *method;
    double step;
    DHO_TRY(require(r, "model", &options->model));
    DHO_TRY(require(r, "method", &method));
    if (!dho_method_find(method, &out->method)) return bad_value(r, "method", method);
    DHO_TRY(read_integer(r, "width", 1, MAX_WIDTH, &options->width));
    if (dho_safetensors_metadata(r->file, "layers") != NULL)
        DHO_TRY(read_integer(r, "layers", 1, MAX_LAYERS, &options->layers));
    DHO_TRY(read_integer(r, "image_size", 1, MAX_SIDE, &options->image_size));
    DHO_TRY(read_numbers(r, "mean", -1e6, 1e6, model->mean, 3));
    DHO_TRY(read_numbers(r, "std", 1e-6, 1e6, model->std, 3));
    DHO_TRY(read_numbers(r, "step", 0, 9e15, &step, 1));
    out->step = (int64_t)step;
    DHO_TRY(read_heads(r, options));
    DHO_TRY(read_names(r, "class_names", &options->classes, &model->class_names));
    model->student.classes = options->classes; /* who frees the names must know */
    if (dho_safetensors_metadata(r->file, "class_titles") != NULL)
        DHO_TRY(read_names(r, "class_titles", &options->classes, &model->class_titles));
    DHO_TRY(read_transform(r, options->image_size, &out->transform));
    return read_combination(r, out);
}

/* A file that says it is of a giant is refused before the memory is asked for. */
static dho_status check_size(const dho_weights *weights, const dho_graph *graph)
{
    size_t bytes = 0;
    for (size_t i = 0; i < dho_weights_count(weights); i++)
        bytes += dho_weights_at(weights, i)->bytes;
    if (dho_graph_parameter_floats(graph) <= bytes) return DHO_OK;
    return dho_fail(DHO_ERR_FORMAT, "%s: is too small for the model that its metadata name",
                    dho_weights_path(weights));
}

static dho_status load_weights(const char *path, const dho_student_options *options, dho_model *out)
{
    dho_weights *weights = NULL;
    dho_init_report report;
    dho_status status;
    DHO_TRY_GOTO(dho_student_create(&out->student, options));
    const dho_graph *graph = out->student.graph;
    DHO_TRY_GOTO(dho_weights_open(&weights, path, NULL));
    DHO_TRY_GOTO(check_size(weights, graph));
    DHO_TRY_GOTO(dho_alloc_zero(&out->parameters, dho_graph_parameter_floats(graph), sizeof(float),
                                "parameters"));
    DHO_TRY_GOTO(
        dho_alloc_zero(&out->buffers, dho_graph_buffer_floats(graph), sizeof(float), "buffers"));
    DHO_TRY_GOTO(dho_state_dict_init(weights, graph, true, out->parameters, out->buffers, &report));
fail:
    dho_weights_close(&weights);
    return status;
}

static dho_status open_local(const char *path, dho_classifier *out)
{
    dho_safetensors *file;
    dho_student_options options = {0};
    DHO_TRY(dho_strdup(&out->source, path));
    DHO_TRY(dho_safetensors_open(&file, path));
    const reader r = {file, path};
    dho_status status = read_metadata(&r, &options, out);
    if (status == DHO_OK) status = load_weights(path, &options, &out->model);
    dho_safetensors_close(&file);
    return status;
}

dho_status dho_classifier_open_export(dho_comm *comm, const char *path, dho_classifier *out)
{
    dho_status status;
    DHO_TRY_GOTO(dho_comm_agree(comm, dho_input_status(open_local(path, out))));
    const dho_graph *graph = out->model.student.graph;
    DHO_TRY_GOTO(dho_comm_check_equal(comm, out->model.parameters,
                                      dho_graph_parameter_floats(graph) * sizeof(float), path));
    DHO_TRY_GOTO(dho_comm_check_equal(comm, out->model.buffers,
                                      dho_graph_buffer_floats(graph) * sizeof(float), path));
fail:
    if (status != DHO_OK) dho_classifier_close(out);
    return status;
}
