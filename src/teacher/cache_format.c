/* Layout of a shard: header packing by hand, checks of everything a file claims. */
#include "teacher/cache_format.h"

#include "base/bytes.h"
#include "base/json.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

/* Header offsets; docs/teacher-cache.md has the same table. */
enum {
    AT_MAGIC = 0,
    AT_VERSION = 8,
    AT_HEADER_BYTES = 12,
    AT_SHARD = 16,
    AT_SHARDS = 20,
    AT_FINGERPRINT = 24,
    AT_COUNT = 32,
    AT_RECORDS = 40,
    AT_BLOCK_RECORDS = 48,
    AT_RECORD_BYTES = 56,
    AT_VIEWS = 60,
    AT_DIM = 64,
    AT_CLASSES = 68,
    AT_IMAGE_SIZE = 72,
    AT_PAYLOAD = 76,
    AT_ENCODING = 77,
    AT_FREE_CROPS = 78,
    AT_FLIP = 79,
    AT_SEED = 80,
    AT_CROP_SCALE = 88,
    AT_CROP_RATIO = 104,
    AT_TEACHER = 120,
    AT_TOP = 248,
    AT_CRC = 252
};

static const char magic[8] = {'D', 'H', 'O', 'C', 'A', 'C', 'H', 'E'};

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

/* The teacher's word ends inside its array, zeros follow, it is UTF-8 (the manifest is JSON) and
 * has no control characters. */
static bool teacher_is_text(const char teacher[128])
{
    size_t i = 0;
    for (; i < 128 && teacher[i] != '\0'; i++) {
        const unsigned char c = (unsigned char)teacher[i];
        if (c < 0x20 || c == 0x7f) return false;
    }
    if (i == 128) return false;
    for (; i < 128; i++) {
        if (teacher[i] != '\0') return false;
    }
    json_t *text = json_string(teacher);
    json_decref(text);
    return text != NULL;
}

static const char *const payloads[] = {"embedding", "logits"};

const char *dho_cache_encoding_name(dho_cache_encoding encoding)
{
    static const char *const names[DHO_CACHE_ENCODINGS] = {"fp16", "int8", "topk", "int8x"};
    return names[encoding];
}

int cache_version(const dho_cache_spec *spec)
{
    return spec->encoding <= DHO_CACHE_INT8 ? 1 : 2;
}

static dho_status check_encoding(const dho_cache_spec *spec, dho_status status, const char *name)
{
    if ((unsigned)spec->encoding >= DHO_CACHE_ENCODINGS)
        return dho_fail(status, "%s: unknown encoding %d", name, (int)spec->encoding);
    const bool top = spec->encoding == DHO_CACHE_TOPK;
    if (top && spec->payload != DHO_CACHE_LOGITS)
        return dho_fail(status, "%s: encoding topk is for logits", name);
    const int most = spec->classes < CACHE_MAX_TOP ? spec->classes : CACHE_MAX_TOP;
    DHO_TRY(check_range("top", spec->top, top, top ? most : 0, status, name));
    if (cache_version(spec) > 1 && spec->dim > CACHE_MAX_INDEX)
        return dho_fail(status, "%s: dim is %d, encoding %s has at most %d", name, spec->dim,
                        dho_cache_encoding_name(spec->encoding), CACHE_MAX_INDEX);
    return DHO_OK;
}

