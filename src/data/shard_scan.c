/* Reading tars without an index, through libarchive (ustar, GNU and pax). Only headers and labels
 * are read; the images are skipped. */
#define _GNU_SOURCE
#include "data/shard_index.h"

#include "dho/alloc.h"
#include "dho/file.h"

#include <archive.h>
#include <archive_entry.h>
#include <ctype.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

enum { READ_BYTES = 1 << 16, LABEL_BYTES = 32, MAX_CLASS_FILE = 1 << 26 };

/* The sample that is being put together: the members of one key, one after the other. */
typedef struct scan {
    dho_shard_index *index;
    struct archive *archive;
    const char *name; /* of the tar */
    uint64_t file_bytes;
    uint32_t shard;
    char *key;        /* owned; NULL: none */
    char *image_name; /* owned; of the member; NULL: none yet */
    char
        *other_name; /* owned; of a member of the key that is neither image nor label; NULL: none */
    dho_shard_member image;
    int32_t label; /* -1: none yet */
    int64_t label_offset;
} scan;

/* A label without an image would be a sample that is lost without a word. */
static dho_status missing_image(const scan *s)
{
    return dho_fail(DHO_ERR_FORMAT,
                    "%s: offset %lld: \"%s.cls\" has no image that can be read (jpg, jpeg, jpe, "
                    "png)%s%s%s",
                    s->name, (long long)s->label_offset, s->key,
                    s->other_name != NULL ? "; beside it is \"" : "",
                    s->other_name != NULL ? s->other_name : "", s->other_name != NULL ? "\"" : "");
}

static dho_status end_sample(scan *s)
{
    dho_status status = DHO_OK;
    char *path = NULL;
    if (s->image_name != NULL && s->label < 0)
        status =
            dho_fail(DHO_ERR_FORMAT, "%s: offset %llu: \"%s\" has no label: no member \"%s.cls\"",
                     s->name, (unsigned long long)s->image.offset, s->image_name, s->key);
    else if (s->image_name != NULL)
        status = dho_shard_sample_path(&path, s->image_name);
    else if (s->label >= 0)
        status = missing_image(s);
    if (status == DHO_OK && path != NULL)
        status = dho_shard_index_add(s->index, path, s->label, &s->image);
    dho_free(path);
    dho_free(s->image_name);
    dho_free(s->other_name);
    dho_free(s->key);
    s->key = s->image_name = s->other_name = NULL;
    s->label = -1;
    return status;
}

static dho_status read_label(scan *s, const char *name, int64_t size)
{
    char text[LABEL_BYTES + 1], *end;
    const la_ssize_t got =
        size <= LABEL_BYTES ? archive_read_data(s->archive, text, LABEL_BYTES) : 0;
    text[got > 0 ? got : 0] = '\0';
    const long value = isdigit((unsigned char)text[0]) ? strtol(text, &end, 10) : -1;
    if (value >= 0)
        while (isspace((unsigned char)*end)) end++;
    if (value < 0 || value >= DHO_SHARD_MAX_CLASSES || *end != '\0' || s->label >= 0)
        return dho_fail(DHO_ERR_FORMAT, "%s: \"%s\": expected one integer label from 0 to %d",
                        s->name, name, DHO_SHARD_MAX_CLASSES - 1);
    s->label = (int32_t)value;
    s->label_offset = archive_read_header_position(s->archive);
    return DHO_OK;
}

static dho_status take_image(scan *s, const char *name, int64_t size)
{
    const int64_t offset = archive_filter_bytes(s->archive, 0);
    if (s->image_name != NULL)
        return dho_fail(DHO_ERR_FORMAT, "%s: offset %lld: \"%s\" and \"%s\" have the same key",
                        s->name, (long long)offset, s->image_name, name);
    if (size < 0 || offset < 0 || (uint64_t)size >= DHO_SHARD_MAX_IMAGE_BYTES ||
        (uint64_t)offset > s->file_bytes || (uint64_t)size > s->file_bytes - (uint64_t)offset)
        return dho_fail(DHO_ERR_FORMAT, "%s: offset %lld: \"%s\" has %lld bytes: the tar is cut",
                        s->name, (long long)offset, name, (long long)size);
    s->image =
        (dho_shard_member){.offset = (uint64_t)offset, .bytes = (uint32_t)size, .shard = s->shard};
    return dho_strdup(&s->image_name, name);
}

