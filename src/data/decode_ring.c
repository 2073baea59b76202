#define _GNU_SOURCE
#include "data/decode_ring.h"

#include "base/activity.h"
#include "base/clock.h"
#include "base/thread.h"
#include "data/decode_skip.h"
#include "dho/alloc.h"
#include "dho/log.h"
#include "image/image_codec.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

enum { MESSAGE_BYTES = 1024 };

/* One batch. Its arrays belong to the caller's thread until it is queued, then a row belongs to the
 * thread that took it, and when all rows are done all is the caller's again. */
typedef struct ring_slot {
    dho_batch batch; /* its pointers are those below */
    char *images;    /* owned, [rows][row_bytes] */
    int32_t *labels; /* owned, [rows], as all below */
    dho_draw *draws;
    dho_box *boxes;
    bool *flips;
    char **errors; /* each owned, too; only with keep_broken */
    bool busy;     /* queued or held by the caller; caller's thread only */
    /* Under the lock: */
    int done;          /* rows */
    int skipped;       /* rows whose sample was replaced */
    dho_status status; /* of the lowest row that failed */
    int failed_row;
    char message[MESSAGE_BYTES];
} ring_slot;

typedef struct ring_thread {
    pthread_t handle;
    dho_decode_ring *ring;
    dho_decode_worker worker;
} ring_thread;

struct dho_decode_ring {
    dho_ring_options options;
    size_t row_bytes; /* of an image as the network reads it */
    ring_slot *slots; /* owned, [slot_count]; batch b lives in slot b mod slot_count */
    int slot_count;
    ring_thread *threads; /* owned, [started] are running */
    int started;
    uint8_t *warned; /* owned with skip: one bit a sample, broken and told of; under the lock */
    /* Of the caller's thread only: */
    int64_t delivered, skipped;
    dho_status fill_status; /* of the batch after the last queued one */
    char fill_message[MESSAGE_BYTES];
    /* Under the lock: */
    pthread_mutex_t lock;
    pthread_cond_t work, ready; /* rows to take; a batch is done */
    int64_t queued;             /* batches; written by the caller's thread only */
    int64_t taking;             /* the batch that rows are taken from, <= queued */
    int taking_row;
    dho_loader_stats stats;
    bool stop;
};

/* --- threads --- */

static void warn_once(dho_decode_ring *ring, int64_t id)
{
    const uint8_t bit = (uint8_t)(1u << id % 8);
    pthread_mutex_lock(&ring->lock);
    const bool first = (ring->warned[id / 8] & bit) == 0;
    ring->warned[id / 8] |= bit;
    pthread_mutex_unlock(&ring->lock);
    if (first) dho_warn("%s (skipped)", dho_error_message());
}

/* The draw's image, decoded as far as its crop needs it. *blames_file: an error is the file's. */
static dho_status try_draw(dho_decode_worker *worker, const dho_draw *draw, bool whole,
                           dho_box *box, bool *flip, bool *blames_file)
{
    const double start = dho_seconds_now();
    *blames_file = true;
    DHO_TRY(dho_decode_worker_open(worker, draw->id));
    *blames_file = false;
    DHO_TRY(dho_decode_worker_choose(worker, draw, box, flip));
    *blames_file = true;
    const double opened = dho_seconds_now();
    const dho_status status = dho_decode_worker_decode(worker, *box, whole);
    worker->stats.read += opened - start;
    worker->stats.decode += dho_seconds_now() - opened;
    return status;
}

/* Decodes the draw's image; with skip, the first readable one in its place, which *draw then names.
 */
static dho_status load_draw(dho_decode_ring *ring, dho_decode_worker *worker, bool whole,
                            dho_draw *draw, dho_box *box, bool *flip)
{
    const dho_ring_options *o = &ring->options;
    for (int64_t left = dho_skip_candidates(o, draw);; draw->id = dho_skip_replacement(o, draw)) {
        bool blames_file;
        const dho_status status = try_draw(worker, draw, whole, box, flip, &blames_file);
        if (o->plan.options.on_error != DHO_POLICY_SKIP || !blames_file ||
            (status != DHO_ERR_FORMAT && status != DHO_ERR_IO))
            return status;
        warn_once(ring, draw->id);
        if (--left < 1)
            return dho_fail(DHO_ERR_FORMAT, "%s: none of the %s can be read, the last one: %s",
                            o->plan.options.dataset->root,
                            draw->labelled ? "labelled images" : "images of a whole shard",
                            dho_error_message());
    }
}

