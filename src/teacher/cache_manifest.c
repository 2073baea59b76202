/* cache.json: the spec for people and programs, the head's CRC, and a CRC of its own text. */
#include "teacher/cache_format.h"

#include "base/json.h"
#include "dho/alloc.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CRC_DIGITS = 8, HEX64 = 17 };

static const char format_name[] = "dho-teacher-cache";

static const char *payload_name(dho_cache_payload payload)
{
    return payload == DHO_CACHE_EMBEDDING ? "embedding" : "logits";
}

/* 16 or 8 lower-case hexadecimal digits and nothing else. */
static bool parse_hex(const char *text, size_t digits, uint64_t *out)
{
    char again[HEX64];
    if (strlen(text) != digits) return false;
    *out = strtoull(text, NULL, 16);
    snprintf(again, sizeof again, "%0*" PRIx64, (int)digits, *out);
    return strcmp(again, text) == 0;
}

static json_t *head_to_json(const cache_manifest *manifest)
{
    char crc[CRC_DIGITS + 1];
    if (!manifest->has_head) return json_null();
    snprintf(crc, sizeof crc, "%08" PRIx32, manifest->head_crc);
    json_t *head = json_pack("{s:s, s:I, s:s}", "file", CACHE_HEAD_NAME, "bytes",
                             (json_int_t)manifest->head_bytes, "crc32", crc);
    /* A program that knows no keys refuses this, instead of leaving them out. */
    if (head != NULL && manifest->head_keys > 0 &&
        json_object_set_new(head, "keys", json_integer(manifest->head_keys)) != 0) {
        json_decref(head);
        return NULL;
    }
    return head;
}

static json_t *transform_to_json(const dho_cache_transform *t)
{
    return json_pack("{s:s, s:s, s:i, s:[f, f, f], s:[f, f, f], s:s}", "interpolation",
                     dho_filter_name(t->filter), "resize", dho_cache_resize_name(t->resize),
                     "short_side", t->short_side, "mean", (double)t->mean[0], (double)t->mean[1],
                     (double)t->mean[2], "std", (double)t->std[0], (double)t->std[1],
                     (double)t->std[2], "compute", t->compute);
}

/* What not every cache has. */
static bool add_optional(json_t *root, const dho_cache_spec *spec)
{
    if (spec->top > 0 && json_object_set_new(root, "top", json_integer(spec->top)) != 0)
        return false;
    return !spec->transform.known ||
           json_object_set_new(root, "transform", transform_to_json(&spec->transform)) == 0;
}

static json_t *manifest_to_json(const cache_manifest *manifest)
{
    const dho_cache_spec *spec = &manifest->spec;
    char fingerprint[HEX64], seed[HEX64];
    snprintf(fingerprint, sizeof fingerprint, "%016" PRIx64, spec->fingerprint);
    snprintf(seed, sizeof seed, "%016" PRIx64, spec->seed);
    json_t *root = json_pack(
        "{s:s, s:i, s:s, s:I, s:i, s:i, s:b, s:s, s:s, s:i, s:i, s:i, s:[f, f], s:[f, f], s:b,"
        " s:s, s:s, s:o}",
        "format", format_name, "version", cache_version(spec), "fingerprint", fingerprint, "count",
        (json_int_t)spec->count, "shards", spec->shards, "views", spec->views, "free_crops",
        (int)spec->free_crops, "payload", payload_name(spec->payload), "encoding",
        dho_cache_encoding_name(spec->encoding), "dim", spec->dim, "classes", spec->classes,
        "image_size", spec->image_size, "crop_scale", spec->crop_scale[0], spec->crop_scale[1],
        "crop_ratio", spec->crop_ratio[0], spec->crop_ratio[1], "flip", (int)spec->flip, "seed",
        seed, "teacher", spec->teacher, "head", head_to_json(manifest));
    if (root == NULL || add_optional(root, spec)) return root;
    json_decref(root);
    return NULL;
}

dho_status cache_manifest_write(const char *folder, const cache_manifest *manifest)
{
    dho_status status;
    char *path = NULL;
    json_t *root = NULL;
    DHO_TRY_GOTO(dho_path_join(&path, folder, CACHE_MANIFEST_NAME));
    root = manifest_to_json(manifest);
    if (root != NULL)
        status = dho_json_save_sealed(root, path);
    else
        status =
            dho_fail(DHO_ERR_CONFIG, "%s: cannot be written: is the teacher's word UTF-8?", path);
fail:
    json_decref(root);
    dho_free(path);
    return status;
}