dho_status cache_spec_check(const dho_cache_spec *spec, dho_status status, const char *name)
{
    DHO_TRY(check_range("count", spec->count, 1, CACHE_MAX_COUNT, status, name));
    DHO_TRY(check_range("shards", spec->shards, 1, CACHE_MAX_SHARDS, status, name));
    DHO_TRY(check_range("views", spec->views, 1, CACHE_MAX_VIEWS, status, name));
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
    if (!teacher_is_text(spec->teacher))
        return dho_fail(status, "%s: the teacher's word is not UTF-8 text of at most 127 bytes",
                        name);
    return DHO_OK;
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

dho_status cache_spec_compare(const dho_cache_spec *found, const dho_cache_spec *expected,
                              dho_status status, const char *name)
{
    const dho_cache_spec *f = found, *e = expected;
    DHO_TRY(differs_hex("the dataset's fingerprint", f->fingerprint, e->fingerprint, status, name));
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
    return differs_word("teacher", f->teacher, e->teacher, status, name);
}

size_t dho_cache_record_bytes(const dho_cache_spec *spec)
{
    const size_t box = spec->free_crops ? 0 : CACHE_BOX_BYTES, dim = (size_t)spec->dim;
    const size_t exact = dim < CACHE_EXACT ? dim : CACHE_EXACT;
    switch (spec->encoding) {
    case DHO_CACHE_FP16:
        return box + 2 * dim;
    case DHO_CACHE_TOPK:
        return box + CACHE_TOP_HEAD + CACHE_TOP_BYTES * (size_t)spec->top;
    case DHO_CACHE_INT8X:
        return box + sizeof(float) + CACHE_EXACT_BYTES * exact + dim;
    default:
        return box + sizeof(float) + dim;
    }
}

uint64_t cache_block_records(const dho_cache_spec *spec)
{
    const size_t records = CACHE_BLOCK_TARGET / dho_cache_record_bytes(spec);
    return records > 0 ? records : 1;
}

dho_status cache_layout_compute(const dho_cache_spec *spec, int shard, uint64_t block_records,
                                cache_shard_layout *out)
{
    const uint64_t count = (uint64_t)spec->count, shards = (uint64_t)spec->shards;
    const uint64_t first = (uint64_t)shard;
    const uint64_t images = first < count ? (count - first + shards - 1) / shards : 0;
    cache_shard_layout layout = {.shard = shard,
                                 .records = images * (uint64_t)spec->views, /* < 2^56 */
                                 .record_bytes = dho_cache_record_bytes(spec),
                                 .block_records = block_records};
    layout.blocks = layout.records / block_records + (layout.records % block_records != 0);
    uint64_t bytes, table;
    if (__builtin_mul_overflow(layout.records, layout.record_bytes, &bytes) ||
        __builtin_mul_overflow(layout.blocks + 1, CACHE_CRC_BYTES, &table) ||
        __builtin_add_overflow(bytes, CACHE_HEADER_BYTES, &layout.table_offset) ||
        __builtin_add_overflow(layout.table_offset, table, &layout.file_bytes) ||
        layout.file_bytes > INT64_MAX)
        return dho_fail(DHO_ERR_CONFIG, "a shard of %" PRIu64 " records of %zu bytes is too large",
                        layout.records, layout.record_bytes);
    *out = layout;
    return DHO_OK;
}

void cache_header_pack(const dho_cache_spec *spec, const cache_shard_layout *layout,
                       uint8_t out[CACHE_HEADER_BYTES])
{
    memset(out, 0, CACHE_HEADER_BYTES);
    memcpy(out + AT_MAGIC, magic, sizeof magic);
    dho_put_le(out + AT_VERSION, (uint64_t)cache_version(spec), 4);
    dho_put_le(out + AT_HEADER_BYTES, CACHE_HEADER_BYTES, 4);
    dho_put_le(out + AT_SHARD, (uint64_t)layout->shard, 4);
    dho_put_le(out + AT_SHARDS, (uint64_t)spec->shards, 4);
    dho_put_le(out + AT_FINGERPRINT, spec->fingerprint, 8);
    dho_put_le(out + AT_COUNT, (uint64_t)spec->count, 8);
    dho_put_le(out + AT_RECORDS, layout->records, 8);
    dho_put_le(out + AT_BLOCK_RECORDS, layout->block_records, 8);
    dho_put_le(out + AT_RECORD_BYTES, layout->record_bytes, 4);
    dho_put_le(out + AT_VIEWS, (uint64_t)spec->views, 4);
    dho_put_le(out + AT_DIM, (uint64_t)spec->dim, 4);
    dho_put_le(out + AT_CLASSES, (uint64_t)spec->classes, 4);
    dho_put_le(out + AT_IMAGE_SIZE, (uint64_t)spec->image_size, 4);
    out[AT_PAYLOAD] = (uint8_t)spec->payload;
    out[AT_ENCODING] = (uint8_t)spec->encoding;
    out[AT_FREE_CROPS] = spec->free_crops;
    out[AT_FLIP] = spec->flip;
    dho_put_le(out + AT_SEED, spec->seed, 8);
    for (int i = 0; i < 2; i++) {
        dho_put_double(out + AT_CROP_SCALE + 8 * i, spec->crop_scale[i]);
        dho_put_double(out + AT_CROP_RATIO + 8 * i, spec->crop_ratio[i]);
    }
    memcpy(out + AT_TEACHER, spec->teacher, sizeof spec->teacher);
    dho_put_le(out + AT_TOP, (uint64_t)spec->top, 4);
    dho_put_le(out + AT_CRC, dho_crc32(0, out, AT_CRC), 4);
}

/* A u32 as an int; what does not fit becomes -1, which every range check refuses. */
static int get_int(const uint8_t *data)
{
    const uint64_t value = dho_get_le(data, 4);
    return value <= INT32_MAX ? (int)value : -1;
}

static void unpack_spec(const uint8_t *data, dho_cache_spec *out)
{
    const uint64_t count = dho_get_le(data + AT_COUNT, 8);
    *out = (dho_cache_spec){.fingerprint = dho_get_le(data + AT_FINGERPRINT, 8),
                            .count = count <= INT64_MAX ? (int64_t)count : -1,
                            .shards = get_int(data + AT_SHARDS),
                            .views = get_int(data + AT_VIEWS),
                            .free_crops = data[AT_FREE_CROPS] == 1,
                            .payload = (dho_cache_payload)data[AT_PAYLOAD],
                            .encoding = (dho_cache_encoding)data[AT_ENCODING],
                            .dim = get_int(data + AT_DIM),
                            .classes = get_int(data + AT_CLASSES),
                            .top = get_int(data + AT_TOP),
                            .image_size = get_int(data + AT_IMAGE_SIZE),
                            .flip = data[AT_FLIP] == 1,
                            .seed = dho_get_le(data + AT_SEED, 8)};
    for (int i = 0; i < 2; i++) {
        out->crop_scale[i] = dho_get_double(data + AT_CROP_SCALE + 8 * i);
        out->crop_ratio[i] = dho_get_double(data + AT_CROP_RATIO + 8 * i);
    }
    memcpy(out->teacher, data + AT_TEACHER, sizeof out->teacher);
}

static dho_status parse_header(const uint8_t *data, size_t size, const char *name)
{
    if (size < CACHE_HEADER_BYTES)
        return dho_fail(DHO_ERR_FORMAT, "%s: offset 0: %zu bytes, too short for a cache shard",
                        name, size);
    if (memcmp(data + AT_MAGIC, magic, sizeof magic) != 0)
        return dho_fail(DHO_ERR_FORMAT, "%s: offset 0: not a teacher cache shard", name);
    const uint32_t stored = (uint32_t)dho_get_le(data + AT_CRC, 4);
    const uint32_t computed = dho_crc32(0, data, AT_CRC);
    if (stored != computed)
        return dho_fail(DHO_ERR_FORMAT, "%s: header at offset 0: CRC is %08x, expected %08x", name,
                        computed, stored);
    const uint64_t version = dho_get_le(data + AT_VERSION, 4);
    if (version < 1 || version > CACHE_VERSION)
        return dho_fail(DHO_ERR_CONFIG,
                        "%s: version %" PRIu64
                        " of the cache format; this program knows versions 1 to %d",
                        name, version, CACHE_VERSION);
    if (dho_get_le(data + AT_HEADER_BYTES, 4) != CACHE_HEADER_BYTES || data[AT_FREE_CROPS] > 1 ||
        data[AT_FLIP] > 1)
        return dho_fail(DHO_ERR_FORMAT, "%s: header at offset 0: impossible values", name);
    return DHO_OK;
}

dho_status cache_shard_parse(const uint8_t *data, size_t size, const char *name,
                             dho_cache_spec *out_spec, cache_shard_layout *out_layout)
{
    DHO_TRY(parse_header(data, size, name));
    unpack_spec(data, out_spec);
    DHO_TRY(cache_spec_check(out_spec, DHO_ERR_FORMAT, name));
    DHO_TRY(differs("the version", (int64_t)dho_get_le(data + AT_VERSION, 4),
                    cache_version(out_spec), DHO_ERR_FORMAT, name));
    const int shard = get_int(data + AT_SHARD);
    DHO_TRY(check_range("the shard's index", shard, 0, out_spec->shards - 1, DHO_ERR_FORMAT, name));
    const uint64_t block_records = dho_get_le(data + AT_BLOCK_RECORDS, 8);
    if (block_records == 0 || block_records > INT32_MAX)
        return dho_fail(DHO_ERR_FORMAT, "%s: offset %d: %" PRIu64 " records a block", name,
                        AT_BLOCK_RECORDS, block_records);
    if (cache_layout_compute(out_spec, shard, block_records, out_layout) != DHO_OK) {
        dho_fail_prefix(DHO_ERR_FORMAT, "%s: ", name);
        return DHO_ERR_FORMAT;
    }
    if (dho_get_le(data + AT_RECORDS, 8) != out_layout->records ||
        dho_get_le(data + AT_RECORD_BYTES, 4) != out_layout->record_bytes)
        return dho_fail(
            DHO_ERR_FORMAT,
            "%s: offset %d: %" PRIu64 " records of %" PRIu64 " bytes, expected %" PRIu64 " of %zu",
            name, AT_RECORDS, dho_get_le(data + AT_RECORDS, 8),
            dho_get_le(data + AT_RECORD_BYTES, 4), out_layout->records, out_layout->record_bytes);
    if (size != out_layout->file_bytes)
        return dho_fail(DHO_ERR_FORMAT, "%s: %zu bytes, expected %" PRIu64 " (%s)", name, size,
                        out_layout->file_bytes,
                        size < out_layout->file_bytes ? "cut short" : "something follows");
    const uint64_t table_bytes = out_layout->blocks * CACHE_CRC_BYTES;
    const uint8_t *table = data + out_layout->table_offset;
    const uint32_t stored = (uint32_t)dho_get_le(table + table_bytes, 4);
    const uint32_t computed = dho_crc32(0, table, (size_t)table_bytes);
    if (stored != computed)
        return dho_fail(DHO_ERR_FORMAT,
                        "%s: CRC table at offset %" PRIu64 ": CRC is %08x, expected %08x", name,
                        out_layout->table_offset, computed, stored);
    return DHO_OK;
}

dho_status cache_block_check(const uint8_t *data, const cache_shard_layout *layout, uint64_t block,
                             const char *name)
{
    const uint64_t first = block * layout->block_records, left = layout->records - first;
    const uint64_t records = left < layout->block_records ? left : layout->block_records;
    const uint64_t offset = CACHE_HEADER_BYTES + first * layout->record_bytes;
    const uint32_t stored =
        (uint32_t)dho_get_le(data + layout->table_offset + block * CACHE_CRC_BYTES, 4);
    const uint32_t computed = dho_crc32(0, data + offset, (size_t)(records * layout->record_bytes));
    if (stored == computed) return DHO_OK;
    return dho_fail(DHO_ERR_FORMAT,
                    "%s: block %" PRIu64 " at offset %" PRIu64 ": CRC is %08x, expected %08x", name,
                    block, offset, computed, stored);
}

dho_status cache_shard_path(char **out, const char *folder, int shards, int shard)
{
    char name[48];
    snprintf(name, sizeof name, "shard-%05d-of-%05d.bin", shard, shards);
    return dho_path_join(out, folder, name);
}

void dho_cache_describe_teacher(const char *kind, const char *path, uint32_t crc,
                                const char *suffix, char out[128])
{
    enum { NAME_BYTES = 80 };
    const size_t length = strlen(path);
    const char *name = length > NAME_BYTES ? path + length - NAME_BYTES : path;
    while (((unsigned char)*name & 0xc0u) == 0x80u) name++; /* to the start of a UTF-8 character */
    snprintf(out, 128, "%s %s crc32 %08x%s", kind, name, (unsigned)crc, suffix);
}
