/* Writing a teacher cache: shard by shard, each atomically; head and manifest at the end. */
#define _GNU_SOURCE
#include "teacher/cache_format.h"

#include "base/bytes.h"
#include "base/folder_lock.h"
#include "base/machine.h"
#include "dho/alloc.h"
#include "dho/log.h"
#include "dho/safetensors.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* A shard that is being written. */
typedef struct shard_writer {
    const char *path;
    const dho_cache_spec *spec;
    cache_shard_layout layout;
    dho_atomic_file *file;
    float *payloads;         /* [views][dim] */
    dho_cache_record *views; /* [views] */
    uint8_t *record;         /* [record_bytes] */
    uint8_t *table;          /* [blocks] CRCs, little endian, and the table's own CRC */
    uint64_t written;        /* records */
    uint32_t block_crc;
} shard_writer;

/* Is the shard file whole, and of this spec? *out_valid false: it must be written (again). */
static dho_status check_existing(const char *path, const dho_cache_spec *spec, int shard,
                                 bool whole_blocks, bool *out_valid)
{
    dho_mapping mapping;
    dho_cache_spec found;
    cache_shard_layout layout;
    *out_valid = false;
    if (access(path, F_OK) != 0 && errno == ENOENT) return DHO_OK;
    DHO_TRY(dho_mapping_open(&mapping, path));
    dho_status status = cache_shard_parse(mapping.data, mapping.size, path, &found, &layout);
    if (status == DHO_OK) {
        status = cache_spec_compare(&found, spec, DHO_ERR_CONFIG, path);
        if (status != DHO_OK)
            dho_fail(status,
                     "%s: the cache was begun with another teacher, other options or other images; "
                     "remove its folder, or name another (--out)",
                     dho_error_message());
    }
    if (status == DHO_OK && layout.shard != shard)
        status = dho_fail(DHO_ERR_FORMAT, "%s: holds shard %d", path, layout.shard);
    for (uint64_t b = 0; whole_blocks && status == DHO_OK && b < layout.blocks; b++)
        status = cache_block_check(mapping.data, &layout, b, path);
    dho_mapping_close(&mapping);
    *out_valid = status == DHO_OK;
    return status;
}

/* A finished cache of another spec keeps its folder, also when its shards have other names. */
static dho_status check_folder(const char *folder, const dho_cache_spec *spec)
{
    char *path;
    cache_manifest manifest;
    DHO_TRY(dho_path_join(&path, folder, CACHE_MANIFEST_NAME));
    const bool there = dho_path_exists(path);
    dho_status status = DHO_OK;
    if (there) status = cache_manifest_read(folder, &manifest);
    if (status == DHO_ERR_FORMAT) {
        dho_warn("%s; the manifest is written again at the end", dho_error_message());
        status = DHO_OK;
    } else if (there && status == DHO_OK) {
        status = cache_spec_compare(&manifest.spec, spec, DHO_ERR_CONFIG, path);
        if (status != DHO_OK)
            dho_fail(status,
                     "%s: another teacher cache is in this folder; remove it or choose another "
                     "folder",
                     dho_error_message());
    }
    dho_free(path);
    return status;
}

/* Shards of an unfinished cache of another number of shards would stay beside those of this one. */
static dho_status check_shard_count(const char *folder, const dho_cache_spec *spec)
{
    dho_name_list list;
    dho_status status = DHO_OK;
    DHO_TRY(dho_list_folder(&list, folder));
    for (size_t i = 0; i < list.count && status == DHO_OK; i++) {
        int shard, shards, length = 0;
        const char *name = list.names[i];
        if (sscanf(name, "shard-%5d-of-%5d.bin%n", &shard, &shards, &length) != 2 || length == 0 ||
            name[length] != '\0' || shards == spec->shards)
            continue;
        status = dho_fail(DHO_ERR_CONFIG,
                          "%s/%s: shards is %d, expected %d: a cache that was begun with another "
                          "--shards; say that one, remove the folder or choose another",
                          folder, name, shards, spec->shards);
    }
    dho_name_list_free(&list);
    return status;
}

