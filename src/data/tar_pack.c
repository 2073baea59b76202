/* Packing by all ranks: each writes its shards, rank 0 gathers where the images are and writes the
 * index. The index is the last file: what has one is whole. */
#include "data/tar_write.h"
#include "dho/alloc.h"
#include "dho/file.h"
#include "dho/log.h"
#include "dho/tar.h"

#include <stdio.h>
#include <string.h>

typedef struct packer {
    const dho_dataset *dataset;
    dho_comm *comm;
    const char *folder;
    int shards, rank, ranks;
    bool keep_broken;
    dho_tar_member *members; /* owned, [member_count]: of this rank's shards, one after another */
    size_t member_count;
    uint64_t *bytes; /* owned, [shards]: sizes of the tars; 0: another rank's */
    int64_t kept;    /* tars that were there */
} packer;

static size_t shard_count(const packer *p, int shard)
{
    const int64_t count = p->dataset->count;
    return (size_t)(count / p->shards + (shard < count % p->shards));
}

/* Is the folder complete already? Something else in it is an error. */
static dho_status look_at_folder(const packer *p, bool *out_complete)
{
    char *path;
    dho_dataset there;
    *out_complete = false;
    DHO_TRY(dho_path_join(&path, p->folder, DHO_TAR_INDEX_NAME));
    const bool exists = dho_path_exists(path);
    dho_free(path);
    if (!exists) return DHO_OK;
    DHO_TRY(p->dataset->classes > 0 ? dho_dataset_open_shards(&there, p->folder, NULL)
                                    : dho_dataset_open_unlabelled(&there, p->folder));
    const bool same = there.fingerprint == p->dataset->fingerprint;
    const uint32_t shards = dho_tar_set_files(there.shards);
    dho_dataset_free(&there);
    *out_complete = same && shards == (uint32_t)p->shards;
    if (*out_complete) return DHO_OK;
    if (same)
        return dho_fail(DHO_ERR_CONFIG,
                        "%s: holds these images in %u shards, not %d: pack into another folder",
                        p->folder, shards, p->shards);
    return dho_fail(DHO_ERR_CONFIG, "%s: holds another dataset: pack into another folder",
                    p->folder);
}

/* Tars among the images would be images' neighbours, and an index would make them the dataset. */
static dho_status check_folder(const packer *p)
{
    if (!dho_path_is_same(p->dataset->root, p->folder)) return DHO_OK;
    return dho_fail(DHO_ERR_CONFIG, "%s: is the folder of the images: pack into another folder",
                    p->folder);
}

/* classes.txt has a name a line; white space at its ends is dropped when it is read. */
static dho_status check_class_name(const char *name)
{
    const size_t length = strlen(name);
    const char *ends = " \t\r";
    if (length > 0 && strchr(name, '\n') == NULL && strchr(ends, name[0]) == NULL &&
        strchr(ends, name[length - 1]) == NULL)
        return DHO_OK;
    return dho_fail(DHO_ERR_CONFIG,
                    "class \"%s\": %s, so it cannot be a line of %s: rename the class", name,
                    length == 0                  ? "is empty"
                    : strchr(name, '\n') != NULL ? "has a line break in it"
                                                 : "begins or ends with white space",
                    DHO_TAR_CLASSES_NAME);
}

static dho_status check_packable(const packer *p)
{
    const dho_dataset *dataset = p->dataset;
    if (p->shards < 1 || p->shards > DHO_TAR_MAX_FILES || p->shards > dataset->count)
        return dho_fail(DHO_ERR_CONFIG,
                        "%d shards of %lld images: expected 1 to %d, and at most "
                        "one an image",
                        p->shards, (long long)dataset->count, DHO_TAR_MAX_FILES);
    for (int32_t c = 0; c < dataset->classes; c++)
        DHO_TRY(check_class_name(dataset->class_names[c]));
    for (int64_t id = 0; id < dataset->count; id++) {
        const char *path = dataset->samples[id].path;
        char *name;
        if (path[0] == '/' || strncmp(path, "../", 3) == 0 || strstr(path, "/../") != NULL)
            return dho_fail(DHO_ERR_CONFIG,
                            "%s: cannot be packed: names in a tar start at its own folder", path);
        DHO_TRY(dho_tar_member_name(&name, path));
        dho_free(name);
    }
    return DHO_OK;
}

