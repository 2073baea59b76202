/* A folder of tars without an index: which tars, the order of the samples, the classes' names. */
#include "base/text.h"
#include "data/tar_index.h"
#include "image/image_name.h"

#include "dho/alloc.h"
#include "dho/file.h"
#include "dho/log.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

bool dho_tar_is_name(const char *path)
{
    static const char *const ends[] = {".tar",    ".tar.gz", ".tgz",     ".tar.bz2", ".tbz2",
                                       ".tar.xz", ".txz",    ".tar.zst", ".tzst",    ".tar.lz4"};
    const char *name = dho_base_name(path);
    const size_t length = strlen(name);
    for (size_t i = 0; i < sizeof ends / sizeof *ends && name[0] != '.'; i++) {
        const size_t end = strlen(ends[i]);
        if (length > end && strcasecmp(name + length - end, ends[i]) == 0) return true;
    }
    return false;
}

dho_status dho_tar_is_folder(const char *folder, bool *out)
{
    dho_name_list names;
    *out = false;
    DHO_TRY(dho_list_folder(&names, folder));
    for (size_t i = 0; i < names.count && !*out; i++)
        *out = strcmp(names.names[i], DHO_TAR_INDEX_NAME) == 0 || dho_tar_is_name(names.names[i]);
    dho_name_list_free(&names);
    return DHO_OK;
}

static dho_status scan_files(dho_tar_index *out, const dho_name_list *names, const char *folder)
{
    uint32_t packed = 0;
    for (size_t i = 0; i < names->count; i++) {
        struct stat info;
        char *path;
        if (!dho_tar_is_name(names->names[i])) continue;
        DHO_TRY(dho_path_join(&path, folder, names->names[i]));
        const uint64_t bytes = stat(path, &info) == 0 ? (uint64_t)info.st_size : 0;
        dho_status status = dho_tar_index_add_file(out, names->names[i], bytes);
        if (status == DHO_OK) status = dho_tar_scan(out, path, out->file_count - 1);
        dho_free(path);
        DHO_TRY(status);
        packed += out->files[out->file_count - 1].packed;
    }
    if (out->file_count == 0)
        return dho_fail(DHO_ERR_CONFIG, "%s: no *.tar in it (nor .tar.gz, .tgz, .tar.zst ...)",
                        folder);
    if (out->paths.count == 0)
        return dho_fail(DHO_ERR_CONFIG, "%s: no image in its %u tars", folder, out->file_count);
    if (packed > DHO_TAR_KEEP_OPEN)
        return dho_fail(DHO_ERR_CONFIG, "%s: %u compressed tars, at most %d: unpack them (gunzip)",
                        folder, packed, DHO_TAR_KEEP_OPEN);
    if (packed > 0)
        dho_warn_once("%s: %u compressed tar%s: each rank unpacks what it reads into TMPDIR (or "
                      "/tmp); gunzip once to spare that",
                      folder, packed, packed == 1 ? "" : "s");
    if (out->dotted > 0)
        dho_warn_once("%s: images with a dot in their names: %lld, used, though webdataset cannot; "
                      "dho pack writes names that both read",
                      folder, (long long)out->dotted);
    return DHO_OK;
}

static bool is_indexed(const dho_tar_index *index, const char *name)
{
    for (uint32_t i = 0; i < index->file_count; i++)
        if (strcmp(index->files[i].name, name) == 0) return true;
    return false;
}

dho_status dho_tar_count_unused(dho_tar_index *index, const char *folder)
{
    dho_name_list names;
    if (index->unused == NULL)
        DHO_TRY(dho_alloc_zero(&index->unused, 1, sizeof *index->unused, "shards"));
    DHO_TRY(dho_list_folder(&names, folder));
    dho_status status = DHO_OK;
    for (size_t i = 0; i < names.count && status == DHO_OK; i++) {
        const char *name = names.names[i];
        if (strcmp(name, DHO_TAR_INDEX_NAME) == 0 || strcmp(name, DHO_TAR_CLASSES_NAME) == 0 ||
            is_indexed(index, name))
            continue;
        status = dho_unused_add(index->unused,
                                name[0] == '.'          ? DHO_UNUSED_SYSTEM
                                : dho_tar_is_name(name) ? DHO_UNUSED_NOT_INDEXED
                                : dho_image_name_kind(name) != DHO_NAME_OTHER ? DHO_UNUSED_NO_LABEL
                                                                              : DHO_UNUSED_OTHER,
                                NULL, name);
    }
    dho_name_list_free(&names);
    return status;
}