/* A full disk would end the work in the middle; shards of an earlier start are there already. */
static void warn_of_disk(const char *folder, double bytes)
{
    dho_name_list list;
    if (dho_list_folder(&list, folder) != DHO_OK) return;
    for (size_t i = 0; i < list.count; i++) {
        char *path;
        struct stat info;
        if (dho_path_join(&path, folder, list.names[i]) != DHO_OK) break;
        if (stat(path, &info) == 0) bytes -= (double)info.st_size;
        dho_free(path);
    }
    dho_name_list_free(&list);
    const double left = (double)dho_machine_disk(folder);
    if (left < bytes)
        dho_warn("%s: %.1f MiB are free, the cache needs %.1f MiB more", folder, left / 0x1p20,
                 bytes / 0x1p20);
}

dho_status dho_cache_begin(const char *folder, const dho_cache_spec *spec, int *out_lock)
{
    dho_status status;
    *out_lock = -1;
    DHO_TRY(cache_spec_check(spec, DHO_ERR_CONFIG, folder));
    const size_t bytes = dho_cache_record_bytes(spec);
    const double total = (double)bytes * spec->views * (double)spec->count;
    dho_info("%s: %" PRId64 " images x %d view%s, %zu bytes a view, %.1f MiB in all", folder,
             spec->count, spec->views, spec->views == 1 ? "" : "s", bytes, total / 0x1p20);
    DHO_TRY(dho_make_folders(folder));
    /* A whole cache where nobody can write, on a shared disk, say, is found whole as before. */
    if (access(folder, W_OK) == 0) DHO_TRY(dho_folder_lock(folder, "cache build", false, out_lock));
    warn_of_disk(folder, total);
    DHO_TRY_GOTO(check_folder(folder, spec));
    DHO_TRY_GOTO(check_shard_count(folder, spec));
    return DHO_OK;
fail:
    dho_folder_unlock(out_lock);
    return status;
}

static dho_status write_record(shard_writer *writer, int64_t id, int view)
{
    const dho_status encoded =
        cache_record_encode(writer->spec, &writer->views[view], writer->record);
    if (encoded != DHO_OK)
        return dho_fail_prefix(encoded, "%s: image %" PRId64 ", view %d: ", writer->path, id, view);
    const cache_shard_layout *layout = &writer->layout;
    DHO_TRY(dho_atomic_file_write(writer->file, writer->record, layout->record_bytes));
    writer->block_crc = dho_crc32(writer->block_crc, writer->record, layout->record_bytes);
    writer->written++;
    if (writer->written % layout->block_records == 0 || writer->written == layout->records) {
        const uint64_t block = (writer->written - 1) / layout->block_records;
        dho_put_le(writer->table + block * CACHE_CRC_BYTES, writer->block_crc, CACHE_CRC_BYTES);
        writer->block_crc = 0;
    }
    return DHO_OK;
}

static dho_status write_image(shard_writer *writer, int64_t id, dho_cache_fill fill, void *context)
{
    const int views = writer->spec->views;
    for (int v = 0; v < views; v++)
        writer->views[v] =
            (dho_cache_record){.payload = writer->payloads + (size_t)v * (size_t)writer->spec->dim};
    DHO_TRY(fill(context, id, writer->views));
    for (int v = 0; v < views; v++) DHO_TRY(write_record(writer, id, v));
    return DHO_OK;
}

static void writer_free(shard_writer *writer)
{
    dho_atomic_file_discard(&writer->file);
    dho_free(writer->payloads);
    dho_free(writer->views);
    dho_free(writer->record);
    dho_free(writer->table);
}

