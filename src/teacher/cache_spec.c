/* A cache's settings: which are possible, and where two differ. */
#include "teacher/cache_format.h"

#include "base/json.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

static dho_status check_range(const char *key, int64_t value, int64_t low, int64_t high,
                              dho_status status, const char *name)
{
    if (value >= low && value <= high) return DHO_OK;
    return dho_fail(status, "%s: %s is %" PRId64 ", expected %" PRId64 " to %" PRId64, name, key,
                    value, low, high);
}

static dho_status check_pair(const char *key, const double pair[2], bool free_crops,
                             dho_status status, const char *name)
{
    if (free_crops ? pair[0] == 0 && pair[1] == 0
                   : pair[0] > 0 && pair[0] <= pair[1] && isfinite(pair[1]))
        return DHO_OK;
    return dho_fail(status, "%s: %s is [%g, %g], expected %s", name, key, pair[0], pair[1],
                    free_crops ? "[0, 0] with free crops" : "0 < low <= high");
}

/* A word ends inside its array, zeros follow, it is UTF-8 (the manifest is JSON) and has no control
 * characters. */
static bool is_text(const char *word, size_t bytes)
{
    size_t i = 0;
    for (; i < bytes && word[i] != '\0'; i++) {
        const unsigned char c = (unsigned char)word[i];
        if (c < 0x20 || c == 0x7f) return false;
    }
    if (i == bytes) return false;
    for (; i < bytes; i++) {
        if (word[i] != '\0') return false;
    }
    json_t *text = json_string(word);
    json_decref(text);
    return text != NULL;
}

static const char *const payloads[] = {"embedding", "logits"};
static const char *const resizes[] = {"crop", "shortest", "squash"};

const char *dho_cache_resize_name(dho_cache_resize resize)
{
    return resizes[resize];
}

const char *dho_cache_encoding_name(dho_cache_encoding encoding)
{
    static const char *const names[DHO_CACHE_ENCODINGS] = {"fp16", "int8", "topk", "int8x"};
    return names[encoding];
}

int cache_version(const dho_cache_spec *spec)
{
    if (spec->transform.known) return 3;
    return spec->encoding == DHO_CACHE_FP16 ? 1 : 2;
}

static dho_status check_encoding(const dho_cache_spec *spec, dho_status status, const char *name)
{
    if ((unsigned)spec->encoding >= DHO_CACHE_ENCODINGS)
        return dho_fail(status, "%s: unknown encoding %d", name, (int)spec->encoding);
    if (spec->encoding != DHO_CACHE_FP16 && spec->encoding < DHO_CACHE_TOPK)
        return dho_fail(status, "%s: encoding int8 of an earlier program: build the cache again",
                        name);
    const bool top = spec->encoding == DHO_CACHE_TOPK;
    if (top && spec->payload != DHO_CACHE_LOGITS)
        return dho_fail(status, "%s: encoding topk is for logits", name);
    const int most = spec->classes < DHO_CACHE_MAX_TOP ? spec->classes : DHO_CACHE_MAX_TOP;
    DHO_TRY(check_range("top", spec->top, top, top ? most : 0, status, name));
    if (spec->encoding != DHO_CACHE_FP16 && spec->dim > CACHE_MAX_INDEX)
        return dho_fail(status, "%s: dim is %d, encoding %s has at most %d", name, spec->dim,
                        dho_cache_encoding_name(spec->encoding), CACHE_MAX_INDEX);
    return DHO_OK;
}

