/* A checkpoint's student as one safetensors file, with what an evaluation says of its two heads. */
#include "dho/export.h"

#include "base/json.h"
#include "dho/alloc.h"
#include "dho/classifier.h"
#include "dho/log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_TEXTS = 48 };

/* Metadata of the file: texts, key and value in turn, NULL at the end. */
typedef struct export_about {
    const char *list[MOST_TEXTS];
    char mean[96], std[96], size[16], width[16], layers[16], alpha[32], beta[32];
    char step[32], resize[16], forms[32], scale[32];
    char *class_names, *class_titles; /* Jansson's memory: JSON lists */
} export_about;

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

static void add_number(export_about *about, size_t *count, const char *key, double value,
                       char *text, size_t bytes)
{
    snprintf(text, bytes, "%.9g", value);
    add(about, count, key, text);
}

static void add_triple(export_about *about, size_t *count, const char *key, const double v[3],
                       char text[96])
{
    snprintf(text, 96, "%.9g %.9g %.9g", v[0], v[1], v[2]);
    add(about, count, key, text);
}

/* What the prediction is made of beside the weights. */
static void add_prediction(export_about *out, size_t *count, const dho_classifier *from)
{
    const dho_model *model = &from->model;
    add_number(out, count, "image_size", model->student.image_size, out->size, sizeof out->size);
    add_number(out, count, "resize", from->transform.resize_short, out->resize, sizeof out->resize);
    add(out, count, "interpolation", dho_filter_name(from->transform.filter));
    add_triple(out, count, "mean", model->mean, out->mean);
    add_triple(out, count, "std", model->std, out->std);
    if (!from->chosen) return;
    add_number(out, count, "alpha", from->alpha, out->alpha, sizeof out->alpha);
    add_number(out, count, "beta", from->beta, out->beta, sizeof out->beta);
}

static const char *form_word(const dho_student *student, int head)
{
    return student->head_forms[head] == DHO_HEAD_COSINE ? "cosine" : "linear";
}

/* The heads as dho_classifier_open reads them; `heads` NULL: there is none that it could. */
static void add_heads(export_about *out, size_t *count, const dho_student *student,
                      dho_export_head head)
{
    const char *heads =
        head == DHO_EXPORT_BOTH ? "head_ce head_kd" : dho_export_head_name(student, head);
    if (head == DHO_EXPORT_BOTH)
        snprintf(out->forms, sizeof out->forms, "%s %s", form_word(student, 0),
                 form_word(student, 1));
    else
        snprintf(out->forms, sizeof out->forms, "%s", form_word(student, head == DHO_EXPORT_KD));
    add(out, count, "heads", heads);
    add(out, count, "head_forms", out->forms);
    add_number(out, count, "head_scale", (double)student->head_scale, out->scale,
               sizeof out->scale);
}

static dho_status describe(export_about *out, const dho_classifier *from, dho_export_head head,
                           bool folded, const char *form)
{
    const dho_model *model = &from->model;
    const dho_student *student = &model->student;
    size_t count = 0;
    *out = (export_about){0};
    snprintf(out->step, sizeof out->step, "%lld", (long long)from->step);
    DHO_TRY(format_names(model->class_names, student->classes, &out->class_names));
    if (model->class_titles != NULL)
        DHO_TRY(format_names(model->class_titles, student->classes, &out->class_titles));
    add(out, &count, "format", "pt");
    add(out, &count, "model", student->model);
    add(out, &count, "method", dho_method_name(from->method));
    add(out, &count, "step", out->step);
    add_number(out, &count, "width", student->width, out->width, sizeof out->width);
    if (student->layers > 0)
        add_number(out, &count, "layers", student->layers, out->layers, sizeof out->layers);
    add(out, &count, "head", form);
    if (from->ema) add(out, &count, "weights", "ema");
    if (head != DHO_EXPORT_NONE && !folded) add_heads(out, &count, student, head);
    add_prediction(out, &count, from);
    add(out, &count, "class_names", out->class_names);
    if (out->class_titles != NULL) add(out, &count, "class_titles", out->class_titles);
    return DHO_OK;
}

static void about_free(export_about *about)
{
    free(about->class_names);
    free(about->class_titles);
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
static dho_status write_file(const dho_classifier *from, const char *path,
                             const dho_export_options *options)
{
    const dho_student *student = &from->model.student;
    dho_export_list list = {0};
    export_about about = {0};
    dho_export_head head;
    char form[64], as[128];
    dho_status status;
    DHO_TRY(choose_head(options->head, student, &head));
    DHO_TRY_GOTO(dho_export_list_build(&list, &from->model, head, options->names, from->step));
    describe_head(student, head, form);
    DHO_TRY_GOTO(describe(&about, from, head, list.folded, form));
    DHO_TRY_GOTO(dho_safetensors_save(path, list.tensors, list.count, about.list, NULL));
    if (head == DHO_EXPORT_NONE || head == DHO_EXPORT_BOTH)
        snprintf(as, sizeof as, "%s", head == DHO_EXPORT_NONE ? "no head" : "head_ce and head_kd");
    else
        snprintf(as, sizeof as, "%s as %s", dho_export_head_name(student, head),
                 list.folded ? "one layer with the projection" : list.classifier);
    dho_info("%s: %s, width %d, %d classes, %s: %zu tensors", path, student->model, student->width,
             student->classes, as, list.count);
    if (strcmp(form, "linear") != 0 && (head == DHO_EXPORT_CE || head == DHO_EXPORT_KD))
        dho_warn("%s: this head is %s, which a plain linear layer does not compute", path, form);
    if (head == DHO_EXPORT_BOTH && !from->chosen)
        dho_warn(
            "%s: alpha and beta of the two heads are not in it: there is no evaluation of this "
            "checkpoint (dho eval)",
            path);
    DHO_TRY_GOTO(tell_size(path, student));
fail:
    about_free(&about);
    dho_export_list_free(&list);
    return status;
}

dho_status dho_export(dho_comm *comm, const dho_checkpoint_choice *choice, const char *path,
                      const dho_export_options *options)
{
    dho_classifier from;
    const bool first = dho_comm_rank(comm) == 0;
    DHO_TRY(dho_comm_agree(comm, first ? dho_safetensors_check_place("--out", path) : DHO_OK));
    DHO_TRY(dho_classifier_open_checkpoint(comm, choice, &from));
    const dho_status status = first ? write_file(&from, path, options) : DHO_OK;
    dho_classifier_close(&from);
    return dho_comm_agree(comm, status);
}