static dho_status write_shard(const char *path, const dho_cache_spec *spec, int shard,
                              dho_cache_fill fill, void *context)
{
    dho_status status;
    uint8_t header[CACHE_HEADER_BYTES];
    shard_writer writer = {.path = path, .spec = spec};
    cache_shard_layout *layout = &writer.layout;
    DHO_TRY_GOTO(cache_layout_compute(spec, shard, cache_block_records(spec), layout));
    const size_t views = (size_t)spec->views,
                 table_bytes = (size_t)layout->blocks * CACHE_CRC_BYTES;
    DHO_TRY_GOTO(dho_alloc(&writer.payloads, views * (size_t)spec->dim, sizeof(float), path));
    DHO_TRY_GOTO(dho_alloc(&writer.views, views, sizeof *writer.views, path));
    DHO_TRY_GOTO(dho_alloc(&writer.record, layout->record_bytes, 1, path));
    DHO_TRY_GOTO(dho_alloc(&writer.table, table_bytes + CACHE_CRC_BYTES, 1, path));
    DHO_TRY_GOTO(dho_atomic_file_create(&writer.file, path));
    cache_header_pack(spec, layout, header);
    DHO_TRY_GOTO(dho_atomic_file_write(writer.file, header, layout->header_bytes));
    for (int64_t id = shard; id < spec->count; id += spec->shards)
        DHO_TRY_GOTO(write_image(&writer, id, fill, context));
    dho_put_le(writer.table + table_bytes, dho_crc32(0, writer.table, table_bytes),
               CACHE_CRC_BYTES);
    DHO_TRY_GOTO(dho_atomic_file_write(writer.file, writer.table, table_bytes + CACHE_CRC_BYTES));
    DHO_TRY_GOTO(dho_atomic_file_commit(&writer.file));
fail:
    writer_free(&writer);
    return status;
}

dho_status dho_cache_write_shard(const char *folder, const dho_cache_spec *spec, int shard,
                                 dho_cache_fill fill, void *context, bool *out_written)
{
    dho_status status;
    char *path = NULL;
    bool valid;
    *out_written = false;
    DHO_TRY(cache_spec_check(spec, DHO_ERR_CONFIG, folder));
    if (shard < 0 || shard >= spec->shards)
        return dho_fail(DHO_ERR_INTERNAL, "%s: there is no shard %d of %d", folder, shard,
                        spec->shards);
    DHO_TRY(dho_make_folders(folder));
    DHO_TRY(check_folder(folder, spec));
    DHO_TRY_GOTO(cache_shard_path(&path, folder, spec->shards, shard));
    status = check_existing(path, spec, shard, true, &valid);
    if (status == DHO_ERR_FORMAT) {
        dho_warn("%s; the shard is written again", dho_error_message());
        status = DHO_OK;
    }
    if (status != DHO_OK || valid) goto fail;
    DHO_TRY_GOTO(write_shard(path, spec, shard, fill, context));
    *out_written = true;
fail:
    dho_free(path);
    return status;
}

/* --- completion --- */

static dho_status check_head(const char *folder, const dho_cache_spec *spec,
                             const dho_teacher_head *head)
{
    const bool needed = spec->payload == DHO_CACHE_EMBEDDING;
    if (needed != (head != NULL && head->weight != NULL))
        return dho_fail(DHO_ERR_INTERNAL, "%s: embeddings need a head, logits have none", folder);
    if (!needed) return DHO_OK;
    if (head->classes != spec->classes || head->dim != spec->dim)
        return dho_fail(DHO_ERR_INTERNAL, "%s: a head of [%d, %d] for a cache of [%d, %d]", folder,
                        head->classes, head->dim, spec->classes, spec->dim);
    return dho_teacher_head_check(head, DHO_ERR_NUMERIC, folder);
}

static dho_status write_head(const char *path, const dho_teacher_head *head,
                             cache_manifest *manifest)
{
    dho_mapping mapping;
    DHO_TRY(dho_teacher_head_save(path, head, NULL, &manifest->head_crc));
    DHO_TRY(dho_mapping_open(&mapping, path));
    manifest->has_head = true;
    manifest->head_keys = head->key_count;
    manifest->head_bytes = mapping.size;
    dho_mapping_close(&mapping);
    return DHO_OK;
}

