#include "eval/export_about.h"

#include "base/json.h"
#include "dho/distill.h"

#include <stdio.h>
#include <stdlib.h>

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

static void add(dho_export_about *about, size_t *count, const char *key, const char *value)
{
    about->list[(*count)++] = key;
    about->list[(*count)++] = value;
    about->list[*count] = NULL;
}

static void add_number(dho_export_about *about, size_t *count, const char *key, double value,
                       char *text, size_t bytes)
{
    snprintf(text, bytes, "%.9g", value);
    add(about, count, key, text);
}

static void add_triple(dho_export_about *about, size_t *count, const char *key, const double v[3],
                       char text[96])
{
    snprintf(text, 96, "%.9g %.9g %.9g", v[0], v[1], v[2]);
    add(about, count, key, text);
}

/* Of the probabilities that a file with this head has. */
static double temperature_of(const dho_classifier *from, dho_export_head head)
{
    if (head == DHO_EXPORT_BOTH || from->model.student.head_count == 1) return from->temperature;
    return from->head_temperatures[head == DHO_EXPORT_KD];
}

/* What the prediction is made of beside the weights. */
static void add_prediction(dho_export_about *out, size_t *count, const dho_classifier *from,
                           dho_export_head head)
{
    const dho_model *model = &from->model;
    add_number(out, count, "image_size", model->student.image_size, out->size, sizeof out->size);
    add_number(out, count, "resize", from->transform.resize_short, out->resize, sizeof out->resize);
    add(out, count, "interpolation", dho_filter_name(from->transform.filter));
    add_triple(out, count, "mean", model->mean, out->mean);
    add_triple(out, count, "std", model->std, out->std);
    if (head != DHO_EXPORT_NONE)
        add_number(out, count, "temperature", temperature_of(from, head), out->temperature,
                   sizeof out->temperature);
    if (model->student.head_count < 2 || !(from->chosen || out->has_alpha)) return;
    add_number(out, count, "alpha", from->alpha, out->alpha, sizeof out->alpha);
    add_number(out, count, "beta", from->beta, out->beta, sizeof out->beta);
}

dho_export_head dho_export_lone_head(const dho_classifier *from)
{
    return dho_method_combines(from->method) ? DHO_EXPORT_KD : DHO_EXPORT_CE;
}

static const char *form_word(const dho_student *student, int head)
{
    return student->head_forms[head] == DHO_HEAD_COSINE ? "cosine" : "linear";
}

/* The heads as dho_classifier_open reads them; `heads` NULL: there is none that it could. */
static void add_heads(dho_export_about *out, size_t *count, const dho_student *student,
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
    if (student->head_hidden[0] > 0 || student->head_hidden[1] > 0) {
        snprintf(out->hidden, sizeof out->hidden, "%d %d", student->head_hidden[0],
                 student->head_hidden[1]);
        add(out, count, "head_hidden", out->hidden);
    }
    add_number(out, count, "head_scale", (double)student->head_scale, out->scale,
               sizeof out->scale);
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

dho_status dho_export_describe(dho_export_about *out, const dho_classifier *from,
                               dho_export_head head, bool folded, bool with_alpha)
{
    const dho_model *model = &from->model;
    const dho_student *student = &model->student;
    size_t count = 0;
    *out = (dho_export_about){.has_alpha = with_alpha};
    describe_head(student, head, out->form);
    snprintf(out->step, sizeof out->step, "%lld", (long long)from->step);
    DHO_TRY(format_names(model->class_names, student->classes, &out->class_names));
    if (model->class_titles != NULL)
        DHO_TRY(format_names(model->class_titles, student->classes, &out->class_titles));
    add(out, &count, "format", "pt");
    add(out, &count, "model", student->model);
    add(out, &count, "method", dho_method_name(from->method));
    add(out, &count, "step", out->step);
    if (from->ema) add(out, &count, "weights", "ema");
    add_number(out, &count, "width", student->width, out->width, sizeof out->width);
    if (student->layers > 0)
        add_number(out, &count, "layers", student->layers, out->layers, sizeof out->layers);
    add(out, &count, "head", out->form);
    if (head != DHO_EXPORT_NONE && !folded) add_heads(out, &count, student, head);
    add_prediction(out, &count, from, head);
    add(out, &count, "class_names", out->class_names);
    if (out->class_titles != NULL) add(out, &count, "class_titles", out->class_titles);
    return DHO_OK;
}

void dho_export_about_free(dho_export_about *about)
{
    free(about->class_names);
    free(about->class_titles);
    *about = (dho_export_about){0};
}