static dho_status check_transform(const dho_cache_spec *spec, dho_status status, const char *name)
{
    const dho_cache_transform *transform = &spec->transform;
    if ((unsigned)transform->filter > DHO_FILTER_BICUBIC ||
        (unsigned)transform->resize > DHO_CACHE_SQUASH)
        return dho_fail(status, "%s: unknown interpolation %d or resize %d", name,
                        (int)transform->filter, (int)transform->resize);
    if ((transform->resize != DHO_CACHE_CROP) != spec->free_crops)
        return dho_fail(status, "%s: resize is \"%s\" with free_crops %d", name,
                        resizes[transform->resize], spec->free_crops);
    const bool shortest = transform->resize == DHO_CACHE_SHORTEST;
    DHO_TRY(check_range("short_side", transform->short_side, shortest,
                        shortest ? CACHE_MAX_IMAGE_SIZE : 0, status, name));
    for (int c = 0; c < 3; c++)
        if (!isfinite(transform->mean[c]) || !isfinite(transform->std[c]) ||
            !(transform->std[c] > 0))
            return dho_fail(status, "%s: mean %g, std %g of a channel", name,
                            (double)transform->mean[c], (double)transform->std[c]);
    if (is_text(transform->compute, sizeof transform->compute)) return DHO_OK;
    return dho_fail(status, "%s: compute is not UTF-8 text of at most 15 bytes", name);
}

dho_status cache_spec_check(const dho_cache_spec *spec, dho_status status, const char *name)
{
    DHO_TRY(check_range("count", spec->count, 1, CACHE_MAX_COUNT, status, name));
    DHO_TRY(check_range("shards", spec->shards, 1, DHO_CACHE_MAX_SHARDS, status, name));
    DHO_TRY(check_range("views", spec->views, 1, DHO_CACHE_MAX_VIEWS, status, name));
    DHO_TRY(check_range("dim", spec->dim, 1, CACHE_MAX_DIM, status, name));
    DHO_TRY(check_range("classes", spec->classes, 1, CACHE_MAX_DIM, status, name));
    DHO_TRY(check_range("image_size", spec->image_size, 0, CACHE_MAX_IMAGE_SIZE, status, name));
    if (spec->payload != DHO_CACHE_EMBEDDING && spec->payload != DHO_CACHE_LOGITS)
        return dho_fail(status, "%s: unknown payload %d", name, (int)spec->payload);
    DHO_TRY(check_encoding(spec, status, name));
    if (spec->payload == DHO_CACHE_LOGITS && spec->dim != spec->classes)
        return dho_fail(status, "%s: logits of dim %d for %d classes", name, spec->dim,
                        spec->classes);
    DHO_TRY(check_pair("crop_scale", spec->crop_scale, spec->free_crops, status, name));
    DHO_TRY(check_pair("crop_ratio", spec->crop_ratio, spec->free_crops, status, name));
    if (spec->free_crops && spec->flip)
        return dho_fail(status, "%s: free crops have no flip", name);
    if (!is_text(spec->teacher, sizeof spec->teacher))
        return dho_fail(status, "%s: the teacher's word is not UTF-8 text of at most 127 bytes",
                        name);
    return spec->transform.known ? check_transform(spec, status, name) : DHO_OK;
}

static dho_status differs(const char *key, int64_t found, int64_t expected, dho_status status,
                          const char *name)
{
    if (found == expected) return DHO_OK;
    return dho_fail(status, "%s: %s is %" PRId64 ", expected %" PRId64, name, key, found, expected);
}

static dho_status differs_hex(const char *key, uint64_t found, uint64_t expected, dho_status status,
                              const char *name)
{
    if (found == expected) return DHO_OK;
    return dho_fail(status, "%s: %s is %016" PRIx64 ", expected %016" PRIx64, name, key, found,
                    expected);
}

static dho_status differs_pair(const char *key, const double found[2], const double expected[2],
                               dho_status status, const char *name)
{
    if (found[0] == expected[0] && found[1] == expected[1]) return DHO_OK;
    return dho_fail(status, "%s: %s is [%.9g, %.9g], expected [%.9g, %.9g]", name, key, found[0],
                    found[1], expected[0], expected[1]);
}

static dho_status differs_word(const char *key, const char *found, const char *expected,
                               dho_status status, const char *name)
{
    if (strcmp(found, expected) == 0) return DHO_OK;
    return dho_fail(status, "%s: %s is \"%s\", expected \"%s\"", name, key, found, expected);
}

