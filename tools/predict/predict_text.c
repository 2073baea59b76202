/* JSON lines and CSV. */
#include "base/json.h"
#include "predict/predict_result.h"

#include <stdlib.h>
#include <string.h>

/* Probabilities are shown with so many digits. */
enum { DIGITS = 6 };

static bool is_dual(const dho_result_maker *maker)
{
    return maker->classifier->model.student.head_count == 2;
}

/* The class that an image is of, in full: {"index":..., "class":..., "name":..., "p":...}. */
static json_t *likely_json(const dho_result_maker *maker, const dho_likely *likely)
{
    const dho_model *model = &maker->classifier->model;
    const int c = likely->class_index;
    json_t *out = json_pack("{s:i, s:s}", "index", c, "class", model->class_names[c]);
    if (model->class_titles != NULL)
        json_object_set_new(out, "name", json_string(model->class_titles[c]));
    json_object_set_new(out, "p", json_real(likely->p));
    if (!is_dual(maker)) return out;
    json_object_set_new(out, "ce", json_real((double)likely->ce));
    json_object_set_new(out, "kd", json_real((double)likely->kd));
    return out;
}

dho_status dho_result_add_json(const dho_result_maker *maker, const dho_result *result,
                               dho_text *out)
{
    json_t *line = json_pack("{s:s}", "path", result->path), *top = json_array();
    if (result->error != NULL)
        json_object_set_new(line, "error", json_string(result->error));
    else
        json_object_set(line, "top", top);
    for (int i = 0; i < result->count; i++)
        json_array_append_new(top, likely_json(maker, &result->top[i]));
    if (result->error == NULL && maker->reject == DHO_REJECT_ENERGY)
        json_object_set_new(line, "energy", json_real(result->score));
    if (result->error == NULL && maker->reject != DHO_REJECT_NEVER)
        json_object_set_new(line, "accepted", json_boolean(result->accepted));
    char *text = json_dumps(line, JSON_COMPACT | JSON_REAL_PRECISION(DIGITS));
    json_decref(top);
    json_decref(line);
    if (text == NULL)
        return dho_fail(DHO_ERR_MEMORY, "%s: cannot format the prediction", result->path);
    dho_text_append(out, text, strlen(text));
    dho_text_append(out, "\n", 1);
    free(text);
    return out->status;
}

/* RFC 4180: in quotes where it has to be. */
static void add_field(dho_text *out, const char *value)
{
    if (strpbrk(value, ",\"\r\n") == NULL) {
        dho_text_append(out, value, strlen(value));
        return;
    }
    dho_text_append(out, "\"", 1);
    for (const char *c = value; *c != '\0'; c++)
        dho_text_append(out, *c == '"' ? "\"\"" : c, *c == '"' ? 2 : 1);
    dho_text_append(out, "\"", 1);
}

void dho_result_add_csv_head(const dho_result_maker *maker, dho_text *out)
{
    dho_text_add(out, "path,error");
    if (maker->reject == DHO_REJECT_ENERGY) dho_text_add(out, ",energy");
    if (maker->reject != DHO_REJECT_NEVER) dho_text_add(out, ",accepted");
    for (int i = 1; i <= maker->top; i++) {
        dho_text_add(out, ",class_%d", i);
        if (maker->classifier->model.class_titles != NULL) dho_text_add(out, ",name_%d", i);
        dho_text_add(out, ",p_%d", i);
        if (is_dual(maker)) dho_text_add(out, ",ce_%d,kd_%d", i, i);
    }
    dho_text_add(out, "\n");
}

static void add_likely(const dho_result_maker *maker, const dho_likely *likely, dho_text *out)
{
    const dho_model *model = &maker->classifier->model;
    dho_text_add(out, ",");
    if (likely != NULL) add_field(out, model->class_names[likely->class_index]);
    if (model->class_titles != NULL) {
        dho_text_add(out, ",");
        if (likely != NULL) add_field(out, model->class_titles[likely->class_index]);
    }
    if (likely == NULL)
        dho_text_add(out, is_dual(maker) ? ",,," : ",");
    else if (is_dual(maker))
        dho_text_add(out, ",%.*g,%.*g,%.*g", DIGITS, likely->p, DIGITS, (double)likely->ce, DIGITS,
                     (double)likely->kd);
    else
        dho_text_add(out, ",%.*g", DIGITS, likely->p);
}

void dho_result_add_csv(const dho_result_maker *maker, const dho_result *result, dho_text *out)
{
    const bool read = result->error == NULL;
    add_field(out, result->path);
    dho_text_add(out, ",");
    if (!read) add_field(out, result->error);
    if (maker->reject == DHO_REJECT_ENERGY && read)
        dho_text_add(out, ",%.*g", DIGITS, result->score);
    else if (maker->reject == DHO_REJECT_ENERGY)
        dho_text_add(out, ",");
    if (maker->reject != DHO_REJECT_NEVER)
        dho_text_add(out, ",%s", !read ? "" : result->accepted ? "true" : "false");
    for (int i = 0; i < maker->top; i++) add_likely(maker, read ? &result->top[i] : NULL, out);
    dho_text_add(out, "\n");
}
