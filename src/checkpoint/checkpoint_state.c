#define _GNU_SOURCE
#include "checkpoint/checkpoint_state.h"

#include "base/json.h"
#include "dho/alloc.h"
#include "dho/distill.h"
#include "dho/file.h"
#include "dho/safetensors.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* Version 1: the bias of a cosine head is added after the factor. Versions 1 and 2: `settings` has
 * all keys, and those that do not decide numbers, compute.dtype among them, at fixed values. */
#define MAX_STATE_BYTES ((size_t)64 << 20)
enum { STATE_VERSION = 3, FIRST_VERSION = 1, MAX_CLASSES = 1 << 20 };

static const char *const file_names[DHO_CHECKPOINT_FILES] = {
    DHO_CHECKPOINT_MODEL, DHO_CHECKPOINT_OPTIMIZER, DHO_CHECKPOINT_EMA_FILE};

dho_status dho_checkpoint_file_measure(const char *folder, const char *name,
                                       dho_checkpoint_file *out)
{
    char *path;
    struct stat info;
    DHO_TRY(dho_path_join(&path, folder, name));
    const int failed = stat(path, &info);
    dho_free(path);
    if (failed != 0) return dho_fail(DHO_ERR_FORMAT, "%s/%s: is missing", folder, name);
    out->bytes = (uint64_t)info.st_size;
    return DHO_OK;
}

/* *out: json_decref. */
static dho_status pack_names(char *const *names, int classes, json_t **out)
{
    *out = json_array();
    for (int c = 0; c < classes; c++) {
        if (json_array_append_new(*out, json_string(names[c])) == 0) continue;
        json_decref(*out);
        *out = NULL;
        return dho_fail(DHO_ERR_CONFIG, "class %d: its name is not UTF-8 text", c);
    }
    return DHO_OK;
}

dho_status dho_checkpoint_state_save(const char *folder, const dho_checkpoint_info *info,
                                     const dho_checkpoint_file files[DHO_CHECKPOINT_FILES])
{
    char fingerprint[32];
    char *path;
    DHO_TRY(dho_path_join(&path, folder, DHO_CHECKPOINT_STATE));
    /* As text: JSON readers know 53 bits only. */
    snprintf(fingerprint, sizeof fingerprint, "%016" PRIx64, info->dataset_fingerprint);
    json_t *names = NULL, *titles = NULL;
    dho_status status = pack_names(info->class_names, info->classes, &names);
    if (status == DHO_OK && info->class_titles != NULL)
        status = pack_names(info->class_titles, info->classes, &titles);
    if (status != DHO_OK) {
        json_decref(names);
        dho_free(path);
        return status;
    }
    json_t *state = json_pack(
        "{s:i, s:I, s:I, s:s, s:s, s:i, s:i, s:i, s:o, s:o, s:s, s:I, s:s, s:s, s:o}", "version",
        STATE_VERSION, "step", (json_int_t)info->step, "total_steps", (json_int_t)info->total_steps,
        "method", dho_method_name(info->method), "model", info->model, "width", info->width,
        "image_size", info->image_size, "classes", info->classes, "mean",
        dho_json_triple(info->mean), "std", dho_json_triple(info->std), "dataset_fingerprint",
        fingerprint, "labelled_crc32", (json_int_t)info->labelled_crc, "teacher", info->teacher,
        "settings", info->settings, "class_names", names);
    json_object_set_new(
        state, "heads",
        json_pack("{s:[b,b], s:f}", "cosine", info->head_forms[0] == DHO_HEAD_COSINE,
                  info->head_forms[1] == DHO_HEAD_COSINE, "scale", info->head_scale));
    if (info->head_hidden[0] > 0 || info->head_hidden[1] > 0)
        json_object_set_new(json_object_get(state, "heads"), "hidden",
                            json_pack("[i, i]", info->head_hidden[0], info->head_hidden[1]));
    json_t *list = json_object();
    for (int i = 0; i < DHO_CHECKPOINT_FILES; i++)
        if (files[i].written)
            json_object_set_new(list, file_names[i],
                                json_pack("{s:I, s:I}", "bytes", (json_int_t)files[i].bytes,
                                          "crc32", (json_int_t)files[i].crc));
    dho_checkpoint_standing_save(state, &info->standing);
    if (info->spike_step > 0)
        json_object_set_new(state, "spike_step", json_integer(info->spike_step));
    if (titles != NULL) json_object_set_new(state, "class_titles", titles);
    if (state == NULL || json_object_set_new(state, "layers", json_integer(info->layers)) != 0 ||
        json_object_set_new(state, "files", list) != 0)
        status = dho_fail(DHO_ERR_MEMORY, "%s: cannot format", path);
    else
        status = dho_json_save_sealed(state, path);
    json_decref(state);
    dho_free(path);
    return status;
}

static dho_status damaged(const char *path, const char *what)
{
    return dho_fail(DHO_ERR_FORMAT, "%s/%s: %s", path, DHO_CHECKPOINT_STATE, what);
}