static dho_status prepare(packer *p, bool *out_complete)
{
    *out_complete = false;
    DHO_TRY(check_folder(p));
    DHO_TRY(look_at_folder(p, out_complete));
    if (*out_complete) return DHO_OK;
    DHO_TRY(check_packable(p));
    size_t count = 0;
    for (int s = p->rank; s < p->shards; s += p->ranks) count += shard_count(p, s);
    DHO_TRY(dho_alloc_zero(&p->members, count, sizeof *p->members, "pack"));
    return dho_alloc_zero(&p->bytes, (size_t)p->shards, sizeof *p->bytes, "pack");
}

static dho_status pack_shard(void *context, int shard)
{
    packer *p = context;
    char *name, *path = NULL;
    dho_status status;
    dho_tar_member *members = p->members + p->member_count;
    DHO_TRY(dho_tar_file_name(&name, shard, p->shards));
    DHO_TRY_GOTO(dho_path_join(&path, p->folder, name));
    const bool there = dho_path_exists(path);
    if (there)
        DHO_TRY_GOTO(dho_tar_adopt(p->dataset, shard, p->shards, p->folder, name, members,
                                   &p->bytes[shard]));
    else
        DHO_TRY_GOTO(dho_tar_write(p->dataset, shard, p->shards, p->keep_broken, path, members,
                                   &p->bytes[shard]));
    p->kept += there;
    p->member_count += shard_count(p, shard);
fail:
    dho_free(path);
    dho_free(name);
    return status;
}

static dho_status write_classes(const packer *p)
{
    char *path;
    dho_atomic_file *file;
    DHO_TRY(dho_path_join(&path, p->folder, DHO_TAR_CLASSES_NAME));
    dho_status status = dho_atomic_file_create(&file, path);
    dho_free(path);
    DHO_TRY(status);
    for (int32_t c = 0; c < p->dataset->classes; c++) {
        const char *name = p->dataset->class_names[c];
        dho_atomic_file_write(file, name, strlen(name)); /* failures come back from commit */
        dho_atomic_file_write(file, "\n", 1);
    }
    return dho_atomic_file_commit(&file);
}

/* all: rank after rank, in each its shards one after another. */
static dho_status fill_index(const packer *p, const dho_tar_member *all, dho_tar_index *index)
{
    const dho_dataset *dataset = p->dataset;
    index->has_crc = true;
    for (int s = 0; s < p->shards; s++) {
        char *name;
        DHO_TRY(dho_tar_file_name(&name, s, p->shards));
        const dho_status status = dho_tar_index_add_file(index, name, p->bytes[s]);
        dho_free(name);
        DHO_TRY(status);
    }
    DHO_TRY(dho_alloc_zero(&index->class_names, (size_t)dataset->classes,
                           sizeof *index->class_names, "pack"));
    index->classes = dataset->classes;
    for (int32_t c = 0; c < dataset->classes; c++)
        DHO_TRY(dho_strdup(&index->class_names[c], dataset->class_names[c]));
    for (int64_t id = 0; id < dataset->count; id++)
        DHO_TRY(dho_tar_index_add(index, dataset->samples[id].path, dataset->samples[id].label,
                                  &(dho_tar_member){0}));
    for (int r = 0; r < p->ranks; r++)
        for (int s = r; s < p->shards; s += p->ranks)
            for (int64_t id = s; id < dataset->count; id += p->shards) index->members[id] = *all++;
    return DHO_OK;
}

static const char *say_classes(int32_t classes, char *out, size_t bytes)
{
    if (classes == 0) return " without labels";
    snprintf(out, bytes, " of %d classes", (int)classes);
    return out;
}