/* whole: the next rows show the same image. */
static dho_status decode_row(dho_decode_ring *ring, dho_decode_worker *worker, ring_slot *slot,
                             int row, bool whole)
{
    dho_draw *draw = &slot->draws[row];
    DHO_TRY(load_draw(ring, worker, whole, draw, &slot->boxes[row], &slot->flips[row]));
    slot->labels[row] =
        draw->labelled ? ring->options.plan.options.dataset->samples[draw->id].label : DHO_NO_LABEL;
    const double start = dho_seconds_now();
    const dho_status status =
        dho_decode_worker_finish(worker, draw, slot->boxes[row], slot->flips[row],
                                 slot->images + (size_t)row * ring->row_bytes);
    worker->stats.finish += dho_seconds_now() - start;
    worker->stats.images++;
    return status;
}

/* Under the lock: waits for rows and takes the next one, with those right behind it that show the
 * same image, so that it is decoded once. False: stop. */
static bool take_rows(dho_decode_ring *ring, ring_slot **out_slot, int *out_first, int *out_count)
{
    while (!ring->stop && ring->taking == ring->queued) pthread_cond_wait(&ring->work, &ring->lock);
    if (ring->stop) return false;
    ring_slot *slot = &ring->slots[ring->taking % ring->slot_count];
    const int first = ring->taking_row, rows = slot->batch.count;
    int end = first + 1;
    while (end < rows && slot->draws[end].id == slot->draws[first].id) end++;
    ring->taking_row = end;
    if (end == rows) { /* on at once: the slot may be another batch's when a row is next taken */
        ring->taking_row = 0;
        ring->taking++;
    }
    *out_slot = slot;
    *out_first = first;
    *out_count = end - first;
    return true;
}

/* Under the lock. */
static void add_stats(dho_loader_stats *sum, dho_loader_stats *part)
{
    sum->images += part->images;
    sum->file_bytes += part->file_bytes;
    sum->read += part->read;
    sum->decode += part->decode;
    sum->finish += part->finish;
    *part = (dho_loader_stats){0};
}

/* A broken image becomes a row of zeros, and its message is kept. */
static dho_status keep_broken(const dho_decode_ring *ring, ring_slot *slot, int row,
                              dho_status status)
{
    if (status != DHO_ERR_FORMAT && status != DHO_ERR_IO) return status;
    memset(slot->images + (size_t)row * ring->row_bytes, 0, ring->row_bytes);
    return dho_strdup(&slot->errors[row], dho_error_message());
}

static void *run_thread(void *argument)
{
    ring_thread *self = argument;
    dho_decode_ring *ring = self->ring;
    ring_slot *slot;
    int first, count;
    pthread_mutex_lock(&ring->lock);
    while (take_rows(ring, &slot, &first, &count)) {
        for (int row = first; row < first + count; row++) {
            const int64_t id = slot->draws[row].id;
            pthread_mutex_unlock(&ring->lock);
            dho_status status = decode_row(ring, &self->worker, slot, row, count > 1);
            if (status != DHO_OK && slot->errors != NULL)
                status = keep_broken(ring, slot, row, status);
            pthread_mutex_lock(&ring->lock);
            add_stats(&ring->stats, &self->worker.stats);
            slot->skipped += slot->draws[row].id != id;
            if (status != DHO_OK && (slot->status == DHO_OK || row < slot->failed_row)) {
                slot->status = status;
                slot->failed_row = row;
                snprintf(slot->message, sizeof slot->message, "%s", dho_error_message());
            }
            slot->done++;
        }
        if (slot->done == slot->batch.count) pthread_cond_signal(&ring->ready);
    }
    pthread_mutex_unlock(&ring->lock);
    return NULL;
}

/* --- the caller's side --- */

static void forget_errors(const dho_decode_ring *ring, ring_slot *slot)
{
    for (int row = 0; slot->errors != NULL && row < ring->options.rows; row++) {
        dho_free(slot->errors[row]);
        slot->errors[row] = NULL;
    }
}

