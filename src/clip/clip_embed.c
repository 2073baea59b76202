/* Embeddings of whole sets on all ranks. */
#include "dho/alloc.h"
#include "dho/clip.h"
#include "dho/infer.h"
#include "dho/log.h"

/* --- images --- */

dho_status dho_clip_embed_images(const dho_config *config, dho_comm *comm,
                                 const dho_clip_image *image, const dho_dataset *dataset,
                                 float **out)
{
    const dho_student *student = &image->model.student;
    dho_infer *infer = NULL;
    dho_infer_rows output = {
        .node = student->features, .width = (size_t)student->feature_dim, .name = "the embedding"};
    dho_status status = dho_comm_agree(comm, dho_infer_open(&infer, config, &image->model));
    if (status == DHO_OK)
        status = dho_infer_all(infer, comm, dataset, dho_clip_transform(image), &output, 1);
    dho_infer_close(&infer);
    *out = output.rows;
    return status;
}

/* --- texts --- */

/* A rank's texts: first .. first + count - 1 of all. */
typedef struct part {
    int64_t first, count;
    float *rows; /* owned, [count][dim] */
} part;

static dho_status part_open(part *p, const dho_comm *comm, int64_t total, int dim)
{
    const int64_t rank = dho_comm_rank(comm), ranks = dho_comm_size(comm);
    p->first = total / ranks * rank + total % ranks * rank / ranks;
    const int64_t next = total / ranks * (rank + 1) + total % ranks * (rank + 1) / ranks;
    p->count = next - p->first;
    return dho_alloc(&p->rows, (size_t)p->count * (size_t)dim, sizeof *p->rows, "embeddings");
}

static dho_status part_gather(const part *p, dho_comm *comm, int dim, float **out)
{
    void *all;
    DHO_TRY(dho_comm_gather(comm, p->rows, (size_t)p->count * (size_t)dim * sizeof *p->rows, &all,
                            NULL));
    *out = all;
    return DHO_OK;
}

dho_status dho_clip_embed_texts(dho_comm *comm, dho_clip_text *text, const char *const *texts,
                                size_t count, float **out)
{
    const int dim = dho_clip_text_dim(text);
    part p = {0};
    int64_t cut = -1;
    *out = NULL;
    dho_status status = part_open(&p, comm, (int64_t)count, dim);
    if (status == DHO_OK)
        status = dho_clip_text_encode(text, texts + p.first, (size_t)p.count, p.rows, &cut);
    if (status == DHO_OK && cut >= 0)
        dho_warn("text %lld is longer than the model's context: it was cut, and others may be: "
                 "\"%.60s...\"",
                 (long long)(p.first + cut + 1), texts[p.first + cut]);
    status = dho_comm_agree(comm, status);
    if (status == DHO_OK) status = part_gather(&p, comm, dim, out);
    dho_free(p.rows);
    return status;
}
