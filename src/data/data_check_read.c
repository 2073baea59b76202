/* Reading every image of a set, each rank its share. */
#define _GNU_SOURCE
#include "data/data_check_read.h"

#include "dho/alloc.h"
#include "dho/file.h"
#include "dho/image.h"
#include "image/image_codec.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static void note_broken(dho_broken_images *f, int64_t id)
{
    int at = f->shown;
    f->broken++;
    while (at > 0 && f->first[at - 1].id > id) at--;
    if (at == DHO_BROKEN_SHOWN) return;
    const int moved = f->shown < DHO_BROKEN_SHOWN ? f->shown - at : DHO_BROKEN_SHOWN - 1 - at;
    memmove(&f->first[at + 1], &f->first[at], (size_t)moved * sizeof *f->first);
    if (f->shown < DHO_BROKEN_SHOWN) f->shown++;
    f->first[at].id = id;
    snprintf(f->first[at].message, sizeof f->first[at].message, "%s", dho_error_message());
}

/* Opens the file and looks at its first bytes: cheap enough for a million files. */
static dho_status look(const dho_dataset *dataset, int64_t id)
{
    char path[PATH_MAX];
    uint8_t head[DHO_IMAGE_HEAD_BYTES];
    int file;
    uint64_t bytes;
    const char *root = dho_dataset_root_of(dataset, id);
    snprintf(path, sizeof path, "%s%s%s", root, root[0] != '\0' ? "/" : "",
             dataset->samples[id].path);
    DHO_TRY(dho_file_open(&file, path, &bytes));
    const ssize_t got = read(file, head, sizeof head);
    const int error = errno;
    close(file);
    if (got < 0) return dho_fail(DHO_ERR_IO, "%s: cannot read: %s", path, strerror(error));
    return dho_image_check_head(head, (size_t)got, path);
}

typedef struct image_reader {
    dho_image image;
    uint8_t *bytes;
    size_t capacity;
} image_reader;

static dho_status read_image(const dho_dataset *dataset, int64_t id, bool decode, image_reader *r)
{
    size_t size;
    if (!decode && dataset->shards == NULL) return look(dataset, id);
    DHO_TRY(dho_dataset_read(dataset, id, &r->bytes, &r->capacity, &size));
    if (!decode) return DHO_OK; /* its CRC was right */
    const dho_status status =
        dho_image_decode(&r->image, r->bytes, size, dataset->samples[id].path);
    return status == DHO_OK ? status : dho_dataset_blame(dataset, id, status);
}

/* This rank's share, by all its threads. */
static void read_share(const dho_dataset *dataset, dho_comm *comm, bool decode, int threads,
                       dho_broken_images *f)
{
    const int64_t rank = dho_comm_rank(comm), ranks = dho_comm_size(comm);
#pragma omp parallel num_threads(threads)
    {
        image_reader reader = {0};
#pragma omp for schedule(dynamic, 16)
        for (int64_t id = rank; id < dataset->count; id += ranks) {
            const dho_status status = read_image(dataset, id, decode, &reader);
            if (status == DHO_OK) continue;
#pragma omp critical(dho_data_check)
            {
                if (status == DHO_ERR_MEMORY) f->status = status;
                note_broken(f, id);
            }
        }
        dho_image_free(&reader.image);
        dho_free(reader.bytes);
    }
}

dho_status dho_data_check_read(const dho_dataset *dataset, dho_comm *comm, bool decode, int threads,
                               int64_t *out_broken, dho_broken_images **out_all)
{
    dho_broken_images *mine;
    void *all = NULL;
    DHO_TRY(dho_comm_agree(comm, dho_alloc_zero(&mine, 1, sizeof *mine, "data check")));
    read_share(dataset, comm, decode, threads, mine);
    *out_broken = mine->broken;
    dho_status status = dho_comm_agree(
        comm, mine->status == DHO_OK ? DHO_OK : dho_fail(mine->status, "data check: memory"));
    if (status == DHO_OK) status = dho_comm_sum_int64(comm, out_broken, 1);
    if (status == DHO_OK) status = dho_comm_gather(comm, mine, sizeof *mine, &all, NULL);
    dho_free(mine);
    *out_all = all;
    return status;
}
