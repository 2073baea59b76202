/* A model over a whole data set on all ranks. */
#include "base/finite.h"
#include "dho/alloc.h"
#include "dho/infer.h"

#include <string.h>

/* Batch b of the data set is the next one of rank b mod ranks. */
typedef struct deal {
    int64_t total; /* images */
    int batch, ranks;
} deal;

/* The first image behind `first` (-1: none yet) of a rank's next batch, and how many it has. */
static int64_t next_batch(const deal *d, int rank, int64_t first, int64_t *out_count)
{
    first = first < 0 ? (int64_t)rank * d->batch : first + (int64_t)d->ranks * d->batch;
    *out_count = d->total - first < d->batch ? d->total - first : d->batch;
    return first;
}

/* This rank's images, and its rows of each output. */
typedef struct own_part {
    int64_t *ids; /* owned, [count] */
    int64_t count;
    float **rows; /* owned, [outputs], each owned, [count][width] */
} own_part;

static dho_status open_part(own_part *own, const deal *d, int rank, const dho_infer_rows *outputs,
                            int count)
{
    int64_t images, used = 0;
    for (int64_t i = next_batch(d, rank, -1, &images); i < d->total;
         i = next_batch(d, rank, i, &images))
        own->count += images;
    DHO_TRY(dho_alloc(&own->ids, (size_t)own->count, sizeof *own->ids, "inference"));
    for (int64_t i = next_batch(d, rank, -1, &images); i < d->total;
         i = next_batch(d, rank, i, &images))
        for (int64_t k = 0; k < images; k++) own->ids[used++] = i + k;
    DHO_TRY(dho_alloc_zero(&own->rows, (size_t)count, sizeof *own->rows, "inference"));
    for (int o = 0; o < count; o++)
        DHO_TRY(dho_alloc(&own->rows[o], (size_t)own->count * outputs[o].width, sizeof(float),
                          "outputs of the model"));
    return DHO_OK;
}

static void close_part(own_part *own, int count)
{
    for (int o = 0; own->rows != NULL && o < count; o++) dho_free(own->rows[o]);
    dho_free(own->rows);
    dho_free(own->ids);
}

/* As a prediction, a value that is not finite would be wrong without a word. */
static dho_status check_rows(const float *values, size_t rows, const dho_infer_rows *output,
                             const dho_dataset *dataset, const int64_t *ids)
{
    const size_t at = dho_first_not_finite(values, rows * output->width);
    if (at == rows * output->width) return DHO_OK;
    return dho_fail(DHO_ERR_NUMERIC,
                    "%s: %s: value %zu is %g: the model's weights or statistics are too large, or "
                    "the image's pixels are",
                    dataset->samples[ids[at / output->width]].path, output->name,
                    at % output->width, dho_shown_value(values[at]));
}

static dho_status run_part(dho_infer *infer, const dho_infer_images *images, const own_part *own,
                           const dho_infer_rows *outputs, int count)
{
    const dho_batch *batch;
    DHO_TRY(dho_infer_start(infer, images));
    for (size_t done = 0; done < (size_t)own->count; done += (size_t)batch->count) {
        DHO_TRY(dho_infer_next(infer, &batch));
        if (batch->count == 0) return dho_fail(DHO_ERR_INTERNAL, "the loader ended too early");
        for (int o = 0; o < count; o++) {
            float *rows = own->rows[o] + done * outputs[o].width;
            memcpy(rows, dho_infer_output(infer, outputs[o].node),
                   (size_t)batch->count * outputs[o].width * sizeof *rows);
            DHO_TRY(check_rows(rows, (size_t)batch->count, &outputs[o], images->dataset,
                               own->ids + done));
        }
    }
    return DHO_OK;
}

/* Rows in the order of the ranks, back to that of the data set. */
static void restore_order(const float *gathered, const deal *d, size_t width, float *out)
{
    int64_t images;
    for (int rank = 0; rank < d->ranks; rank++)
        for (int64_t i = next_batch(d, rank, -1, &images); i < d->total;
             i = next_batch(d, rank, i, &images)) {
            memcpy(out + (size_t)i * width, gathered, (size_t)images * width * sizeof *out);
            gathered += (size_t)images * width;
        }
}

static dho_status gather(dho_comm *comm, const deal *d, const own_part *own, int at,
                         dho_infer_rows *output)
{
    void *gathered;
    dho_status status = DHO_OK;
    DHO_TRY(dho_comm_gather(comm, own->rows[at], (size_t)own->count * output->width * sizeof(float),
                            &gathered, NULL));
    if (gathered != NULL) {
        status =
            dho_alloc(&output->rows, (size_t)d->total * output->width, sizeof(float), output->name);
        if (status == DHO_OK) restore_order(gathered, d, output->width, output->rows);
    }
    dho_free(gathered);
    return dho_comm_agree(comm, status);
}

dho_status dho_infer_all(dho_infer *infer, dho_comm *comm, const dho_dataset *dataset,
                         dho_eval_transform transform, dho_infer_rows *outputs, int count)
{
    const deal d = {dataset->count, dho_infer_batch(infer), dho_comm_size(comm)};
    own_part own = {0};
    for (int o = 0; o < count; o++) outputs[o].rows = NULL;
    dho_status status = open_part(&own, &d, dho_comm_rank(comm), outputs, count);
    const dho_infer_images images = {
        .dataset = dataset, .ids = own.ids, .count = own.count, .views = 1, .transform = transform};
    if (status == DHO_OK) status = run_part(infer, &images, &own, outputs, count);
    dho_infer_stop(infer);
    status = dho_comm_agree(comm, status);
    for (int o = 0; o < count && status == DHO_OK; o++)
        status = gather(comm, &d, &own, o, &outputs[o]);
    close_part(&own, count);
    for (int o = 0; o < count && status != DHO_OK; o++) {
        dho_free(outputs[o].rows);
        outputs[o].rows = NULL;
    }
    return status;
}