static bool read_triple(const json_t *list, double out[3])
{
    if (json_array_size(list) != 3) return false;
    for (size_t i = 0; i < 3; i++) out[i] = json_number_value(json_array_get(list, i));
    return out[0] == out[0];
}

static dho_status read_names(const char *path, const json_t *names, int classes, char ***out)
{
    if (json_array_size(names) != (size_t)classes)
        return damaged(path, "classes and class_names do not agree");
    DHO_TRY(dho_alloc_zero(out, (size_t)classes, sizeof(char *), "class names"));
    for (int c = 0; c < classes; c++) {
        const char *name = json_string_value(json_array_get(names, (size_t)c));
        if (name == NULL) return damaged(path, "class_names holds something that is no text");
        DHO_TRY(dho_strdup(&(*out)[c], name));
    }
    return DHO_OK;
}

static bool in_range(json_int_t value, int64_t low, int64_t high)
{
    return value >= low && value <= high;
}

/* "heads": auto where a checkpoint, written before that could be chosen, does not say. */
static bool read_heads(const json_t *state, dho_checkpoint_info *out)
{
    const json_t *heads = json_object_get(state, "heads");
    if (heads == NULL) return true;
    const json_t *cosine = json_object_get(heads, "cosine");
    if (json_array_size(cosine) != 2) return false;
    const json_t *hidden = json_object_get(heads, "hidden"); /* of heads that have such layers */
    for (size_t h = 0; h < 2; h++) {
        out->head_forms[h] =
            json_is_true(json_array_get(cosine, h)) ? DHO_HEAD_COSINE : DHO_HEAD_LINEAR;
        const json_int_t channels = json_integer_value(json_array_get(hidden, h));
        if (!in_range(channels, 0, 65536)) return false;
        out->head_hidden[h] = (int)channels;
    }
    out->head_scale = json_number_value(json_object_get(heads, "scale"));
    return out->head_scale >= 0 && out->head_scale < 1e30; /* 0: the default */
}

static dho_status read_fields(const char *path, json_t *state, dho_checkpoint_info *out)
{
    json_int_t version, step, total, width, image_size, classes, labelled_crc;
    const char *method, *model, *fingerprint, *teacher, *settings, *set;
    json_t *mean, *std, *names;
    json_error_t error;
    const int failed = json_unpack_ex(
        state, &error, 0,
        "{s:I, s:I, s:I, s:s, s:s, s:I, s:I, s:I, s:o, s:o, s:s, s:I, s:s, s:s, s:o}", "version",
        &version, "step", &step, "total_steps", &total, "method", &method, "model", &model, "width",
        &width, "image_size", &image_size, "classes", &classes, "mean", &mean, "std", &std,
        "dataset_fingerprint", &fingerprint, "labelled_crc32", &labelled_crc, "teacher", &teacher,
        "settings", &settings, "class_names", &names);
    if (failed != 0) return damaged(path, error.text);
    if (!in_range(version, FIRST_VERSION, STATE_VERSION))
        return damaged(path, "is of another version of dho");
    /* Students without transformers were there first. */
    const json_int_t layers = json_integer_value(json_object_get(state, "layers"));
    if (!in_range(step, 0, INT64_MAX) || !in_range(total, 0, INT64_MAX) ||
        !in_range(width, 1, 65536) || !in_range(layers, 0, 1024) ||
        !in_range(image_size, 1, 65536) || !in_range(classes, 1, MAX_CLASSES) ||
        !in_range(labelled_crc, 0, UINT32_MAX) || !read_triple(mean, out->mean) ||
        !read_triple(std, out->std) || !dho_method_find(method, &out->method) ||
        !read_heads(state, out) || !dho_checkpoint_standing_load(state, step, &out->standing, &set))
        return damaged(path, "a value is out of range");
    out->outer_bias = version < 2;
    out->lacks_dtype = version < 3;
    out->step = step;
    out->spike_step = json_integer_value(json_object_get(state, "spike_step"));
    out->total_steps = total;
    out->width = (int)width;
    out->layers = (int)layers;
    out->image_size = (int)image_size;
    out->classes = (int)classes;
    out->labelled_crc = (uint32_t)labelled_crc;
    out->dataset_fingerprint = strtoull(fingerprint, NULL, 16);
    snprintf(out->model, sizeof out->model, "%s", model);
    DHO_TRY(dho_strdup(&out->teacher, teacher));
    DHO_TRY(dho_strdup(&out->settings, settings));
    DHO_TRY(dho_strdup(&out->standing.set, set));
    DHO_TRY(read_names(path, names, out->classes, &out->class_names));
    const json_t *titles = json_object_get(state, "class_titles");
    return titles == NULL ? DHO_OK : read_names(path, titles, out->classes, &out->class_titles);
}

