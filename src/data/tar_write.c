/* Writing one tar through libarchive: GNU tar, which Python and every tar read. */
#include "data/tar_write.h"

#include "dho/alloc.h"
#include "dho/file.h"
#include "dho/image.h"
#include "dho/log.h"

#include <archive.h>
#include <archive_entry.h>
#include <stdio.h>
#include <string.h>

typedef struct writer {
    struct archive *archive;
    struct archive_entry *entry;
    dho_atomic_file *file;
    const char *path;
} writer;

dho_status dho_tar_file_name(char **out, int shard, int shards)
{
    return dho_asprintf(out, "shard-%05d-of-%05d.tar", shard, shards);
}

static la_ssize_t write_bytes(struct archive *archive, void *context, const void *data, size_t size)
{
    writer *w = context;
    if (dho_atomic_file_write(w->file, data, size) == DHO_OK) return (la_ssize_t)size;
    archive_set_error(archive, 5 /* EIO */, "%s", dho_error_message());
    return -1;
}

static dho_status check(const writer *w, int code)
{
    if (code == ARCHIVE_OK) return DHO_OK;
    return dho_fail(DHO_ERR_IO, "%s: %s", w->path, archive_error_string(w->archive));
}

static dho_status open_writer(writer *w)
{
    DHO_TRY(dho_atomic_file_create(&w->file, w->path));
    w->archive = archive_write_new();
    w->entry = archive_entry_new();
    if (w->archive == NULL || w->entry == NULL)
        return dho_fail(DHO_ERR_MEMORY, "%s: cannot start to write", w->path);
    /* GNU, not pax: its long names are bytes, whatever the locale. */
    DHO_TRY(check(w, archive_write_set_format_gnutar(w->archive)));
    /* Unbuffered: the file's size is where the next byte goes. */
    DHO_TRY(check(w, archive_write_set_bytes_per_block(w->archive, 0)));
    return check(w, archive_write_open(w->archive, w, NULL, write_bytes, NULL));
}

/* Nothing in a header depends on when, where or by whom it is written. *out_offset: the data. */
static dho_status write_member(writer *w, const char *name, const void *data, size_t size,
                               uint64_t *out_offset)
{
    archive_entry_clear(w->entry);
    archive_entry_set_pathname(w->entry, name);
    archive_entry_set_filetype(w->entry, AE_IFREG);
    archive_entry_set_perm(w->entry, 0644);
    archive_entry_set_size(w->entry, (la_int64_t)size);
    archive_entry_set_mtime(w->entry, 0, 0);
    DHO_TRY(check(w, archive_write_header(w->archive, w->entry)));
    *out_offset = dho_atomic_file_size(w->file);
    if (size > 0 && archive_write_data(w->archive, data, size) != (la_ssize_t)size)
        return dho_fail(DHO_ERR_IO, "%s: %s", w->path, archive_error_string(w->archive));
    return check(w, archive_write_finish_entry(w->archive));
}

/* "KEY.jpg" and, of an image with a class, "KEY.cls"; *inout_key: the key before, then this one. */
static dho_status write_sample(writer *w, const dho_sample *sample, const uint8_t *bytes,
                               size_t size, char **inout_key, dho_tar_member *out)
{
    char *name, *label_name = NULL, label[16];
    const char *extension;
    size_t key;
    uint64_t ignored;
    dho_status status;
    DHO_TRY(dho_tar_member_name(&name, sample->path));
    dho_tar_split_name(name, &key, &extension);
    if (*inout_key != NULL && strlen(*inout_key) == key && memcmp(*inout_key, name, key) == 0) {
        status = dho_fail(DHO_ERR_CONFIG,
                          "%s: cannot be packed: the sample in front of it in %s has the same name "
                          "but for the extension",
                          sample->path, w->path);
        goto fail;
    }
    dho_free(*inout_key);
    DHO_TRY_GOTO(dho_strndup(inout_key, name, key));
    DHO_TRY_GOTO(write_member(w, name, bytes, size, &out->offset));
    out->bytes = (uint32_t)size;
    out->crc = dho_crc32(0, bytes, size);
    if (sample->label == DHO_NO_LABEL) goto fail;
    DHO_TRY_GOTO(dho_asprintf(&label_name, "%s.cls", *inout_key));
    snprintf(label, sizeof label, "%d", (int)sample->label);
    DHO_TRY_GOTO(write_member(w, label_name, label, strlen(label), &ignored));
fail:
    dho_free(label_name);
    dho_free(name);
    return status;
}

