/* Layout of a shard: header packing by hand, checks of everything a file claims. */
#include "teacher/cache_format.h"

#include "base/bytes.h"

#include <inttypes.h>
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
    /* Version 3. The CRC is the header's last word. */
    AT_FILTER = 252,
    AT_RESIZE = 253,
    AT_RESERVED = 254, /* u16: 0 */
    AT_SHORT_SIDE = 256,
    AT_MEAN = 260,
    AT_STD = 272,
    AT_COMPUTE = 284,
    HEADER_BYTES_BEFORE = 256, /* of versions 1 and 2 */
    MAX_HEADER_BYTES = 4096    /* of any version to come */
};

static const char magic[8] = {'D', 'H', 'O', 'C', 'A', 'C', 'H', 'E'};

size_t cache_header_bytes(int version)
{
    return version < 3 ? HEADER_BYTES_BEFORE : CACHE_HEADER_BYTES;
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
                                 .header_bytes = cache_header_bytes(cache_version(spec)),
                                 .records = images * (uint64_t)spec->views, /* < 2^56 */
                                 .record_bytes = dho_cache_record_bytes(spec),
                                 .block_records = block_records};
    layout.blocks = layout.records / block_records + (layout.records % block_records != 0);
    uint64_t bytes, table;
    if (__builtin_mul_overflow(layout.records, layout.record_bytes, &bytes) ||
        __builtin_mul_overflow(layout.blocks + 1, CACHE_CRC_BYTES, &table) ||
        __builtin_add_overflow(bytes, layout.header_bytes, &layout.table_offset) ||
        __builtin_add_overflow(layout.table_offset, table, &layout.file_bytes) ||
        layout.file_bytes > INT64_MAX)
        return dho_fail(DHO_ERR_CONFIG, "a shard of %" PRIu64 " records of %zu bytes is too large",
                        layout.records, layout.record_bytes);
    *out = layout;
    return DHO_OK;
}

static void pack_transform(const dho_cache_transform *transform, uint8_t *out)
{
    out[AT_FILTER] = (uint8_t)transform->filter;
    out[AT_RESIZE] = (uint8_t)transform->resize;
    dho_put_le(out + AT_SHORT_SIDE, (uint64_t)transform->short_side, 4);
    for (int c = 0; c < 3; c++) {
        dho_put_float(out + AT_MEAN + 4 * c, transform->mean[c]);
        dho_put_float(out + AT_STD + 4 * c, transform->std[c]);
    }
    memcpy(out + AT_COMPUTE, transform->compute, sizeof transform->compute);
}

void cache_header_pack(const dho_cache_spec *spec, const cache_shard_layout *layout,
                       uint8_t out[CACHE_HEADER_BYTES])
{
    memset(out, 0, CACHE_HEADER_BYTES);
    memcpy(out + AT_MAGIC, magic, sizeof magic);
    dho_put_le(out + AT_VERSION, (uint64_t)cache_version(spec), 4);
    dho_put_le(out + AT_HEADER_BYTES, layout->header_bytes, 4);
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
    if (spec->transform.known) pack_transform(&spec->transform, out);
    const size_t at_crc = layout->header_bytes - CACHE_CRC_BYTES;
    dho_put_le(out + at_crc, dho_crc32(0, out, at_crc), CACHE_CRC_BYTES);
}

/* A u32 as an int; what does not fit becomes -1, which every range check refuses. */
static int get_int(const uint8_t *data)
{
    const uint64_t value = dho_get_le(data, 4);
    return value <= INT32_MAX ? (int)value : -1;
}

static void unpack_transform(const uint8_t *data, dho_cache_transform *out)
{
    *out = (dho_cache_transform){.known = true,
                                 .filter = (dho_filter)data[AT_FILTER],
                                 .resize = (dho_cache_resize)data[AT_RESIZE],
                                 .short_side = get_int(data + AT_SHORT_SIDE)};
    for (int c = 0; c < 3; c++) {
        out->mean[c] = dho_get_float(data + AT_MEAN + 4 * c);
        out->std[c] = dho_get_float(data + AT_STD + 4 * c);
    }
    memcpy(out->compute, data + AT_COMPUTE, sizeof out->compute);
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
    if (dho_get_le(data + AT_VERSION, 4) > 2) unpack_transform(data, &out->transform);
}

static dho_status parse_header(const uint8_t *data, size_t size, const char *name)
{
    if (size < HEADER_BYTES_BEFORE)
        return dho_fail(DHO_ERR_FORMAT, "%s: offset 0: %zu bytes, too short for a cache shard",
                        name, size);
    if (memcmp(data + AT_MAGIC, magic, sizeof magic) != 0)
        return dho_fail(DHO_ERR_FORMAT, "%s: offset 0: not a teacher cache shard", name);
    /* Whatever the version, the header's last word is its CRC: damage is told from a newer file. */
    const uint64_t bytes = dho_get_le(data + AT_HEADER_BYTES, 4);
    if (bytes < HEADER_BYTES_BEFORE || bytes > MAX_HEADER_BYTES || bytes > size)
        return dho_fail(DHO_ERR_FORMAT, "%s: header at offset 0: impossible values", name);
    const uint32_t stored = (uint32_t)dho_get_le(data + bytes - CACHE_CRC_BYTES, CACHE_CRC_BYTES);
    const uint32_t computed = dho_crc32(0, data, (size_t)bytes - CACHE_CRC_BYTES);
    if (stored != computed)
        return dho_fail(DHO_ERR_FORMAT, "%s: header at offset 0: CRC is %08x, expected %08x", name,
                        computed, stored);
    const uint64_t version = dho_get_le(data + AT_VERSION, 4);
    if (version < 1 || version > CACHE_VERSION)
        return dho_fail(DHO_ERR_CONFIG,
                        "%s: version %" PRIu64
                        " of the cache format; this program knows versions 1 to %d",
                        name, version, CACHE_VERSION);
    if (bytes != cache_header_bytes((int)version) || data[AT_FREE_CROPS] > 1 || data[AT_FLIP] > 1 ||
        (version > 2 && dho_get_le(data + AT_RESERVED, 2) != 0))
        return dho_fail(DHO_ERR_FORMAT, "%s: header at offset 0: impossible values", name);
    return DHO_OK;
}

dho_status cache_shard_parse(const uint8_t *data, size_t size, const char *name,
                             dho_cache_spec *out_spec, cache_shard_layout *out_layout)
{
    DHO_TRY(parse_header(data, size, name));
    unpack_spec(data, out_spec);
    DHO_TRY(cache_spec_check(out_spec, DHO_ERR_FORMAT, name));
    const uint64_t version = dho_get_le(data + AT_VERSION, 4);
    if (version != (uint64_t)cache_version(out_spec))
        return dho_fail(DHO_ERR_FORMAT, "%s: the version is %" PRIu64 ", expected %d", name,
                        version, cache_version(out_spec));
    const int shard = get_int(data + AT_SHARD);
    if (shard < 0 || shard >= out_spec->shards)
        return dho_fail(DHO_ERR_FORMAT, "%s: the shard's index is %d, expected 0 to %d", name,
                        shard, out_spec->shards - 1);
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
    const uint64_t offset = layout->header_bytes + first * layout->record_bytes;
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
