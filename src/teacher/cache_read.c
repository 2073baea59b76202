/* Reading a teacher cache: shards are mapped when first needed, blocks checked when first touched.
 */
#define _GNU_SOURCE
#include "teacher/cache_format.h"

#include "dho/alloc.h"
#include "dho/safetensors.h"

#include <inttypes.h>
#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

/* A mapped shard. Read-only once published, but for `checked`. */
typedef struct mapped_shard {
    char *path;
    dho_mapping mapping;
    cache_shard_layout layout;
    atomic_uchar
        *checked; /* [blocks]; 1: the CRC was right. Racing threads check twice: harmless */
} mapped_shard;

struct dho_cache {
    char *folder;
    cache_manifest manifest;
    dho_teacher_head head;
    pthread_mutex_t mapping_lock;    /* held while a shard is being mapped */
    _Atomic(mapped_shard *) *shards; /* [spec.shards]; NULL until mapped */
};

/* --- head --- */

static dho_status parse_head(dho_cache *cache, const char *path, const dho_mapping *mapping)
{
    const cache_manifest *manifest = &cache->manifest;
    dho_safetensors *file = NULL;
    dho_status status;
    const uint32_t crc = dho_crc32(0, mapping->data, mapping->size);
    if (mapping->size != manifest->head_bytes || crc != manifest->head_crc)
        return dho_fail(DHO_ERR_FORMAT,
                        "%s: offset 0: %zu bytes with CRC %08" PRIx32 ", expected %" PRIu64
                        " bytes with CRC %08" PRIx32 " (of %s)",
                        path, mapping->size, crc, manifest->head_bytes, manifest->head_crc,
                        CACHE_MANIFEST_NAME);
    DHO_TRY_GOTO(dho_safetensors_open_memory(&file, mapping->data, mapping->size, path));
    status =
        dho_teacher_head_read(&cache->head, file, path, manifest->spec.classes, manifest->spec.dim);
    if (status == DHO_ERR_CONFIG) status = DHO_ERR_FORMAT; /* nobody chose this head */
    if (status != DHO_OK) goto fail;
    if (cache->head.key_count != manifest->head_keys)
        status = dho_fail(DHO_ERR_FORMAT, "%s: %d keys, expected %d (of %s)", path,
                          cache->head.key_count, manifest->head_keys, CACHE_MANIFEST_NAME);
fail:
    dho_safetensors_close(&file);
    return status;
}

static dho_status load_head(dho_cache *cache)
{
    char *path = NULL;
    dho_mapping mapping = {0};
    dho_status status;
    cache->head = (dho_teacher_head){
        .classes = cache->manifest.spec.classes, .dim = cache->manifest.spec.dim, .scale = 1};
    if (!cache->manifest.has_head) return DHO_OK;
    DHO_TRY_GOTO(dho_path_join(&path, cache->folder, CACHE_HEAD_NAME));
    DHO_TRY_GOTO(dho_mapping_open(&mapping, path));
    DHO_TRY_GOTO(parse_head(cache, path, &mapping));
fail:
    dho_mapping_close(&mapping);
    dho_free(path);
    return status;
}

/* --- open and close --- */

/* No manifest: is there nothing, or an unfinished cache? */
static dho_status explain_missing(const char *folder)
{
    dho_name_list list = {0};
    size_t shards = 0;
    if (!dho_path_is_folder(folder))
        return dho_fail(DHO_ERR_CONFIG,
                        "%s: no teacher cache there: no such folder (dho cache build makes it)",
                        folder);
    DHO_TRY(dho_list_folder(&list, folder));
    for (size_t i = 0; i < list.count; i++) {
        const size_t length = strlen(list.names[i]);
        shards += strncmp(list.names[i], "shard-", 6) == 0 && length > 4 &&
                  strcmp(list.names[i] + length - 4, ".bin") == 0;
    }
    dho_name_list_free(&list);
    if (shards == 0)
        return dho_fail(DHO_ERR_CONFIG,
                        "%s: no teacher cache there: no %s (dho cache build makes it)", folder,
                        CACHE_MANIFEST_NAME);
    return dho_fail(DHO_ERR_CONFIG,
                    "%s: the teacher cache is not complete: %zu shards are there, but no %s; run "
                    "the command that makes it again, it goes on where it stopped",
                    folder, shards, CACHE_MANIFEST_NAME);
}