/* Queues batches as far as there are free slots. A failure is kept until its batch's turn. */
static void queue_batches(dho_decode_ring *ring)
{
    while (ring->queued < ring->options.batches && ring->fill_status == DHO_OK) {
        ring_slot *slot = &ring->slots[ring->queued % ring->slot_count];
        if (slot->busy) return;
        forget_errors(ring, slot);
        ring->fill_status =
            ring->options.fill(ring->options.fill_context, ring->queued, slot->draws, &slot->batch);
        if (ring->fill_status != DHO_OK) {
            snprintf(ring->fill_message, sizeof ring->fill_message, "%s", dho_error_message());
            return;
        }
        slot->busy = true;
        pthread_mutex_lock(&ring->lock);
        slot->done = slot->skipped = 0;
        slot->status = DHO_OK;
        ring->queued++;
        pthread_cond_broadcast(&ring->work);
        pthread_mutex_unlock(&ring->lock);
    }
}

dho_status dho_decode_ring_next(dho_decode_ring *ring, dho_batch *out)
{
    *out = (dho_batch){0};
    queue_batches(ring);
    if (ring->delivered == ring->queued) {
        if (ring->fill_status != DHO_OK)
            return dho_fail(ring->fill_status, "%s", ring->fill_message);
        if (ring->delivered == ring->options.batches) return DHO_OK;
        return dho_fail(DHO_ERR_INTERNAL, "loader: all %d batches are held, none was released",
                        ring->slot_count);
    }
    ring_slot *slot = &ring->slots[ring->delivered % ring->slot_count];
    pthread_mutex_lock(&ring->lock);
    if (slot->done < slot->batch.count) {
        dho_activity_begin("waits for images", NULL, false);
        while (slot->done < slot->batch.count) pthread_cond_wait(&ring->ready, &ring->lock);
        dho_activity_end();
    }
    pthread_mutex_unlock(&ring->lock);
    if (slot->status != DHO_OK) return dho_fail(slot->status, "%s", slot->message);
    ring->delivered++;
    ring->skipped += slot->skipped;
    *out = slot->batch;
    return DHO_OK;
}

void dho_decode_ring_release(dho_decode_ring *ring, const dho_batch *batch)
{
    for (int i = 0; i < ring->slot_count; i++)
        if (ring->slots[i].images == batch->images) ring->slots[i].busy = false;
}

int64_t dho_decode_ring_skipped(const dho_decode_ring *ring)
{
    return ring->skipped;
}

dho_loader_stats dho_decode_ring_stats(dho_decode_ring *ring)
{
    pthread_mutex_lock(&ring->lock);
    const dho_loader_stats stats = ring->stats;
    pthread_mutex_unlock(&ring->lock);
    return stats;
}

/* --- life --- */

static dho_status create_slot(ring_slot *slot, size_t rows, size_t row_bytes, bool errors)
{
    if (errors)
        DHO_TRY(dho_alloc_zero(&slot->errors, rows, sizeof *slot->errors, "loader: errors"));
    DHO_TRY(dho_alloc(&slot->images, rows, row_bytes, "loader: images"));
    DHO_TRY(dho_alloc(&slot->labels, rows, sizeof *slot->labels, "loader: labels"));
    DHO_TRY(dho_alloc(&slot->draws, rows, sizeof *slot->draws, "loader: draws"));
    DHO_TRY(dho_alloc(&slot->boxes, rows, sizeof *slot->boxes, "loader: boxes"));
    DHO_TRY(dho_alloc(&slot->flips, rows, sizeof *slot->flips, "loader: flips"));
    slot->batch = (dho_batch){.images = slot->images,
                              .labels = slot->labels,
                              .draws = slot->draws,
                              .boxes = slot->boxes,
                              .flips = slot->flips,
                              .errors = slot->errors};
    return DHO_OK;
}