static dho_status differs_floats(const char *key, const float found[3], const float expected[3],
                                 dho_status status, const char *name)
{
    if (memcmp(found, expected, 3 * sizeof *found) == 0) return DHO_OK;
    return dho_fail(status, "%s: %s is [%.9g, %.9g, %.9g], expected [%.9g, %.9g, %.9g]", name, key,
                    (double)found[0], (double)found[1], (double)found[2], (double)expected[0],
                    (double)expected[1], (double)expected[2]);
}

dho_status cache_transform_compare(const dho_cache_transform *found,
                                   const dho_cache_transform *expected, dho_status status,
                                   const char *name)
{
    const dho_cache_transform *f = found, *e = expected;
    DHO_TRY(differs_word("transform", f->known ? "recorded" : "not recorded",
                         e->known ? "recorded" : "not recorded", status, name));
    if (!f->known) return DHO_OK;
    DHO_TRY(differs_word("interpolation", dho_filter_name(f->filter), dho_filter_name(e->filter),
                         status, name));
    DHO_TRY(differs_word("resize", resizes[f->resize], resizes[e->resize], status, name));
    DHO_TRY(differs("short_side", f->short_side, e->short_side, status, name));
    DHO_TRY(differs_floats("mean", f->mean, e->mean, status, name));
    return differs_floats("std", f->std, e->std, status, name);
}

dho_status cache_spec_compare(const dho_cache_spec *found, const dho_cache_spec *expected,
                              dho_status status, const char *name)
{
    const dho_cache_spec *f = found, *e = expected;
    DHO_TRY(differs_hex("the list of images differs: its fingerprint", f->fingerprint,
                        e->fingerprint, status, name));
    DHO_TRY(differs("count", f->count, e->count, status, name));
    DHO_TRY(differs("shards", f->shards, e->shards, status, name));
    DHO_TRY(differs("views", f->views, e->views, status, name));
    DHO_TRY(differs("free_crops", f->free_crops, e->free_crops, status, name));
    DHO_TRY(differs_word("payload", payloads[f->payload], payloads[e->payload], status, name));
    DHO_TRY(differs_word("encoding", dho_cache_encoding_name(f->encoding),
                         dho_cache_encoding_name(e->encoding), status, name));
    DHO_TRY(differs("top", f->top, e->top, status, name));
    DHO_TRY(differs("dim", f->dim, e->dim, status, name));
    DHO_TRY(differs("classes", f->classes, e->classes, status, name));
    DHO_TRY(differs("image_size", f->image_size, e->image_size, status, name));
    DHO_TRY(differs_pair("crop_scale", f->crop_scale, e->crop_scale, status, name));
    DHO_TRY(differs_pair("crop_ratio", f->crop_ratio, e->crop_ratio, status, name));
    DHO_TRY(differs("flip", f->flip, e->flip, status, name));
    DHO_TRY(differs_hex("seed", f->seed, e->seed, status, name));
    DHO_TRY(cache_transform_compare(&f->transform, &e->transform, status, name));
    DHO_TRY(differs_word("compute", f->transform.compute, e->transform.compute, status, name));
    return differs_word("teacher", f->teacher, e->teacher, status, name);
}

size_t dho_cache_record_bytes(const dho_cache_spec *spec)
{
    const size_t box = spec->free_crops ? 0 : CACHE_BOX_BYTES, dim = (size_t)spec->dim;
    const size_t exact = dim < CACHE_EXACT ? dim : CACHE_EXACT;
    if (spec->encoding == DHO_CACHE_FP16) return box + 2 * dim;
    if (spec->encoding == DHO_CACHE_TOPK)
        return box + CACHE_TOP_HEAD + CACHE_TOP_BYTES * (size_t)spec->top;
    return box + sizeof(float) + CACHE_EXACT_BYTES * exact + dim;
}
