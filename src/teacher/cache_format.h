/* The teacher cache's bytes: shard layout, record codec, manifest. Private to src/teacher.
 * docs/teacher-cache.md describes the same for people. All numbers are little endian. */
#ifndef DHO_TEACHER_CACHE_FORMAT_H
#define DHO_TEACHER_CACHE_FORMAT_H

#include "dho/file.h"
#include "dho/status.h"
#include "dho/teacher_cache.h"

#include <stddef.h>
#include <stdint.h>

enum {
    CACHE_VERSION = 3,        /* the newest; see cache_version */
    CACHE_HEADER_BYTES = 304, /* the longest; see cache_header_bytes */
    CACHE_CRC_BYTES = 4,
    CACHE_BLOCK_TARGET = 65536, /* bytes of records a block has, about */
    CACHE_BOX_BYTES = 10,       /* x, y, width, height, flags: u16 each */
    CACHE_EXACT = 4,            /* values of an int8x record that are kept as floats */
    CACHE_EXACT_BYTES = 6,      /* index: u16, value: f32 */
    CACHE_TOP_BYTES = 4,        /* class: u16, logit below the largest: fp16 */
    CACHE_TOP_HEAD = 8,         /* largest logit, log-sum-exp of the rest below it: f32 each */
    CACHE_MAX_INDEX = 65536,    /* of dim where a record has u16 indices */
    CACHE_MAX_DIM = DHO_HEAD_MAX_DIM,
    CACHE_MAX_IMAGE_SIZE = 65500,
    CACHE_MAX_MANIFEST_BYTES = 1 << 16
};
#define CACHE_MAX_COUNT ((int64_t)1 << 40)

/* Where things lie in one shard file. */
typedef struct cache_shard_layout {
    int shard; /* its index */
    size_t header_bytes;
    uint64_t records; /* images of the shard x views */
    size_t record_bytes;
    uint64_t block_records; /* records of a block; the last block may have fewer */
    uint64_t blocks;
    uint64_t table_offset; /* of the CRC table; the records end there */
    uint64_t file_bytes;   /* header + records + blocks x CRC + CRC of the table */
} cache_shard_layout;

/* The version of a cache of this spec: the lowest that can say it all. */
int cache_version(const dho_cache_spec *spec);
/* Of a shard file of that version. */
size_t cache_header_bytes(int version);

/* Are all values of the spec possible? `status` is what a failure returns (DHO_ERR_CONFIG for a
 * caller's spec, DHO_ERR_FORMAT for one out of a file), `name` stands in front of the message. */
dho_status cache_spec_check(const dho_cache_spec *spec, dho_status status, const char *name);

/* DHO_OK when both are the same; else `status` with "name: views is 4, expected 2". */
dho_status cache_spec_compare(const dho_cache_spec *found, const dho_cache_spec *expected,
                              dho_status status, const char *name);

/* What decides the teacher's input; not what computed. Errors as those of cache_spec_compare. */
dho_status cache_transform_compare(const dho_cache_transform *found,
                                   const dho_cache_transform *expected, dho_status status,
                                   const char *name);

/* Layout of shard `shard` of a checked spec. Errors: DHO_ERR_CONFIG when it overflows 63 bits. */
dho_status cache_layout_compute(const dho_cache_spec *spec, int shard, uint64_t block_records,
                                cache_shard_layout *out);
/* Records a block gets when a shard is written. */
uint64_t cache_block_records(const dho_cache_spec *spec);

void cache_header_pack(const dho_cache_spec *spec, const cache_shard_layout *layout,
                       uint8_t out[CACHE_HEADER_BYTES]);

/* Checks a whole file's frame: header with its CRC, size, the CRC table's own CRC; not the records.
 * Errors: DHO_ERR_FORMAT; DHO_ERR_CONFIG for a version of the format that is not ours. */
dho_status cache_shard_parse(const uint8_t *data, size_t size, const char *name,
                             dho_cache_spec *out_spec, cache_shard_layout *out_layout);

/* Compares block `block` with its CRC in the table. data: the whole file. */
dho_status cache_block_check(const uint8_t *data, const cache_shard_layout *layout, uint64_t block,
                             const char *name);

/* record's float payload into record_bytes at out. Errors: DHO_ERR_NUMERIC for a value that is not
 * finite in the encoding, DHO_ERR_CONFIG for a box outside u16 or empty; no name in front. */
dho_status cache_record_encode(const dho_cache_spec *spec, const dho_cache_record *record,
                               uint8_t *out);
/* Box and flip, and the payload when record->payload is not NULL. Errors: DHO_ERR_FORMAT for a box
 * or a scale no writer would have made; no name in front. */
dho_status cache_record_decode(const dho_cache_spec *spec, const uint8_t *data,
                               dho_cache_record *record);

/* x / max(|x|, 1e-12): what is stored for a cosine head. Returns |x|. */
double cache_normalise(float *x, size_t count);

/* "folder/shard-00003-of-00008.bin"; *out owned by the caller (dho_free). */
dho_status cache_shard_path(char **out, const char *folder, int shards, int shard);

/* --- manifest (cache_manifest.c) --- */

#define CACHE_MANIFEST_NAME "cache.json"
#define CACHE_HEAD_NAME "head.safetensors"

typedef struct cache_manifest {
    dho_cache_spec spec;
    bool has_head;
    uint64_t head_bytes;
    uint32_t head_crc; /* CRC-32 of the whole head file */
    int head_keys;     /* of a Tip-Adapter head; 0: a linear one */
} cache_manifest;

dho_status cache_manifest_write(const char *folder, const cache_manifest *manifest);
/* Errors: DHO_ERR_CONFIG when there is none, DHO_ERR_FORMAT. */
dho_status cache_manifest_read(const char *folder, cache_manifest *out);

#endif
