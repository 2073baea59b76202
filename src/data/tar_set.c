/* Open tar shards: random access by offset. pread, not mmap: a tar that shrinks while it is read is
 * an error here, not a signal, and a network file system sees one request an image. */
#define _GNU_SOURCE
#include "data/tar_index.h"
#include "dho/alloc.h"
#include "dho/file.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <unistd.h>

struct dho_tar_set {
    char *folder;              /* owned */
    dho_tar_file *files;       /* owned, [file_count] */
    int *descriptors;          /* owned, [file_count]; -1: not open; under the lock */
    uint32_t file_count, open; /* open: descriptors kept; under the lock */
    bool *touched;             /* owned, [file_count]; under the lock */
    dho_tar_member *members;   /* owned, by sample id */
    bool has_crc;
    pthread_mutex_t lock;
};

dho_status dho_tar_set_take(dho_tar_set **out, dho_tar_index *index, const char *folder)
{
    dho_tar_set *set;
    dho_status status;
    *out = NULL;
    DHO_TRY(dho_alloc_zero(&set, 1, sizeof *set, "shards"));
    pthread_mutex_init(&set->lock, NULL);
    DHO_TRY_GOTO(dho_strdup(&set->folder, folder));
    DHO_TRY_GOTO(
        dho_alloc(&set->descriptors, index->file_count, sizeof *set->descriptors, "shards: files"));
    for (uint32_t i = 0; i < index->file_count; i++) set->descriptors[i] = -1;
    DHO_TRY_GOTO(
        dho_alloc_zero(&set->touched, index->file_count, sizeof *set->touched, "shards: files"));
    set->files = index->files;
    set->file_count = index->file_count;
    set->members = index->members;
    set->has_crc = index->has_crc;
    index->files = NULL;
    index->members = NULL;
    index->file_count = 0;
    index->member_capacity = 0;
    *out = set;
    return DHO_OK;
fail:
    dho_tar_set_close(&set);
    return status;
}

void dho_tar_set_keep(dho_tar_set *set, const int64_t *ids, int64_t count)
{
    for (int64_t i = 0; i < count; i++) set->members[i] = set->members[ids[i]];
}

uint32_t dho_tar_set_files(const dho_tar_set *set)
{
    return set->file_count;
}

void dho_tar_set_close(dho_tar_set **inout)
{
    dho_tar_set *set = *inout;
    if (set == NULL) return;
    for (uint32_t i = 0; i < set->file_count; i++) {
        if (set->descriptors[i] >= 0) close(set->descriptors[i]);
        dho_free(set->files[i].name);
    }
    pthread_mutex_destroy(&set->lock);
    dho_free(set->files);
    dho_free(set->descriptors);
    dho_free(set->touched);
    dho_free(set->members);
    dho_free(set->folder);
    dho_free(set);
    *inout = NULL;
}

uint32_t dho_tar_set_touched(const dho_tar_set *set)
{
    uint32_t touched = 0;
    for (uint32_t i = 0; i < set->file_count; i++) touched += set->touched[i];
    return touched;
}

const dho_tar_member *dho_tar_set_member(const dho_tar_set *set, int64_t id)
{
    return &set->members[id];
}

static dho_status fail_file(const dho_tar_set *set, uint32_t file, const char *action)
{
    return dho_fail(DHO_ERR_IO, "%s/%s: cannot %s: %s", set->folder, set->files[file].name, action,
                    strerror(errno));
}

/* Opens a shard and sees that it still is the one that was indexed. */
static dho_status open_file(const dho_tar_set *set, uint32_t file, int *out)
{
    char *path;
    int descriptor;
    uint64_t bytes;
    DHO_TRY(dho_path_join(&path, set->folder, set->files[file].name));
    dho_status status = dho_file_open(&descriptor, path, &bytes);
    if (status != DHO_OK) goto fail;
    *out = descriptor;
    if (bytes != set->files[file].bytes)
        status =
            dho_fail(DHO_ERR_FORMAT, "%s: has %llu bytes, the index says %llu: not that shard",
                     path, (unsigned long long)bytes, (unsigned long long)set->files[file].bytes);
    else if (set->files[file].packed)
        status = dho_tar_unpack(out, descriptor, path);
    if (status != DHO_OK || set->files[file].packed) close(descriptor);
fail:
    dho_free(path);
    return status;
}

/* The shard's descriptor; *out_own: the caller closes it, because enough are kept open. */
static dho_status borrow_file(dho_tar_set *set, uint32_t file, int *out, bool *out_own)
{
    dho_status status = DHO_OK;
    *out_own = false;
    pthread_mutex_lock(&set->lock);
    *out = set->descriptors[file];
    if (*out < 0) {
        status = open_file(set, file, out);
        if (status == DHO_OK) {
            set->touched[file] = true;
            *out_own = set->open >= DHO_TAR_KEEP_OPEN;
        }
        if (status == DHO_OK && !*out_own) {
            set->descriptors[file] = *out;
            set->open++;
        }
    }
    pthread_mutex_unlock(&set->lock);
    return status;
}

static dho_status read_at(const dho_tar_set *set, const dho_tar_member *member, int descriptor,
                          uint8_t *to)
{
    size_t used = 0;
    while (used < member->bytes) {
        const ssize_t got =
            pread(descriptor, to + used, member->bytes - used, (off_t)(member->offset + used));
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return fail_file(set, member->shard, "read");
        if (got == 0)
            return dho_fail(DHO_ERR_FORMAT, "%s/%s: offset %llu: the file ends here", set->folder,
                            set->files[member->shard].name,
                            (unsigned long long)(member->offset + used));
        used += (size_t)got;
    }
    return DHO_OK;
}

dho_status dho_tar_set_read(dho_tar_set *set, int64_t id, uint8_t **inout_data,
                            size_t *inout_capacity, size_t *out_size)
{
    const dho_tar_member *member = &set->members[id];
    int descriptor;
    bool own;
    *out_size = 0;
    if (*inout_capacity < (size_t)member->bytes + 1) {
        dho_free(*inout_data);
        *inout_data = NULL;
        *inout_capacity = 0;
        DHO_TRY(dho_alloc(inout_data, (size_t)member->bytes + 1, 1, "shards: image"));
        *inout_capacity = (size_t)member->bytes + 1;
    }
    DHO_TRY(borrow_file(set, member->shard, &descriptor, &own));
    const dho_status status = read_at(set, member, descriptor, *inout_data);
    if (own) close(descriptor);
    DHO_TRY(status);
    (*inout_data)[member->bytes] = 0;
    if (set->has_crc && dho_crc32(0, *inout_data, member->bytes) != member->crc)
        return dho_tar_set_blame(
            set, id, dho_fail(DHO_ERR_FORMAT, "the image's checksum is wrong: damaged"));
    *out_size = member->bytes;
    return DHO_OK;
}

dho_status dho_tar_set_blame(const dho_tar_set *set, int64_t id, dho_status status)
{
    const dho_tar_member *member = &set->members[id];
    return dho_fail_prefix(status, "%s/%s: offset %llu: ", set->folder,
                           set->files[member->shard].name, (unsigned long long)member->offset);
}