/* What json_unpack gives, before the ranges are checked. */
typedef struct raw_manifest {
    const char *format, *fingerprint, *payload, *encoding, *seed, *teacher;
    json_int_t version, count, shards, views, dim, classes, image_size, top;
    int free_crops, flip;
    json_t *head, *transform; /* transform may be NULL */
} raw_manifest;

static dho_status unpack(json_t *root, const char *path, raw_manifest *raw, dho_cache_spec *spec)
{
    json_error_t error;
    if (json_unpack_ex(
            root, &error, JSON_STRICT,
            "{s:s, s:I, s:s, s:I, s:I, s:I, s:b, s:s, s:s, s:I, s:I, s:I, s:[F, F], s:[F, F], s:b,"
            " s:s, s:s, s:o, s?I, s?o}",
            "format", &raw->format, "version", &raw->version, "fingerprint", &raw->fingerprint,
            "count", &raw->count, "shards", &raw->shards, "views", &raw->views, "free_crops",
            &raw->free_crops, "payload", &raw->payload, "encoding", &raw->encoding, "dim",
            &raw->dim, "classes", &raw->classes, "image_size", &raw->image_size, "crop_scale",
            &spec->crop_scale[0], &spec->crop_scale[1], "crop_ratio", &spec->crop_ratio[0],
            &spec->crop_ratio[1], "flip", &raw->flip, "seed", &raw->seed, "teacher", &raw->teacher,
            "head", &raw->head, "top", &raw->top, "transform", &raw->transform) != 0)
        return dho_fail(DHO_ERR_FORMAT, "%s: %s", path, error.text);
    return DHO_OK;
}

static int narrow(json_int_t value)
{
    return value >= 0 && value <= INT32_MAX ? (int)value : -1; /* -1 fails every range check */
}

static dho_status to_transform(json_t *json, const char *path, dho_cache_transform *out)
{
    const char *filter, *resize, *compute;
    double mean[3], std[3];
    json_int_t side;
    json_error_t error;
    if (json == NULL) return DHO_OK;
    if (json_unpack_ex(json, &error, JSON_STRICT, "{s:s, s:s, s:I, s:[F, F, F], s:[F, F, F], s:s}",
                       "interpolation", &filter, "resize", &resize, "short_side", &side, "mean",
                       &mean[0], &mean[1], &mean[2], "std", &std[0], &std[1], &std[2], "compute",
                       &compute) != 0)
        return dho_fail(DHO_ERR_FORMAT, "%s: transform: %s", path, error.text);
    int f = DHO_FILTER_BICUBIC, r = DHO_CACHE_SQUASH;
    while (f >= 0 && strcmp(filter, dho_filter_name((dho_filter)f)) != 0) f--;
    while (r >= 0 && strcmp(resize, dho_cache_resize_name((dho_cache_resize)r)) != 0) r--;
    if (f < 0 || r < 0 || strlen(compute) >= sizeof out->compute)
        return dho_fail(DHO_ERR_FORMAT,
                        "%s: transform: unknown interpolation \"%.40s\", resize \"%.40s\" or "
                        "compute \"%.40s\"",
                        path, filter, resize, compute);
    *out = (dho_cache_transform){.known = true,
                                 .filter = (dho_filter)f,
                                 .resize = (dho_cache_resize)r,
                                 .short_side = narrow(side)};
    for (int c = 0; c < 3; c++) {
        out->mean[c] = (float)mean[c];
        out->std[c] = (float)std[c];
    }
    memcpy(out->compute, compute, strlen(compute));
    return DHO_OK;
}