/* Are the files -00000-of-N ... in this order, with the sizes of ids dealt out one by one? */
static bool is_dealt_out(const dho_tar_index *index)
{
    const size_t shards = index->file_count, count = index->paths.count;
    size_t next = 0;
    for (size_t s = 0; s < shards; s++) {
        char tail[64];
        const size_t length = (size_t)snprintf(tail, sizeof tail, "-%05zu-of-%05zu.tar", s, shards);
        const char *at = strstr(index->files[s].name, tail);
        if (at == NULL || (at[length] != '\0' && at[length] != '.')) return false; /* .tar.gz */
        const size_t wanted = count / shards + (s < count % shards);
        for (size_t i = 0; i < wanted; i++, next++)
            if (next >= count || index->members[next].shard != s) return false;
    }
    return next == count;
}

/* From shard after shard to the order of the ids. */
static dho_status deal_back(dho_tar_index *index)
{
    const size_t shards = index->file_count, count = index->paths.count;
    dho_tar_member *members;
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

/* classes.txt: line i is class i; without it, the labels as text. Of unlabelled images: none. */
static dho_status name_classes(dho_tar_index *out, const char *folder)
{
    dho_path_list names = {0};
    char *path = NULL;
    int32_t top = 0;
    dho_status status;
    if (out->unlabelled) return DHO_OK;
    DHO_TRY_GOTO(dho_path_join(&path, folder, DHO_TAR_CLASSES_NAME));
    for (size_t i = 0; i < out->paths.count; i++)
        if (out->paths.entries[i].label >= top) top = out->paths.entries[i].label + 1;
    const bool listed = dho_path_exists(path);
    if (listed) DHO_TRY_GOTO(dho_read_lines(&names, path, false));
    if (listed && (names.count < (size_t)top || names.count > DHO_TAR_MAX_CLASSES)) {
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

dho_status dho_tar_scan_folder(dho_tar_index *out, const char *folder, bool unlabelled)
{
    dho_name_list names = {0};
    dho_status status;
    *out = (dho_tar_index){.unlabelled = unlabelled};
    DHO_TRY_GOTO(dho_list_folder(&names, folder));
    DHO_TRY_GOTO(scan_files(out, &names, folder));
    if (is_dealt_out(out)) DHO_TRY_GOTO(deal_back(out));
    DHO_TRY_GOTO(name_classes(out, folder));
fail:
    dho_name_list_free(&names);
    if (status != DHO_OK) dho_tar_index_free(out);
    return status;
}

dho_status dho_tar_index_checksum(dho_tar_index *index, const char *folder)
{
    dho_mapping *tars; /* no descriptor is held by one */
    char *path = NULL;
    for (uint32_t i = 0; i < index->file_count; i++)
        if (index->files[i].packed)
            return dho_fail(DHO_ERR_CONFIG,
                            "%s/%s: is compressed: an index is of plain tars: unpack it (gunzip)",
                            folder, index->files[i].name);
    DHO_TRY(dho_alloc_zero(&tars, index->file_count, sizeof *tars, "shards: files"));
    dho_status status = DHO_OK;
    for (uint32_t i = 0; i < index->file_count; i++) {
        DHO_TRY_GOTO(dho_path_join(&path, folder, index->files[i].name));
        DHO_TRY_GOTO(dho_mapping_open(&tars[i], path));
        dho_free(path);
        path = NULL;
    }
    for (size_t i = 0; i < index->paths.count; i++) {
        dho_tar_member *member = &index->members[i];
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