static dho_status write_index(const packer *p, const dho_tar_member *all)
{
    dho_tar_index index = {0};
    char *path = NULL;
    dho_status status;
    if (p->dataset->classes > 0) DHO_TRY_GOTO(write_classes(p));
    DHO_TRY_GOTO(fill_index(p, all, &index));
    DHO_TRY_GOTO(dho_path_join(&path, p->folder, DHO_TAR_INDEX_NAME));
    DHO_TRY_GOTO(dho_tar_index_save(&index, path));
    uint64_t bytes = 0;
    for (int s = 0; s < p->shards; s++) bytes += p->bytes[s];
    char classes[32];
    dho_info("%s: %lld images%s in %d tars, %.1f MiB", p->folder, (long long)p->dataset->count,
             say_classes(p->dataset->classes, classes, sizeof classes), p->shards,
             (double)bytes / 1048576);
fail:
    dho_free(path);
    dho_tar_index_free(&index);
    return status;
}

static dho_status pack(packer *p)
{
    bool complete;
    void *all = NULL;
    DHO_TRY(dho_comm_agree(p->comm, p->rank == 0 ? dho_make_folders(p->folder) : DHO_OK));
    DHO_TRY(dho_comm_agree(p->comm, prepare(p, &complete)));
    int64_t whole = complete;
    DHO_TRY(
        dho_comm_max_int64(p->comm, &whole, 1)); /* a slow file system may show it to some only */
    if (whole > 0) {
        dho_info("%s: is complete", p->folder);
        return DHO_OK;
    }
    DHO_TRY(dho_comm_share(p->comm, p->shards, pack_shard, p));
    _Static_assert(sizeof(uint64_t) == sizeof(int64_t), "sizes are summed as int64");
    DHO_TRY(dho_comm_sum_int64(p->comm, (int64_t *)p->bytes, (size_t)p->shards));
    DHO_TRY(dho_comm_sum_int64(p->comm, &p->kept, 1));
    if (p->kept > 0) dho_info("%s: %lld tars were there", p->folder, (long long)p->kept);
    DHO_TRY(dho_comm_gather(p->comm, p->members, p->member_count * sizeof *p->members, &all, NULL));
    const dho_status status = dho_comm_agree(p->comm, p->rank == 0 ? write_index(p, all) : DHO_OK);
    dho_free(all);
    return status;
}

dho_status dho_pack(const dho_dataset *dataset, dho_comm *comm, const char *folder, int shards,
                    bool keep_broken)
{
    packer p = {.dataset = dataset,
                .comm = comm,
                .folder = folder,
                .shards = shards,
                .keep_broken = keep_broken,
                .rank = dho_comm_rank(comm),
                .ranks = dho_comm_size(comm)};
    const dho_status status = pack(&p);
    dho_free(p.members);
    dho_free(p.bytes);
    return status;
}

/* The tars are what the user names: DHO_ERR_CONFIG when they cannot be read. */
static dho_status scan(dho_tar_index *index, const char *folder, bool unlabelled)
{
    DHO_TRY(dho_input_status(dho_tar_scan_folder(index, folder, unlabelled)));
    const dho_status status = dho_input_status(dho_tar_index_checksum(index, folder));
    if (status != DHO_OK) dho_tar_index_free(index);
    return status;
}

dho_status dho_pack_index(const char *folder, bool unlabelled)
{
    dho_tar_index index;
    char *path = NULL, classes[32];
    dho_status status;
    DHO_TRY(dho_require_folder(folder));
    DHO_TRY(scan(&index, folder, unlabelled));
    DHO_TRY_GOTO(dho_path_join(&path, folder, DHO_TAR_INDEX_NAME));
    DHO_TRY_GOTO(dho_tar_index_save(&index, path));
    dho_info("%s: %zu images%s in %u tars", path, index.paths.count,
             say_classes(index.classes, classes, sizeof classes), index.file_count);
fail:
    dho_free(path);
    dho_tar_index_free(&index);
    return status;
}