/* Only the header is looked at: enough for what a failed download or a full disk leaves. */
static dho_status check_image(const dho_dataset *dataset, int64_t id, const uint8_t *bytes,
                              size_t size, bool keep_broken)
{
    const char *name = dataset->samples[id].path;
    int width, height;
    if (size >= DHO_TAR_MAX_IMAGE_BYTES)
        return dho_fail(DHO_ERR_FORMAT, "%s: more than 2 GiB", name);
    const dho_status status = dho_image_read_size(bytes, size, name, &width, &height);
    if (status != DHO_ERR_FORMAT) return status;
    if (!keep_broken)
        return dho_fail(status, "%s (data.on_error: skip packs it as it is)", dho_error_message());
    dho_warn("packed as it is: %s", dho_error_message());
    return DHO_OK;
}

dho_status dho_tar_write(const dho_dataset *dataset, int shard, int shards, bool keep_broken,
                         const char *path, dho_tar_member *members, uint64_t *out_bytes)
{
    writer w = {.path = path};
    uint8_t *bytes = NULL;
    char *key = NULL;
    size_t capacity = 0, size;
    dho_status status;
    DHO_TRY_GOTO(open_writer(&w));
    for (int64_t id = shard; id < dataset->count; id += shards, members++) {
        DHO_TRY_GOTO(dho_dataset_read(dataset, id, &bytes, &capacity, &size));
        DHO_TRY_GOTO(check_image(dataset, id, bytes, size, keep_broken));
        *members = (dho_tar_member){.shard = (uint32_t)shard};
        DHO_TRY_GOTO(write_sample(&w, &dataset->samples[id], bytes, size, &key, members));
    }
    DHO_TRY_GOTO(check(&w, archive_write_close(w.archive)));
    *out_bytes = dho_atomic_file_size(w.file);
    DHO_TRY_GOTO(dho_atomic_file_commit(&w.file));
fail:
    if (w.archive != NULL) archive_write_free(w.archive);
    if (w.entry != NULL) archive_entry_free(w.entry);
    dho_atomic_file_discard(&w.file);
    dho_free(key);
    dho_free(bytes);
    return status;
}

dho_status dho_tar_adopt(const dho_dataset *dataset, int shard, int shards, const char *folder,
                         const char *name, dho_tar_member *members, uint64_t *out_bytes)
{
    dho_tar_index index = {.unlabelled = dataset->classes == 0};
    dho_mapping mapping = {0};
    char *path;
    dho_status status;
    DHO_TRY(dho_path_join(&path, folder, name));
    DHO_TRY_GOTO(dho_mapping_open(&mapping, path));
    *out_bytes = mapping.size;
    DHO_TRY_GOTO(dho_tar_index_add_file(&index, name, mapping.size));
    DHO_TRY_GOTO(dho_tar_scan(&index, path, 0));
    DHO_TRY_GOTO(dho_tar_index_checksum(&index, folder));
    size_t i = 0;
    for (int64_t id = shard; id < dataset->count; id += shards, i++) {
        const dho_path_entry *entry = &index.paths.entries[i];
        if (i >= index.paths.count || entry->label != dataset->samples[id].label ||
            strcmp(index.paths.pool + entry->offset, dataset->samples[id].path) != 0)
            break;
        members[i] = index.members[i];
        members[i].shard = (uint32_t)shard;
    }
    if (shard + (int64_t)i * shards < dataset->count || i != index.paths.count)
        status = dho_fail(DHO_ERR_CONFIG,
                          "%s: is there already and is not shard %d of this dataset: remove it, or "
                          "pack into another folder",
                          path, shard);
fail:
    dho_mapping_close(&mapping);
    dho_tar_index_free(&index);
    dho_free(path);
    return status;
}