static dho_status to_spec(const raw_manifest *raw, const char *path, dho_cache_spec *spec)
{
    if (!parse_hex(raw->fingerprint, 16, &spec->fingerprint) ||
        !parse_hex(raw->seed, 16, &spec->seed))
        return dho_fail(DHO_ERR_FORMAT, "%s: fingerprint and seed must be 16 hexadecimal digits",
                        path);
    spec->count = raw->count;
    spec->shards = narrow(raw->shards);
    spec->views = narrow(raw->views);
    spec->free_crops = raw->free_crops != 0;
    spec->dim = narrow(raw->dim);
    spec->classes = narrow(raw->classes);
    spec->image_size = narrow(raw->image_size);
    spec->flip = raw->flip != 0;
    spec->payload = DHO_CACHE_EMBEDDING;
    if (strcmp(raw->payload, payload_name(DHO_CACHE_LOGITS)) == 0) spec->payload = DHO_CACHE_LOGITS;
    spec->top = narrow(raw->top);
    int encoding = 0;
    while (encoding < DHO_CACHE_ENCODINGS &&
           strcmp(raw->encoding, dho_cache_encoding_name((dho_cache_encoding)encoding)) != 0)
        encoding++;
    spec->encoding = (dho_cache_encoding)encoding;
    if (strcmp(raw->payload, payload_name(spec->payload)) != 0 || encoding == DHO_CACHE_ENCODINGS)
        return dho_fail(DHO_ERR_FORMAT, "%s: unknown payload \"%.40s\" or encoding \"%.40s\"", path,
                        raw->payload, raw->encoding);
    if (strlen(raw->teacher) >= sizeof spec->teacher)
        return dho_fail(DHO_ERR_FORMAT, "%s: teacher is longer than 127 bytes", path);
    memcpy(spec->teacher, raw->teacher, strlen(raw->teacher));
    DHO_TRY(to_transform(raw->transform, path, &spec->transform));
    DHO_TRY(cache_spec_check(spec, DHO_ERR_FORMAT, path));
    if (raw->version == cache_version(spec)) return DHO_OK;
    return dho_fail(DHO_ERR_FORMAT, "%s: version %d, expected %d of such a cache", path,
                    (int)raw->version, cache_version(spec));
}

static dho_status to_head(json_t *head, const char *path, cache_manifest *out)
{
    const char *file, *crc;
    json_int_t bytes, keys = 0;
    uint64_t value = 0;
    json_error_t error;
    out->has_head = !json_is_null(head);
    if (out->has_head != (out->spec.payload == DHO_CACHE_EMBEDDING))
        return dho_fail(DHO_ERR_FORMAT, "%s: embeddings have a head, logits have none", path);
    if (!out->has_head) return DHO_OK;
    if (json_unpack_ex(head, &error, JSON_STRICT, "{s:s, s:I, s:s, s?I}", "file", &file, "bytes",
                       &bytes, "crc32", &crc, "keys", &keys) != 0)
        return dho_fail(DHO_ERR_FORMAT, "%s: head: %s", path, error.text);
    if (strcmp(file, CACHE_HEAD_NAME) != 0 || bytes <= 0 || narrow(keys) < 0 ||
        !parse_hex(crc, CRC_DIGITS, &value))
        return dho_fail(DHO_ERR_FORMAT, "%s: head: impossible values", path);
    out->head_bytes = (uint64_t)bytes;
    out->head_crc = (uint32_t)value;
    out->head_keys = narrow(keys);
    return DHO_OK;
}

static dho_status parse(json_t *root, const char *path, cache_manifest *out)
{
    raw_manifest raw = {0};
    const char *format = json_string_value(json_object_get(root, "format"));
    const json_int_t version = json_integer_value(json_object_get(root, "version"));
    if (format == NULL || strcmp(format, format_name) != 0)
        return dho_fail(DHO_ERR_FORMAT, "%s: not the manifest of a teacher cache", path);
    if (version < 1 || version > CACHE_VERSION)
        return dho_fail(DHO_ERR_CONFIG,
                        "%s: version %" JSON_INTEGER_FORMAT
                        " of the cache format; this program knows versions 1 to %d",
                        path, version, CACHE_VERSION);
    DHO_TRY(unpack(root, path, &raw, &out->spec));
    DHO_TRY(to_spec(&raw, path, &out->spec));
    return to_head(raw.head, path, out);
}

dho_status cache_manifest_read(const char *folder, cache_manifest *out)
{
    char *path = NULL;
    json_t *root = NULL;
    dho_status status;
    *out = (cache_manifest){0};
    DHO_TRY_GOTO(dho_path_join(&path, folder, CACHE_MANIFEST_NAME));
    DHO_TRY_GOTO(dho_require_file(path));
    DHO_TRY_GOTO(dho_json_load_sealed(&root, path, CACHE_MAX_MANIFEST_BYTES));
    DHO_TRY_GOTO(parse(root, path, out));
fail:
    json_decref(root);
    dho_free(path);
    return status;
}