static dho_status start_threads(dho_decode_ring *ring)
{
    DHO_TRY(dho_alloc_zero(&ring->threads, (size_t)ring->options.plan.options.threads,
                           sizeof *ring->threads, "loader: threads"));
    for (int i = 0; i < ring->options.plan.options.threads; i++)
        dho_decode_worker_init(&ring->threads[i].worker, &ring->options.plan);
    int error = 0;
    while (error == 0 && ring->started < ring->options.plan.options.threads) {
        ring_thread *thread = &ring->threads[ring->started];
        thread->ring = ring;
        error = dho_thread_start(&thread->handle, run_thread, thread);
        if (error == 0) ring->started++;
    }
    if (error == 0) return DHO_OK;
    return dho_fail(DHO_ERR_MEMORY, "loader: cannot start thread %d of %d: %s", ring->started + 1,
                    ring->options.plan.options.threads, strerror(error));
}

static dho_status check_options(const dho_ring_options *ring)
{
    const dho_loader_options *o = &ring->plan.options;
    if (o->threads < 1 || o->prefetch < 1 || o->prefetch == INT32_MAX || ring->rows < 1 ||
        ring->batches < 0)
        return dho_fail(DHO_ERR_CONFIG,
                        "loader: %d threads, %d batches ahead of %lld, %d rows a batch", o->threads,
                        o->prefetch, (long long)ring->batches, ring->rows);
    return dho_view_plan_check(o);
}

dho_status dho_decode_ring_create(dho_decode_ring **out, const dho_ring_options *options)
{
    dho_status status;
    const dho_loader_options *o = &options->plan.options;
    *out = NULL;
    DHO_TRY(check_options(options));
    DHO_TRY(dho_alloc_zero(out, 1, sizeof **out, "loader"));
    dho_decode_ring *ring = *out;
    ring->options = *options;
    pthread_mutex_init(&ring->lock, NULL); /* cannot fail on Linux, nor can the next two */
    pthread_cond_init(&ring->work, NULL);
    pthread_cond_init(&ring->ready, NULL);
    const size_t size = (size_t)o->image_size;
    ring->row_bytes = size * size * dho_pixel_bytes(o->pixels);
    ring->slot_count = o->prefetch + 1; /* one is in the caller's hands */
    if (options->batches < ring->slot_count)
        ring->slot_count = options->batches > 0 ? (int)options->batches : 1;
    DHO_TRY_GOTO(dho_alloc_zero(&ring->slots, (size_t)ring->slot_count, sizeof *ring->slots,
                                "loader: slots"));
    for (int i = 0; i < ring->slot_count; i++)
        DHO_TRY_GOTO(
            create_slot(&ring->slots[i], (size_t)options->rows, ring->row_bytes, o->keep_broken));
    if (o->on_error == DHO_POLICY_SKIP)
        DHO_TRY_GOTO(dho_alloc_zero(&ring->warned, (size_t)o->dataset->count / 8 + 1, 1,
                                    "loader: broken files"));
    DHO_TRY_GOTO(start_threads(ring));
    queue_batches(ring);
    return DHO_OK;
fail:
    dho_decode_ring_destroy(out);
    return status;
}

void dho_decode_ring_destroy(dho_decode_ring **inout)
{
    dho_decode_ring *ring = *inout;
    if (ring == NULL) return;
    pthread_mutex_lock(&ring->lock);
    ring->stop = true;
    pthread_cond_broadcast(&ring->work);
    pthread_mutex_unlock(&ring->lock);
    for (int i = 0; i < ring->started; i++) pthread_join(ring->threads[i].handle, NULL);
    for (int i = 0; ring->threads != NULL && i < ring->options.plan.options.threads; i++)
        dho_decode_worker_release(&ring->threads[i].worker);
    for (int i = 0; ring->slots != NULL && i < ring->slot_count; i++) {
        ring_slot *slot = &ring->slots[i];
        dho_free(slot->images);
        dho_free(slot->labels);
        dho_free(slot->draws);
        dho_free(slot->boxes);
        dho_free(slot->flips);
        forget_errors(ring, slot);
        dho_free(slot->errors);
    }
    pthread_cond_destroy(&ring->ready);
    pthread_cond_destroy(&ring->work);
    pthread_mutex_destroy(&ring->lock);
    dho_free(ring->warned);
    dho_free(ring->threads);
    dho_free(ring->slots);
    dho_free(ring);
    *inout = NULL;
}
