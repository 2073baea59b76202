/* A checkpoint's student as one safetensors file, with what an evaluation says of its two heads. */
#include "dho/export.h"

#include "base/json.h"
#include "dho/alloc.h"
#include "dho/checkpoint.h"
#include "dho/distill.h"
#include "dho/evaluation.h"
#include "dho/file.h"
#include "dho/log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_TEXTS = 32 };

/* Metadata of the file: texts, key and value in turn, NULL at the end. */
typedef struct export_about {
    const char *list[MOST_TEXTS];
    char mean[96], std[96], size[16], width[16], layers[16], alpha[32], beta[32];
    char *class_names; /* Jansson's memory: a JSON list */
    bool has_alpha;    /* the run's evaluation is of this checkpoint */
} export_about;

/* Texts of alpha and beta, from the eval.json of the checkpoint's run when it is of this
 * checkpoint. */
static dho_status find_alpha(const char *checkpoint, const dho_checkpoint_info *info,
                             export_about *out)
{
    static const char *const places[] = {".", "../.."}; /* RUN, or RUN/checkpoints/step-N */
    dho_evaluation found = {0};
    dho_status status = DHO_ERR_CONFIG; /* there is none */
    if (!dho_method_is_dual(info->method)) return DHO_OK;
    for (size_t i = 0; i < sizeof places / sizeof *places && status == DHO_ERR_CONFIG; i++) {
        char *run;
        DHO_TRY(dho_path_join(&run, checkpoint, places[i]));
        status = dho_evaluation_load(&found, run);
        dho_free(run);
    }
    out->has_alpha = status == DHO_OK && found.dual && found.step == info->step &&
                     found.ema == info->is_ema && found.method != NULL &&
                     strcmp(found.method, dho_method_name(info->method)) == 0;
    if (out->has_alpha) {
        snprintf(out->alpha, sizeof out->alpha, "%.9g", found.alpha);
        snprintf(out->beta, sizeof out->beta, "%.9g", found.beta);
    }
    dho_evaluation_free(&found);
    return status == DHO_ERR_CONFIG ? DHO_OK : status;
}

static dho_status format_names(char *const *names, int classes, char **out)
{
    json_t *list = json_array();
    int failed = list == NULL;
    for (int c = 0; c < classes && !failed; c++)
        failed = json_array_append_new(list, json_string(names[c]));
    *out = failed ? NULL : json_dumps(list, JSON_COMPACT);
    json_decref(list);
    return *out != NULL ? DHO_OK : dho_fail(DHO_ERR_MEMORY, "class names: cannot format");
}

static void add(export_about *about, size_t *count, const char *key, const char *value)
{
    about->list[(*count)++] = key;
    about->list[(*count)++] = value;
    about->list[*count] = NULL;
}

static dho_status describe(export_about *out, const dho_model *model,
                           const dho_checkpoint_info *info, const char *checkpoint,
                           const char *head)
{
    size_t count = 0;
    *out = (export_about){0};
    snprintf(out->mean, sizeof out->mean, "%.9g %.9g %.9g", info->mean[0], info->mean[1],
             info->mean[2]);
    snprintf(out->std, sizeof out->std, "%.9g %.9g %.9g", info->std[0], info->std[1], info->std[2]);
    snprintf(out->size, sizeof out->size, "%d", info->image_size);
    snprintf(out->width, sizeof out->width, "%d", info->width);
    snprintf(out->layers, sizeof out->layers, "%d", info->layers);
    DHO_TRY(find_alpha(checkpoint, info, out));
    DHO_TRY(format_names(model->class_names, model->student.classes, &out->class_names));
    add(out, &count, "format", "pt");
    add(out, &count, "model", model->student.model);
    add(out, &count, "method", dho_method_name(info->method));
    add(out, &count, "width", out->width);
    if (info->layers > 0) add(out, &count, "layers", out->layers);
    add(out, &count, "image_size", out->size);
    add(out, &count, "mean", out->mean);
    add(out, &count, "std", out->std);
    add(out, &count, "head", head);
    if (info->is_ema) add(out, &count, "weights", "ema");
    add(out, &count, "class_names", out->class_names);
    if (out->has_alpha) add(out, &count, "alpha", out->alpha);
    if (out->has_alpha) add(out, &count, "beta", out->beta);
    return DHO_OK;
}

static void about_free(export_about *about)
{
    free(about->class_names);
    *about = (export_about){0};
}