/* All shards there, with good frames (their blocks were checked when they were written or kept). */
static dho_status check_shards(const char *folder, const dho_cache_spec *spec)
{
    for (int s = 0; s < spec->shards; s++) {
        char *path;
        bool valid;
        DHO_TRY(cache_shard_path(&path, folder, spec->shards, s));
        dho_status status = check_existing(path, spec, s, false, &valid);
        if (status == DHO_OK && !valid)
            status = dho_fail(DHO_ERR_CONFIG, "%s: missing: the cache is not complete", path);
        dho_free(path);
        DHO_TRY(status);
    }
    return DHO_OK;
}

static dho_status remove_file(const char *folder, const char *name)
{
    char *path;
    DHO_TRY(dho_path_join(&path, folder, name));
    dho_status status = DHO_OK;
    if (unlink(path) != 0 && errno != ENOENT)
        status = dho_fail(DHO_ERR_IO, "%s: cannot remove: %s", path, strerror(errno));
    dho_free(path);
    return status;
}

/* What killed runs left: "shard-...bin.tmp.PID" and the like. */
static dho_status remove_leftovers(const char *folder)
{
    dho_name_list list;
    dho_status status = DHO_OK;
    DHO_TRY(dho_list_folder(&list, folder));
    for (size_t i = 0; i < list.count && status == DHO_OK; i++) {
        const char *name = list.names[i];
        const char *suffix = strstr(name, ".tmp.");
        if (suffix == NULL || suffix[5] == '\0' ||
            strspn(suffix + 5, "0123456789") != strlen(suffix + 5))
            continue;
        if (strncmp(name, "shard-", 6) == 0 || strncmp(name, CACHE_HEAD_NAME, 16) == 0 ||
            strncmp(name, CACHE_MANIFEST_NAME, 10) == 0)
            status = remove_file(folder, name);
    }
    dho_name_list_free(&list);
    return status;
}

dho_status dho_cache_finish(const char *folder, const dho_cache_spec *spec,
                            const dho_teacher_head *head)
{
    dho_status status;
    char *path = NULL;
    cache_manifest manifest = {.spec = *spec};
    DHO_TRY(cache_spec_check(spec, DHO_ERR_CONFIG, folder));
    DHO_TRY(check_folder(folder, spec));
    DHO_TRY(check_head(folder, spec, head));
    DHO_TRY(check_shards(folder, spec));
    DHO_TRY(remove_leftovers(folder));
    /* The old manifest goes before the old head does: a kill between leaves an unfinished cache,
     * not one whose head is not the manifest's. */
    DHO_TRY(remove_file(folder, CACHE_MANIFEST_NAME));
    DHO_TRY(dho_sync_folder(folder));
    if (manifest.spec.payload == DHO_CACHE_EMBEDDING) {
        DHO_TRY_GOTO(dho_path_join(&path, folder, CACHE_HEAD_NAME));
        DHO_TRY_GOTO(write_head(path, head, &manifest));
    }
    DHO_TRY_GOTO(cache_manifest_write(folder, &manifest));
fail:
    dho_free(path);
    return status;
}

/* Is a cache of exactly this head there? Whatever is wrong with it: then it is not. */
static bool is_whole(const char *folder, const dho_teacher_head *head)
{
    char *path, own[96] = "", found[96] = "";
    dho_cache *cache;
    if (dho_path_join(&path, folder, CACHE_MANIFEST_NAME) != DHO_OK) return false;
    const bool there = dho_path_exists(path);
    dho_free(path);
    if (!there || dho_cache_open(&cache, folder) != DHO_OK) return false;
    if (head != NULL) {
        dho_teacher_head_describe(head, own, sizeof own);
        dho_teacher_head_describe(dho_cache_get_head(cache), found, sizeof found);
    }
    dho_cache_close(&cache);
    return strcmp(own, found) == 0;
}

dho_status dho_cache_finish_new(const char *folder, const dho_cache_spec *spec,
                                const dho_teacher_head *head, int64_t written)
{
    if (written > 0 || !is_whole(folder, head)) return dho_cache_finish(folder, spec, head);
    dho_info("%s: complete, nothing to do", folder);
    return DHO_OK;
}
