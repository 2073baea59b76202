/* Batch b of a part is computed by rank b mod P, and rank 0 writes what the ranks say in their
 * order: memory for one batch a rank, whatever the number of images. */
#include "predict/predict_run.h"

#include "base/clock.h"
#include "dho/alloc.h"
#include "dho/file.h"
#include "dho/log.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static const double progress_seconds = 30;

void dho_predict_run_free(dho_predict_run *run)
{
    dho_picture_memory_free(&run->pictures);
    dho_text_free(&run->lines);
    dho_text_free(&run->cards);
    dho_text_free(&run->page);
    dho_free(run->totals.of_class);
}

/* --- one image --- */

static dho_status add_line(dho_predict_run *run, const dho_result *result)
{
    run->totals.errors += result->error != NULL;
    run->totals.rejected += !result->accepted;
    if (result->error == NULL && result->accepted)
        run->totals.of_class[result->top[0].class_index]++;
    if (!run->options->csv) return dho_result_add_json(run->maker, result, &run->lines);
    dho_result_add_csv(run->maker, result, &run->lines);
    return run->lines.status;
}

/* "img/a.jpg: truncated" is said as "truncated" of img/a.jpg. */
static const char *without_path(const char *message, const char *path)
{
    const char *rest = dho_after(message, path);
    return rest != NULL && rest[0] == ':' && rest[1] == ' ' ? rest + 2 : message;
}

/* at: the image's place among those of all parts. */
static dho_status add_image(dho_predict_run *run, const dho_dataset *dataset, int64_t id,
                            int64_t at, const float *const heads[2], const char *error)
{
    char *path;
    dho_result result;
    DHO_TRY(dho_path_join(&path, dataset->root, dataset->samples[id].path));
    if (error != NULL)
        result = (dho_result){.path = path, .error = without_path(error, path), .accepted = true};
    else
        dho_result_make(run->maker, heads, path, &result);
    dho_status status = add_line(run, &result);
    if (status == DHO_OK && run->options->html != NULL && at < run->options->pictures)
        status = dho_page_add_card(run->maker, &result, &run->pictures, dataset, id, &run->cards);
    dho_free(path);
    return status;
}

static dho_status add_batch(dho_predict_run *run, const dho_dataset *dataset)
{
    const dho_student *student = &run->classifier->model.student;
    const size_t classes = (size_t)student->classes;
    const dho_batch *batch;
    DHO_TRY(dho_infer_next(run->infer, &batch));
    const float *ce = dho_infer_output(run->infer, student->heads[0]), *kd = NULL;
    if (student->head_count == 2) kd = dho_infer_output(run->infer, student->heads[1]);
    for (int i = 0; i < batch->count; i++) {
        const size_t row = (size_t)i * classes;
        const float *const heads[2] = {ce + row, kd != NULL ? kd + row : NULL};
        const int64_t id = batch->draws[i].id;
        DHO_TRY(add_image(run, dataset, id, run->totals.images + id, heads, batch->errors[i]));
    }
    return DHO_OK;
}

/* --- what rank 0 writes --- */

static dho_status write_lines(const void *text, size_t bytes)
{
    errno = 0;
    if (bytes == 0 || (fwrite(text, 1, bytes, stdout) == bytes && fflush(stdout) == 0))
        return DHO_OK;
    return dho_fail(DHO_ERR_IO, "standard output: cannot write: %s", strerror(errno));
}

/* The texts of all ranks in their order, on rank 0; `text` is empty then. */
static dho_status collect(dho_predict_run *run, dho_text *text, void **out, size_t *out_bytes)
{
    size_t *bytes = NULL;
    const size_t ranks = (size_t)dho_comm_size(run->comm);
    dho_status status = dho_alloc_zero(&bytes, ranks, sizeof *bytes, "predictions");
    *out = NULL;
    *out_bytes = 0;
    status = dho_comm_agree(run->comm, status);
    if (status == DHO_OK)
        status = dho_comm_gather(run->comm, text->data != NULL ? text->data : "", text->used, out,
                                 bytes);
    for (size_t r = 0; status == DHO_OK && r < ranks; r++) *out_bytes += bytes[r];
    dho_free(bytes);
    text->used = 0;
    return status;
}

