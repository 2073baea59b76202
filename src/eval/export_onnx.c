#include "eval/export_onnx.h"

#include "dho/alloc.h"
#include "dho/log.h"
#include "eval/export_int8.h"
#include "eval/export_mask.h"
#include "nn/graph_onnx.h"

#include <assert.h>

/* What is written. */
typedef struct onnx_export {
    const dho_classifier *from;
    dho_student deployed;         /* owned: the student, with .deploy */
    bool *mask;                   /* owned, [classes]: classes that take part; NULL: all */
    dho_onnx_rounding *roundings; /* owned, of each value; NULL: floats */
    const char *const *about;
} onnx_export;

/* The student with .deploy, whose slabs are those of the model. */
static dho_status deploy(const dho_student *student, dho_student *out)
{
    const dho_student_options options = {
        .model = student->model,
        .width = student->width,
        .layers = student->layers,
        .image_size = student->image_size,
        .classes = student->classes,
        .dual_head = student->head_count == 2,
        .head_forms = {student->head_forms[0], student->head_forms[1]},
        .head_scale = student->head_scale,
        .head_hidden = {student->head_hidden[0], student->head_hidden[1]},
        .deploy = true};
    DHO_TRY(dho_student_create(out, &options));
    assert(dho_graph_parameter_floats(out->graph) == dho_graph_parameter_floats(student->graph));
    assert(dho_graph_buffer_floats(out->graph) == dho_graph_buffer_floats(student->graph));
    return DHO_OK;
}

/* softmax(logits / temperature) of the classes that take part. */
static const char *softmax(dho_onnx *onnx, const char *logits, double temperature,
                           const char *without)
{
    const char *x = logits;
    if (temperature != 1)
        x = dho_onnx_call(onnx, "Mul", x, dho_onnx_scalar(onnx, (float)(1 / temperature)));
    if (without != NULL) x = dho_onnx_call(onnx, "Add", x, without);
    return dho_onnx_call(onnx, "Softmax", x, NULL);
}

/* A constant that takes a class out of a softmax, to be added to its logits; NULL: all take part.
 */
static const char *add_mask(dho_onnx *onnx, const bool *mask, int64_t classes)
{
    float *values;
    if (mask == NULL) return NULL;
    const char *name = dho_onnx_constant(onnx, "class_mask", DHO_ONNX_FLOAT, 1, &classes, &values);
    for (int64_t c = 0; values != NULL && c < classes; c++) values[c] = mask[c] ? 0 : -1e30f;
    return name;
}

/* p = alpha softmax(ce) + (1 - alpha) softmax(kd / beta), or softmax(logits); of it softmax(log(p)
 * / T). */
static void add_heads(dho_onnx *onnx, const onnx_export *job, const char *const *names)
{
    const dho_classifier *from = job->from;
    const dho_student *student = &job->deployed;
    const bool dual = student->head_count == 2;
    const char *without = add_mask(onnx, job->mask, student->classes);
    const char *p = softmax(onnx, names[student->heads[0]], 1, without);
    if (dual) {
        const char *kd = softmax(onnx, names[student->heads[1]], from->beta, without);
        p = dho_onnx_call(onnx, "Mul", p, dho_onnx_scalar(onnx, (float)from->alpha));
        kd = dho_onnx_call(onnx, "Mul", kd, dho_onnx_scalar(onnx, (float)(1 - from->alpha)));
        p = dho_onnx_call(onnx, "Add", p, kd);
    }
    if (from->temperature != 1)
        p = softmax(onnx, dho_onnx_call(onnx, "Log", p, NULL), from->temperature, NULL);
    dho_onnx_output(
        onnx, p, "probabilities",
        dual ? "p = alpha softmax(ce) + (1 - alpha) softmax(kd / beta), at the temperature"
             : "softmax(logits / temperature)",
        student->classes);
    dho_onnx_output(onnx, names[student->heads[0]], dual ? "logits_ce" : "logits",
                    dual ? "of the head that learnt from labels" : "", student->classes);
    if (dual)
        dho_onnx_output(onnx, names[student->heads[1]], "logits_kd",
                        "of the head that learnt from the teacher", student->classes);
}

static dho_status write_file(const onnx_export *job, const char *path)
{
    const dho_student *student = &job->deployed;
    const dho_onnx_source source = {.graph = student->graph,
                                    .parameters = job->from->model.parameters,
                                    .buffers = job->from->model.buffers,
                                    .roundings = job->roundings,
                                    .last = student->features};
    const char **names = NULL;
    dho_onnx *onnx;
    dho_status status;
    DHO_TRY(dho_onnx_create(&onnx));
    DHO_TRY_GOTO(dho_alloc_zero(&names, (size_t)dho_graph_values(student->graph), sizeof *names,
                                "ONNX model"));
    DHO_TRY_GOTO(dho_graph_to_onnx(&source, onnx, names));
    add_heads(onnx, job, names);
    for (size_t i = 0; job->about[i] != NULL; i += 2)
        dho_onnx_metadata(onnx, job->about[i], job->about[i + 1]);
    if (job->roundings != NULL) dho_onnx_metadata(onnx, "int8", DHO_EXPORT_INT8_ABOUT);
    DHO_TRY_GOTO(dho_onnx_save(onnx, path));
    dho_info("%s: %s, width %d, %d classes%s: ONNX, %s", path, student->model, student->width,
             student->classes, student->head_count == 2 ? ", both heads" : "",
             job->roundings != NULL ? "8 bits" : "floats");
fail:
    dho_free(names);
    dho_onnx_destroy(&onnx);
    return status;
}

static dho_status prepare(onnx_export *job, const dho_export_options *options)
{
    DHO_TRY(deploy(&job->from->model.student, &job->deployed));
    if (options->classes != NULL)
        DHO_TRY(dho_export_read_mask(options->classes, &job->from->model, &job->mask));
    if (!options->int8) return DHO_OK;
    return dho_alloc_zero(&job->roundings, (size_t)dho_graph_values(job->deployed.graph),
                          sizeof *job->roundings, "ONNX model");
}

dho_status dho_export_onnx(dho_comm *comm, const dho_classifier *from, const char *path,
                           const dho_export_options *options, const char *const *about)
{
    onnx_export job = {.from = from, .about = about};
    dho_status status;
    DHO_TRY_GOTO(dho_comm_agree(comm, prepare(&job, options)));
    if (options->int8) {
        const dho_export_int8_options int8 = {.config = options->config,
                                              .images = options->images,
                                              .from = from,
                                              .deployed = &job.deployed};
        DHO_TRY_GOTO(dho_export_int8(&int8, comm, job.roundings));
    }
    status = dho_comm_agree(comm, dho_comm_rank(comm) == 0 ? write_file(&job, path) : DHO_OK);
fail:
    dho_student_destroy(&job.deployed);
    dho_free(job.mask);
    dho_free(job.roundings);
    return status;
}