static dho_status take_member(scan *s, struct archive_entry *entry)
{
    const char *name = archive_entry_pathname(entry), *extension;
    size_t key;
    if (archive_entry_filetype(entry) != AE_IFREG || archive_entry_hardlink(entry) != NULL)
        return DHO_OK;
    if (name == NULL)
        return dho_fail(DHO_ERR_FORMAT, "%s: offset %lld: a name that is not UTF-8", s->name,
                        (long long)archive_read_header_position(s->archive));
    if (strncmp(name, "./", 2) == 0) name += 2; /* as `tar -c .` writes them */
    if (!dho_shard_split_name(name, &key, &extension)) return DHO_OK;
    if (s->key == NULL || strlen(s->key) != key || memcmp(s->key, name, key) != 0) {
        DHO_TRY(end_sample(s));
        DHO_TRY(dho_strndup(&s->key, name, key));
    }
    const int64_t size = archive_entry_size(entry);
    if (strcasecmp(extension, "cls") == 0) return read_label(s, name, size);
    if (!dho_shard_is_image_extension(extension))
        return s->other_name == NULL ? dho_strdup(&s->other_name, name) : DHO_OK;
    if (archive_entry_sparse_count(entry) > 0)
        return dho_fail(DHO_ERR_FORMAT, "%s: \"%s\" is a sparse member", s->name, name);
    return take_image(s, name, size);
}

static dho_status scan_members(scan *s)
{
    struct archive_entry *entry;
    for (;;) {
        const int code = archive_read_next_header(s->archive, &entry);
        if (code == ARCHIVE_EOF) return end_sample(s);
        if (code != ARCHIVE_OK && code != ARCHIVE_WARN) {
            const char *why = archive_error_string(s->archive);
            return dho_fail(DHO_ERR_FORMAT, "%s: offset %lld: %s", s->name,
                            (long long)archive_read_header_position(s->archive),
                            why != NULL ? why : "not a tar");
        }
        DHO_TRY(take_member(s, entry));
    }
}

static dho_status open_archive(scan *s, const char *path, const uint8_t *data, size_t size)
{
    s->archive = archive_read_new();
    if (s->archive == NULL) return dho_fail(DHO_ERR_MEMORY, "%s: cannot start to read", s->name);
    archive_read_support_format_tar(s->archive);
    const int code = path != NULL ? archive_read_open_filename(s->archive, path, READ_BYTES)
                                  : archive_read_open_memory(s->archive, data, size);
    if (code == ARCHIVE_OK) return DHO_OK;
    const bool format = path == NULL || access(path, R_OK) == 0;
    return dho_fail(format ? DHO_ERR_FORMAT : DHO_ERR_IO, "%s: %s", s->name,
                    archive_error_string(s->archive));
}

static dho_status run_scan(scan *s, const char *path, const uint8_t *data, size_t size)
{
    s->label = -1;
    /* libarchive turns names into the locale's characters: keep them UTF-8. */
    const locale_t utf8 = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);
    const locale_t before = utf8 != (locale_t)0 ? uselocale(utf8) : (locale_t)0;
    dho_status status = open_archive(s, path, data, size);
    if (status == DHO_OK) status = scan_members(s);
    if (s->archive != NULL) archive_read_free(s->archive);
    if (utf8 != (locale_t)0) {
        uselocale(before);
        freelocale(utf8);
    }
    dho_free(s->key);
    dho_free(s->image_name);
    dho_free(s->other_name);
    return status;
}

dho_status dho_shard_scan_memory(dho_shard_index *index, const uint8_t *data, size_t size,
                                 const char *name, uint32_t shard)
{
    scan s = {.index = index, .name = name, .shard = shard, .file_bytes = size};
    return run_scan(&s, NULL, data, size);
}

dho_status dho_shard_scan_tar(dho_shard_index *index, const char *path, uint32_t shard)
{
    struct stat info;
    if (stat(path, &info) != 0 || !S_ISREG(info.st_mode))
        return dho_fail(DHO_ERR_IO, "%s: is not a regular file", path);
    scan s = {.index = index, .name = path, .shard = shard, .file_bytes = (uint64_t)info.st_size};
    return run_scan(&s, path, NULL, 0);
}

/* --- a folder --- */

static bool is_tar(const char *name)
{
    const size_t length = strlen(name);
    return name[0] != '.' && length > 4 && strcmp(name + length - 4, ".tar") == 0;
}

static dho_status scan_files(dho_shard_index *out, const dho_name_list *names, const char *folder)
{
    for (size_t i = 0; i < names->count; i++) {
        struct stat info;
        char *path;
        if (!is_tar(names->names[i])) continue;
        DHO_TRY(dho_path_join(&path, folder, names->names[i]));
        const uint64_t bytes = stat(path, &info) == 0 ? (uint64_t)info.st_size : 0;
        dho_status status = dho_shard_index_add_file(out, names->names[i], bytes);
        if (status == DHO_OK) status = dho_shard_scan_tar(out, path, out->file_count - 1);
        dho_free(path);
        DHO_TRY(status);
    }
    if (out->file_count == 0) return dho_fail(DHO_ERR_CONFIG, "%s: no *.tar in it", folder);
    if (out->paths.count == 0)
        return dho_fail(DHO_ERR_CONFIG, "%s: no image in its %u tars", folder, out->file_count);
    return DHO_OK;
}

