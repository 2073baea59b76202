/* A model over a list of images on all ranks. */
#include "base/finite.h"
#include "dho/alloc.h"
#include "dho/infer.h"

#include <string.h>

dho_deal dho_infer_deal(const dho_infer *infer, const dho_comm *comm, int64_t total)
{
    return (dho_deal){
        .total = total, .batch = dho_infer_batch(infer), .ranks = dho_comm_size(comm)};
}

int64_t dho_deal_count(const dho_deal *deal, int rank)
{
    const int64_t batch = deal->batch, round = deal->ranks * batch;
    const int64_t rest = deal->total % round - rank * batch;
    return deal->total / round * batch + (rest < 0 ? 0 : rest < batch ? rest : batch);
}

int64_t dho_deal_place(const dho_deal *deal, int rank, int64_t i)
{
    return (i / deal->batch * deal->ranks + rank) * deal->batch + i % deal->batch;
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

static dho_status run_batches(dho_infer *infer, const dho_infer_list *list,
                              const dho_infer_images *images, dho_infer_take *take, void *context)
{
    const float *rows[DHO_INFER_MAX_OUTPUTS];
    const dho_batch *batch;
    DHO_TRY(dho_infer_start(infer, images));
    for (int64_t done = 0; done < images->count; done += batch->count) {
        DHO_TRY(dho_infer_next(infer, &batch));
        if (batch->count == 0) return dho_fail(DHO_ERR_INTERNAL, "the loader ended too early");
        for (int o = 0; o < list->count; o++) {
            rows[o] = dho_infer_output(infer, list->outputs[o].node);
            DHO_TRY(check_rows(rows[o], (size_t)batch->count, &list->outputs[o], list->dataset,
                               images->ids + done));
        }
        DHO_TRY(take(context, rows, done, batch->count));
    }
    return DHO_OK;
}

dho_status dho_infer_share(dho_infer *infer, const dho_infer_list *list, dho_infer_take *take,
                           void *context)
{
    const int64_t count = dho_deal_count(&list->deal, list->rank);
    int64_t *ids;
    DHO_TRY(dho_alloc(&ids, (size_t)count, sizeof *ids, "inference"));
    for (int64_t i = 0; i < count; i++) {
        const int64_t place = dho_deal_place(&list->deal, list->rank, i);
        ids[i] = list->ids != NULL ? list->ids[place] : place;
    }
    const dho_infer_images images = {.dataset = list->dataset,
                                     .ids = ids,
                                     .count = count,
                                     .views = 1,
                                     .transform = list->transform};
    const dho_status status = run_batches(infer, list, &images, take, context);
    dho_infer_stop(infer);
    dho_free(ids);
    return status;
}

/* --- a whole data set, gathered on rank 0 --- */

/* This rank's rows of each output. */
typedef struct own_part {
    const dho_infer_rows *outputs;
    int count;
    float *rows[DHO_INFER_MAX_OUTPUTS]; /* owned, [images][width] */
} own_part;

static dho_status keep_rows(void *context, const float *const *outputs, int64_t i, int count)
{
    const own_part *own = context;
    for (int o = 0; o < own->count; o++) {
        const size_t width = own->outputs[o].width;
        memcpy(own->rows[o] + (size_t)i * width, outputs[o],
               (size_t)count * width * sizeof *outputs[o]);
    }
    return DHO_OK;
}

static dho_status run_part(dho_infer *infer, const dho_infer_list *list, own_part *own)
{
    const size_t images = (size_t)dho_deal_count(&list->deal, list->rank);
    for (int o = 0; o < own->count; o++)
        DHO_TRY(dho_alloc(&own->rows[o], images * own->outputs[o].width, sizeof(float),
                          "outputs of the model"));
    return dho_infer_share(infer, list, keep_rows, own);
}

/* Rows in the order of the ranks, back to that of the data set. */
static void restore_order(const float *gathered, const dho_deal *deal, size_t width, float *out)
{
    for (int rank = 0; rank < deal->ranks; rank++) {
        const int64_t count = dho_deal_count(deal, rank);
        for (int64_t i = 0; i < count; i++, gathered += width)
            memcpy(out + (size_t)dho_deal_place(deal, rank, i) * width, gathered,
                   width * sizeof *out);
    }
}

static dho_status gather(dho_comm *comm, const dho_infer_list *list, const float *own,
                         dho_infer_rows *output)
{
    const size_t images = (size_t)dho_deal_count(&list->deal, list->rank);
    void *gathered;
    dho_status status = DHO_OK;
    DHO_TRY(dho_comm_gather(comm, own, images * output->width * sizeof *own, &gathered, NULL));
    if (gathered != NULL) {
        status = dho_alloc(&output->rows, (size_t)list->deal.total * output->width, sizeof *own,
                           output->name);
        if (status == DHO_OK) restore_order(gathered, &list->deal, output->width, output->rows);
    }
    dho_free(gathered);
    return dho_comm_agree(comm, status);
}

dho_status dho_infer_all(dho_infer *infer, dho_comm *comm, const dho_dataset *dataset,
                         dho_eval_transform transform, dho_infer_rows *outputs, int count)
{
    const dho_infer_list list = {.dataset = dataset,
                                 .deal = dho_infer_deal(infer, comm, dataset->count),
                                 .rank = dho_comm_rank(comm),
                                 .transform = transform,
                                 .outputs = outputs,
                                 .count = count};
    own_part own = {.outputs = outputs, .count = count};
    for (int o = 0; o < count; o++) outputs[o].rows = NULL;
    dho_status status = dho_comm_agree(comm, run_part(infer, &list, &own));
    for (int o = 0; o < count && status == DHO_OK; o++)
        status = gather(comm, &list, own.rows[o], &outputs[o]);
    for (int o = 0; o < count; o++) dho_free(own.rows[o]);
    for (int o = 0; o < count && status != DHO_OK; o++) {
        dho_free(outputs[o].rows);
        outputs[o].rows = NULL;
    }
    return status;
}