/* Warns of a model that no other tool has, and says who can load it. */
static dho_status tell_size(const char *path, const dho_student *student)
{
    dho_student published;
    char depth[48] = "", usual[48] = "";
    const dho_student_options options = {
        .model = student->model, .image_size = student->image_size, .classes = 1};
    DHO_TRY(dho_student_create(&published, &options));
    const int width = published.width, layers = published.layers;
    dho_student_destroy(&published);
    if (width == student->width && layers == student->layers) return DHO_OK;
    if (layers != student->layers) {
        snprintf(depth, sizeof depth, " and %d layers", student->layers);
        snprintf(usual, sizeof usual, " and %d", layers);
    }
    dho_warn("%s: of width %d%s, where the published %s has %d%s: torchvision, timm and "
             "transformers have no such model; dho has (student.model, .width, .layers, .init)",
             path, student->width, depth, student->model, width, usual);
    return DHO_OK;
}

/* The only head, or kd, when none is named. */
static dho_status choose_head(dho_export_head asked, const dho_student *student,
                              dho_export_head *out)
{
    const bool dual = student->head_count == 2;
    *out = asked;
    if (asked == DHO_EXPORT_DEFAULT) *out = dual ? DHO_EXPORT_KD : DHO_EXPORT_CE;
    if (asked == DHO_EXPORT_DEFAULT || asked == DHO_EXPORT_NONE || dual) return DHO_OK;
    return dho_fail(DHO_ERR_CONFIG, "--head %s: this student has one head only",
                    asked == DHO_EXPORT_CE   ? "ce"
                    : asked == DHO_EXPORT_KD ? "kd"
                                             : "both");
}

/* How logits come from features: "linear", or "cosine 100 (W f/|f| + b)". */
static void describe_head(const dho_student *student, dho_export_head head, char out[64])
{
    const dho_head_form *forms = student->head_forms;
    const bool cosine = forms[head == DHO_EXPORT_KD] == DHO_HEAD_COSINE;
    if (head == DHO_EXPORT_BOTH)
        snprintf(out, 64, "ce %s, kd %s, cosine: %g (W f/|f| + b)",
                 forms[0] == DHO_HEAD_COSINE ? "cosine" : "linear",
                 forms[1] == DHO_HEAD_COSINE ? "cosine" : "linear", (double)student->head_scale);
    else if (cosine)
        snprintf(out, 64, "cosine %g (W f/|f| + b)", (double)student->head_scale);
    else
        snprintf(out, 64, "linear");
}

/* Rank 0 writes. */
static dho_status write_file(const dho_model *model, const dho_checkpoint_info *info,
                             const char *checkpoint, const char *path,
                             const dho_export_options *options)
{
    dho_export_list list = {0};
    export_about about = {0};
    dho_export_head head;
    char form[64], as[128];
    dho_status status;
    DHO_TRY(choose_head(options->head, &model->student, &head));
    DHO_TRY_GOTO(dho_export_list_build(&list, model, head, options->names, info->step));
    describe_head(&model->student, head, form);
    DHO_TRY_GOTO(describe(&about, model, info, checkpoint, form));
    DHO_TRY_GOTO(dho_safetensors_save(path, list.tensors, list.count, about.list, NULL));
    if (head == DHO_EXPORT_NONE || head == DHO_EXPORT_BOTH)
        snprintf(as, sizeof as, "%s", head == DHO_EXPORT_NONE ? "no head" : "head_ce and head_kd");
    else
        snprintf(as, sizeof as, "%s as %s", dho_export_head_name(&model->student, head),
                 list.folded ? "one layer with the projection" : list.classifier);
    dho_info("%s: %s, width %d, %d classes, %s: %zu tensors", path, model->student.model,
             info->width, info->classes, as, list.count);
    if (strcmp(form, "linear") != 0 && (head == DHO_EXPORT_CE || head == DHO_EXPORT_KD))
        dho_warn("%s: this head is %s, which a plain linear layer does not compute", path, form);
    if (head == DHO_EXPORT_BOTH && !about.has_alpha)
        dho_warn(
            "%s: alpha and beta of the two heads are not in it: there is no evaluation of this "
            "checkpoint (dho eval)",
            path);
    DHO_TRY_GOTO(tell_size(path, &model->student));
fail:
    about_free(&about);
    dho_export_list_free(&list);
    return status;
}

dho_status dho_export(dho_comm *comm, const dho_checkpoint_choice *choice, const char *path,
                      const dho_export_options *options)
{
    dho_model model;
    dho_checkpoint_info info;
    const bool first = dho_comm_rank(comm) == 0;
    DHO_TRY(dho_comm_agree(comm, first ? dho_safetensors_check_place("--out", path) : DHO_OK));
    DHO_TRY(dho_checkpoint_open_model(comm, choice, false, &model, &info));
    const dho_status status =
        first ? write_file(&model, &info, choice->path, path, options) : DHO_OK;
    dho_checkpoint_info_free(&info);
    dho_model_destroy(&model);
    return dho_comm_agree(comm, status);
}