dho_status dho_cache_open(dho_cache **out, const char *folder)
{
    dho_status status;
    dho_cache *cache;
    *out = NULL;
    DHO_TRY(dho_alloc_zero(&cache, 1, sizeof *cache, folder));
    pthread_mutex_init(&cache->mapping_lock, NULL);
    DHO_TRY_GOTO(dho_strdup(&cache->folder, folder));
    status = cache_manifest_read(folder, &cache->manifest);
    if (status == DHO_ERR_CONFIG) {
        char *path = NULL;
        DHO_TRY_GOTO(dho_path_join(&path, folder, CACHE_MANIFEST_NAME));
        const bool there = dho_path_exists(path); /* then it is another version's */
        dho_free(path);
        status = there ? DHO_ERR_CONFIG : explain_missing(folder);
    }
    if (status != DHO_OK) goto fail;
    DHO_TRY_GOTO(load_head(cache));
    const size_t shards = (size_t)cache->manifest.spec.shards;
    DHO_TRY_GOTO(dho_alloc(&cache->shards, shards, sizeof *cache->shards, folder));
    for (size_t i = 0; i < shards; i++) atomic_init(&cache->shards[i], NULL);
    *out = cache;
    return DHO_OK;
fail:
    dho_cache_close(&cache);
    return status;
}

static void unmap_shard(mapped_shard *shard)
{
    if (shard == NULL) return;
    dho_mapping_close(&shard->mapping);
    dho_free(shard->checked);
    dho_free(shard->path);
    dho_free(shard);
}

void dho_cache_close(dho_cache **inout)
{
    dho_cache *cache = *inout;
    if (cache == NULL) return;
    for (int s = 0; cache->shards != NULL && s < cache->manifest.spec.shards; s++)
        unmap_shard(atomic_load(&cache->shards[s]));
    dho_free(cache->shards);
    pthread_mutex_destroy(&cache->mapping_lock);
    dho_teacher_head_free(&cache->head);
    dho_free(cache->folder);
    dho_free(cache);
    *inout = NULL;
}

const dho_cache_spec *dho_cache_get_spec(const dho_cache *cache)
{
    return &cache->manifest.spec;
}

const char *dho_cache_folder(const dho_cache *cache)
{
    return cache->folder;
}

const dho_teacher_head *dho_cache_get_head(const dho_cache *cache)
{
    return &cache->head;
}

dho_status dho_cache_check_dataset(const dho_cache *cache, uint64_t fingerprint, int64_t count)
{
    const dho_cache_spec *spec = &cache->manifest.spec;
    if (spec->fingerprint == fingerprint && spec->count == count) return DHO_OK;
    return dho_fail(DHO_ERR_CONFIG,
                    "%s: the teacher cache is of another dataset: it has %" PRId64
                    " images, fingerprint %016" PRIx64 "; this dataset has %" PRId64
                    " images, fingerprint %016" PRIx64,
                    cache->folder, spec->count, spec->fingerprint, count, fingerprint);
}

/* --- shards --- */

static dho_status map_shard(const dho_cache *cache, int index, mapped_shard **out)
{
    const dho_cache_spec *spec = &cache->manifest.spec;
    dho_status status;
    dho_cache_spec found;
    mapped_shard *shard;
    *out = NULL;
    DHO_TRY(dho_alloc_zero(&shard, 1, sizeof *shard, cache->folder));
    DHO_TRY_GOTO(cache_shard_path(&shard->path, cache->folder, spec->shards, index));
    DHO_TRY_GOTO(dho_mapping_open(&shard->mapping, shard->path));
    DHO_TRY_GOTO(cache_shard_parse(shard->mapping.data, shard->mapping.size, shard->path, &found,
                                   &shard->layout));
    DHO_TRY_GOTO(cache_spec_compare(&found, spec, DHO_ERR_FORMAT, shard->path));
    if (shard->layout.shard != index) {
        status = dho_fail(DHO_ERR_FORMAT, "%s: holds shard %d", shard->path, shard->layout.shard);
        goto fail;
    }
    DHO_TRY_GOTO(dho_alloc(&shard->checked, (size_t)shard->layout.blocks, sizeof *shard->checked,
                           shard->path));
    for (uint64_t b = 0; b < shard->layout.blocks; b++) atomic_init(&shard->checked[b], 0);
    *out = shard;
    return DHO_OK;
fail:
    unmap_shard(shard);
    return status;
}