/* Rank 0 gets the texts of the round and writes the lines. cards: some may be there. */
static dho_status end_round(dho_predict_run *run, bool cards)
{
    void *text;
    size_t bytes;
    const bool first = dho_comm_rank(run->comm) == 0;
    DHO_TRY(collect(run, &run->lines, &text, &bytes));
    dho_status status = first ? write_lines(text, bytes) : DHO_OK;
    dho_free(text);
    DHO_TRY(dho_comm_agree(run->comm, status));
    if (!cards) return DHO_OK;
    DHO_TRY(collect(run, &run->cards, &text, &bytes));
    if (first && bytes > 0) dho_text_append(&run->page, text, bytes);
    dho_free(text);
    return dho_comm_agree(run->comm, run->page.status);
}

static void say_progress(dho_predict_run *run, int64_t done)
{
    const double now = dho_seconds_now();
    if (now - run->told < progress_seconds) return;
    run->told = now;
    dho_info("%" PRId64 " images", done);
}

/* --- a part --- */

static dho_status run_rounds(dho_predict_run *run, const dho_dataset *dataset)
{
    const int64_t batch = dho_infer_batch(run->infer), before = run->totals.images;
    const int64_t own = dho_comm_rank(run->comm) * batch;
    const int64_t step = dho_comm_size(run->comm) * batch;
    for (int64_t first = 0; first < dataset->count; first += step) {
        const bool cards = run->options->html != NULL && before + first < run->options->pictures;
        const dho_status status = first + own < dataset->count ? add_batch(run, dataset) : DHO_OK;
        DHO_TRY(dho_comm_agree(run->comm, status));
        DHO_TRY(end_round(run, cards));
        say_progress(run, before + first + step);
    }
    return DHO_OK;
}

/* This rank's images: batch by batch, in order. */
static dho_status list_own(const dho_predict_run *run, int64_t total, dho_id_list *out)
{
    const int64_t batch = dho_infer_batch(run->infer);
    const int64_t step = dho_comm_size(run->comm) * batch;
    *out = (dho_id_list){0};
    DHO_TRY(dho_alloc(&out->ids, (size_t)(total / step + 1) * (size_t)batch, sizeof *out->ids,
                      "images"));
    for (int64_t first = dho_comm_rank(run->comm) * batch; first < total; first += step)
        for (int64_t i = first; i < first + batch && i < total; i++) out->ids[out->count++] = i;
    return DHO_OK;
}

static dho_status run_dataset(dho_predict_run *run, const dho_dataset *dataset)
{
    dho_id_list own;
    dho_status status = list_own(run, dataset->count, &own);
    const dho_infer_images images = {.dataset = dataset,
                                     .ids = own.ids,
                                     .count = own.count,
                                     .views = 1,
                                     .keep_broken = true,
                                     .transform = run->classifier->transform};
    if (status == DHO_OK) status = dho_infer_start(run->infer, &images);
    status = dho_comm_agree(run->comm, status);
    if (status == DHO_OK) status = run_rounds(run, dataset);
    dho_infer_stop(run->infer);
    dho_id_list_free(&own);
    if (status == DHO_OK) run->totals.images += dataset->count;
    return status;
}

/* A folder or a tar that cannot be read loses nothing but its own images. */
static dho_status say_unread(dho_predict_run *run, const char *name)
{
    dho_status status = DHO_OK;
    char error[512];
    snprintf(error, sizeof error, "%s", without_path(dho_error_message(), name));
    const dho_result result = {.path = name, .error = error, .accepted = true};
    if (dho_comm_rank(run->comm) == 0) status = add_line(run, &result);
    run->totals.images++;
    DHO_TRY(dho_comm_agree(run->comm, status));
    return end_round(run, false);
}

dho_status dho_predict_part(dho_predict_run *run, const dho_input_part *part)
{
    dho_dataset dataset;
    const dho_status opened = dho_input_part_open(part, &dataset);
    dho_status status = dho_comm_agree(run->comm, opened);
    if (status == DHO_ERR_FORMAT || status == DHO_ERR_IO) {
        if (opened == DHO_OK) dho_dataset_free(&dataset);
        return say_unread(run, part->names[0]);
    }
    if (status == DHO_OK)
        status = dho_comm_check_equal(run->comm, &dataset.fingerprint, sizeof dataset.fingerprint,
                                      part->names[0]);
    if (status == DHO_OK) {
        dho_dataset_say_unused(&dataset);
        if (dataset.count == 0) dho_warn_once("%s: no image in it", part->names[0]);
        status = run_dataset(run, &dataset);
    }
    if (opened == DHO_OK) dho_dataset_free(&dataset);
    return status;
}