static dho_status check_crc(const char *file_path, uint32_t crc)
{
    dho_mapping mapping;
    DHO_TRY(dho_mapping_open(&mapping, file_path));
    const uint32_t found = dho_crc32(0, mapping.data, mapping.size);
    dho_mapping_close(&mapping);
    if (found == crc) return DHO_OK;
    return dho_fail(DHO_ERR_FORMAT, "%s: the checksum is wrong: damaged", file_path);
}

static dho_status check_header(const char *file_path)
{
    dho_safetensors *file;
    const dho_status status = dho_safetensors_open(&file, file_path);
    dho_safetensors_close(&file);
    return status;
}

/* Size and CRC, or only the header, of one of the other files against what state.json says. */
static dho_status check_file(const char *path, const json_t *files, const char *name, bool whole)
{
    char *file_path;
    dho_checkpoint_file found = {0};
    const json_t *entry = json_object_get(files, name);
    const json_int_t bytes = json_integer_value(json_object_get(entry, "bytes"));
    const json_int_t crc = json_integer_value(json_object_get(entry, "crc32"));
    if (entry == NULL) return damaged(path, "has no list of files");
    DHO_TRY(dho_checkpoint_file_measure(path, name, &found));
    if (found.bytes != (uint64_t)bytes)
        return dho_fail(DHO_ERR_FORMAT,
                        "%s/%s: %" PRIu64 " bytes where %lld were written: truncated", path, name,
                        found.bytes, (long long)bytes);
    DHO_TRY(dho_path_join(&file_path, path, name));
    const dho_status status = whole ? check_crc(file_path, (uint32_t)crc) : check_header(file_path);
    dho_free(file_path);
    return status;
}

/* How much of a checkpoint is looked at. */
typedef enum check_depth { STATE_ALONE, HEADERS_TOO, CHECKSUMS_TOO } check_depth;

static dho_status read_state(const char *path, check_depth depth, dho_checkpoint_info *out)
{
    json_t *state = NULL;
    char *state_path = NULL;
    dho_status status;
    *out = (dho_checkpoint_info){0};
    if (!dho_path_is_folder(path))
        return dho_fail(DHO_ERR_CONFIG, "%s: no such checkpoint folder", path);
    DHO_TRY_GOTO(dho_path_join(&state_path, path, DHO_CHECKPOINT_STATE));
    if (!dho_path_exists(state_path)) {
        status = dho_fail(DHO_ERR_FORMAT, "%s: is missing", state_path);
        goto fail;
    }
    DHO_TRY_GOTO(dho_json_load_sealed(&state, state_path, MAX_STATE_BYTES));
    DHO_TRY_GOTO(read_fields(path, state, out));
    const json_t *files = json_object_get(state, "files");
    out->has_ema = json_object_get(files, DHO_CHECKPOINT_EMA_FILE) != NULL;
    for (int i = 0; i < DHO_CHECKPOINT_FILES && depth != STATE_ALONE; i++)
        if (out->has_ema || strcmp(file_names[i], DHO_CHECKPOINT_EMA_FILE) != 0)
            DHO_TRY_GOTO(check_file(path, files, file_names[i], depth == CHECKSUMS_TOO));
fail:
    json_decref(state);
    dho_free(state_path);
    if (status != DHO_OK) dho_checkpoint_info_free(out);
    return status;
}

dho_status dho_checkpoint_read_info(const char *path, dho_checkpoint_info *out)
{
    return read_state(path, CHECKSUMS_TOO, out);
}

dho_status dho_checkpoint_read_state(const char *path, dho_checkpoint_info *out)
{
    return read_state(path, STATE_ALONE, out);
}

dho_status dho_checkpoint_read_back(const char *folder, const dho_checkpoint_info *info)
{
    dho_checkpoint_info back;
    DHO_TRY(read_state(folder, HEADERS_TOO, &back));
    bool same = back.step == info->step && back.total_steps == info->total_steps &&
                back.method == info->method && back.width == info->width &&
                back.layers == info->layers && back.classes == info->classes &&
                strcmp(back.model, info->model) == 0 && strcmp(back.teacher, info->teacher) == 0 &&
                strcmp(back.settings, info->settings) == 0;
    for (int c = 0; same && c < info->classes; c++)
        same = strcmp(back.class_names[c], info->class_names[c]) == 0;
    dho_checkpoint_info_free(&back);
    if (same) return DHO_OK;
    return dho_fail(DHO_ERR_INTERNAL, "%s/%s: does not say what was written", folder,
                    DHO_CHECKPOINT_STATE);
}

void dho_checkpoint_info_free(dho_checkpoint_info *info)
{
    for (int c = 0; c < info->classes; c++) {
        if (info->class_names != NULL) dho_free(info->class_names[c]);
        if (info->class_titles != NULL) dho_free(info->class_titles[c]);
    }
    dho_free(info->class_names);
    dho_free(info->class_titles);
    dho_free(info->teacher);
    dho_free(info->settings);
    dho_free(info->standing.set);
    info->class_names = info->class_titles = NULL;
    info->teacher = info->settings = info->standing.set = NULL;
}