static dho_status get_shard(dho_cache *cache, int index, mapped_shard **out)
{
    dho_status status = DHO_OK;
    *out = atomic_load_explicit(&cache->shards[index], memory_order_acquire);
    if (*out != NULL) return DHO_OK;
    pthread_mutex_lock(&cache->mapping_lock);
    *out = atomic_load_explicit(&cache->shards[index], memory_order_relaxed);
    if (*out == NULL) {
        status = map_shard(cache, index, out);
        if (status == DHO_OK)
            atomic_store_explicit(&cache->shards[index], *out, memory_order_release);
    }
    pthread_mutex_unlock(&cache->mapping_lock);
    return status;
}

/* --- records --- */

static dho_status decode(const dho_cache *cache, const mapped_shard *shard, uint64_t record,
                         dho_cache_record *inout)
{
    const uint64_t offset = shard->layout.header_bytes + record * shard->layout.record_bytes;
    const dho_status status =
        cache_record_decode(&cache->manifest.spec, shard->mapping.data + offset, inout);
    if (status != DHO_OK)
        dho_fail_prefix(status, "%s: record %" PRIu64 " at offset %" PRIu64 ": ", shard->path,
                        record, offset);
    return status;
}

dho_status dho_cache_read(dho_cache *cache, int64_t id, int view, dho_cache_record *inout)
{
    const dho_cache_spec *spec = &cache->manifest.spec;
    mapped_shard *shard;
    if (id < 0 || id >= spec->count || view < 0 || view >= spec->views)
        return dho_fail(DHO_ERR_INTERNAL,
                        "%s: there is no image %" PRId64 ", view %d: %" PRId64
                        " images with %d views",
                        cache->folder, id, view, spec->count, spec->views);
    DHO_TRY(get_shard(cache, (int)(id % spec->shards), &shard));
    const uint64_t record = (uint64_t)(id / spec->shards) * (uint64_t)spec->views + (uint64_t)view;
    const uint64_t block = record / shard->layout.block_records;
    if (atomic_load_explicit(&shard->checked[block], memory_order_relaxed) == 0) {
        DHO_TRY(cache_block_check(shard->mapping.data, &shard->layout, block, shard->path));
        atomic_store_explicit(&shard->checked[block], 1, memory_order_relaxed);
    }
    return decode(cache, shard, record, inout);
}

dho_status dho_cache_read_view(dho_cache *cache, int64_t id, int view, dho_box *box, bool *flip)
{
    dho_cache_record record = {0};
    DHO_TRY(dho_cache_read(cache, id, view, &record));
    *box = record.box;
    *flip = record.flip;
    return DHO_OK;
}

/* --- verification --- */

static dho_status verify_shard(const dho_cache *cache, int index, float *payload)
{
    mapped_shard *shard;
    dho_status status = DHO_OK;
    /* A mapping of its own: what is on disk now, whatever was checked before. */
    DHO_TRY(map_shard(cache, index, &shard));
    for (uint64_t b = 0; b < shard->layout.blocks; b++)
        DHO_TRY_GOTO(cache_block_check(shard->mapping.data, &shard->layout, b, shard->path));
    for (uint64_t r = 0; r < shard->layout.records; r++) {
        dho_cache_record record = {.payload = payload};
        DHO_TRY_GOTO(decode(cache, shard, r, &record));
        for (int i = 0; i < cache->manifest.spec.dim; i++) {
            if (isfinite(payload[i])) continue;
            status = dho_fail(DHO_ERR_FORMAT, "%s: record %" PRIu64 ": value %d is %g", shard->path,
                              r, i, (double)payload[i]);
            goto fail;
        }
    }
fail:
    unmap_shard(shard);
    return status;
}

/* Manifest and head once more: they may have changed since the cache was opened. */
static dho_status verify_frame(const dho_cache *cache)
{
    dho_cache *again;
    DHO_TRY(dho_cache_open(&again, cache->folder));
    const bool same = again->manifest.head_crc == cache->manifest.head_crc;
    const dho_status status = cache_spec_compare(&again->manifest.spec, &cache->manifest.spec,
                                                 DHO_ERR_FORMAT, cache->folder);
    dho_cache_close(&again);
    if (status != DHO_OK || same) return status;
    return dho_fail(DHO_ERR_FORMAT, "%s: the head has changed since the cache was opened",
                    cache->folder);
}

dho_status dho_cache_verify(dho_cache *cache, int rank, int ranks)
{
    dho_status status = DHO_OK;
    float *payload;
    DHO_TRY(verify_frame(cache));
    DHO_TRY(dho_alloc(&payload, (size_t)cache->manifest.spec.dim, sizeof *payload, "verification"));
    for (int s = rank; s < cache->manifest.spec.shards && status == DHO_OK; s += ranks)
        status = verify_shard(cache, s, payload);
    dho_free(payload);
    return status;
}