/* Are the files -00000-of-N ... in this order, with the sizes of ids dealt out one by one? */
static bool is_dealt_out(const dho_shard_index *index)
{
    const size_t shards = index->file_count, count = index->paths.count;
    size_t next = 0;
    for (size_t s = 0; s < shards; s++) {
        char tail[64];
        const int length = snprintf(tail, sizeof tail, "-%05zu-of-%05zu.tar", s, shards);
        const char *name = index->files[s].name;
        if (strlen(name) < (size_t)length || strcmp(name + strlen(name) - length, tail) != 0)
            return false;
        const size_t wanted = count / shards + (s < count % shards);
        for (size_t i = 0; i < wanted; i++, next++)
            if (next >= count || index->members[next].shard != s) return false;
    }
    return next == count;
}

/* From shard after shard to the order of the ids. */
static dho_status deal_back(dho_shard_index *index)
{
    const size_t shards = index->file_count, count = index->paths.count;
    dho_shard_member *members;
    dho_path_entry *entries = NULL;
    size_t from = 0;
    DHO_TRY(dho_alloc(&members, count, sizeof *members, "shards: samples"));
    const dho_status status = dho_alloc(&entries, count, sizeof *entries, "shards: samples");
    if (status != DHO_OK) {
        dho_free(members);
        return status;
    }
    for (size_t s = 0; s < shards; s++)
        for (size_t id = s; id < count; id += shards, from++) {
            members[id] = index->members[from];
            entries[id] = index->paths.entries[from];
        }
    dho_free(index->members);
    dho_free(index->paths.entries);
    index->members = members;
    index->member_capacity = count;
    index->paths.entries = entries;
    index->paths.capacity = count;
    return DHO_OK;
}

/* classes.txt: line i is class i; without it, the labels as text. */
static dho_status name_classes(dho_shard_index *out, const char *folder)
{
    dho_path_list names = {0};
    char *path = NULL;
    int32_t top = 0;
    dho_status status;
    DHO_TRY_GOTO(dho_path_join(&path, folder, DHO_SHARD_CLASSES_NAME));
    for (size_t i = 0; i < out->paths.count; i++)
        if (out->paths.entries[i].label >= top) top = out->paths.entries[i].label + 1;
    const bool listed = dho_path_exists(path);
    if (listed) DHO_TRY_GOTO(dho_read_lines(&names, path, false));
    if (listed && (names.count < (size_t)top || names.count > DHO_SHARD_MAX_CLASSES)) {
        status = dho_fail(DHO_ERR_FORMAT, "%s: %zu class names, the largest label is %d", path,
                          names.count, (int)top - 1);
        goto fail;
    }
    const int32_t classes = listed ? (int32_t)names.count : top;
    DHO_TRY_GOTO(dho_alloc_zero(&out->class_names, (size_t)classes, sizeof *out->class_names,
                                "shards: class names"));
    out->classes = classes;
    for (int32_t i = 0; i < classes; i++)
        DHO_TRY_GOTO(listed ? dho_strdup(&out->class_names[i], names.pool + names.entries[i].offset)
                            : dho_asprintf(&out->class_names[i], "%d", (int)i));
fail:
    dho_path_list_free(&names);
    dho_free(path);
    return status;
}

dho_status dho_shard_scan_folder(dho_shard_index *out, const char *folder)
{
    dho_name_list names = {0};
    dho_status status;
    *out = (dho_shard_index){0};
    DHO_TRY_GOTO(dho_list_folder(&names, folder));
    DHO_TRY_GOTO(scan_files(out, &names, folder));
    if (is_dealt_out(out)) DHO_TRY_GOTO(deal_back(out));
    DHO_TRY_GOTO(name_classes(out, folder));
fail:
    dho_name_list_free(&names);
    if (status != DHO_OK) dho_shard_index_free(out);
    return status;
}

dho_status dho_shard_index_checksum(dho_shard_index *index, const char *folder)
{
    dho_mapping *tars; /* no descriptor is held by one */
    char *path = NULL;
    DHO_TRY(dho_alloc_zero(&tars, index->file_count, sizeof *tars, "shards: files"));
    dho_status status = DHO_OK;
    for (uint32_t i = 0; i < index->file_count; i++) {
        DHO_TRY_GOTO(dho_path_join(&path, folder, index->files[i].name));
        DHO_TRY_GOTO(dho_mapping_open(&tars[i], path));
        dho_free(path);
        path = NULL;
    }
    for (size_t i = 0; i < index->paths.count; i++) {
        dho_shard_member *member = &index->members[i];
        const dho_mapping *tar = &tars[member->shard];
        if (member->offset + member->bytes > tar->size) {
            status = dho_fail(DHO_ERR_FORMAT, "%s/%s: has changed while it was read", folder,
                              index->files[member->shard].name);
            goto fail;
        }
        member->crc = dho_crc32(0, tar->data + member->offset, member->bytes);
    }
    index->has_crc = true;
fail:
    for (uint32_t i = 0; i < index->file_count; i++) dho_mapping_close(&tars[i]);
    dho_free(tars);
    dho_free(path);
    return status;
}
