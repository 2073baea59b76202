#define _GNU_SOURCE
#include "train/lanes.h"

#include "base/clock.h"
#include "base/thread.h"
#include "dho/alloc.h"

#include <stdio.h>
#include <string.h>

static void work(dho_lane *lane)
{
    dho_lanes *all = lane->all;
    lane->status = all->work(all->context, lane);
    if (lane->status == DHO_OK) return;
    snprintf(lane->message, sizeof lane->message, "%s", dho_error_message());
    pthread_mutex_lock(&all->taking); /* nobody waits for this lane any more */
    all->failed = true;
    pthread_cond_broadcast(&all->taken);
    pthread_mutex_unlock(&all->taking);
}

static void *run_thread(void *argument)
{
    dho_lane *lane = argument;
    dho_lanes *all = lane->all;
    int64_t turn = 0;
    pthread_mutex_lock(&all->lock);
    for (;;) {
        while (!all->end && all->turn == turn) pthread_cond_wait(&all->changed, &all->lock);
        if (all->end) break;
        turn = all->turn;
        pthread_mutex_unlock(&all->lock);
        work(lane);
        pthread_mutex_lock(&all->lock);
        if (--all->running == 0) pthread_cond_broadcast(&all->changed);
    }
    pthread_mutex_unlock(&all->lock);
    return NULL;
}

dho_status dho_lanes_create(dho_lanes *out, int count)
{
    *out = (dho_lanes){0};
    DHO_TRY(dho_alloc_zero(&out->items, (size_t)count, sizeof *out->items, "lanes"));
    out->count = count;
    pthread_mutex_init(&out->lock, NULL);
    pthread_mutex_init(&out->taking, NULL);
    pthread_cond_init(&out->changed, NULL);
    pthread_cond_init(&out->taken, NULL);
    for (int i = 0; i < count; i++) {
        out->items[i].index = i;
        out->items[i].all = out;
    }
    for (out->started = 1; out->started < count; out->started++) {
        dho_lane *lane = &out->items[out->started];
        const int error = dho_thread_start(&lane->thread, run_thread, lane);
        if (error != 0)
            return dho_fail(DHO_ERR_MEMORY, "thread %d of %d: %s", out->started + 1, count,
                            strerror(error));
    }
    return DHO_OK;
}

static void free_lane(dho_lane *lane, const dho_compute *callers)
{
    dho_executor_destroy(&lane->executor);
    if (lane->compute != callers) dho_compute_destroy(&lane->compute);
    dho_free(lane->teacher_payload);
    dho_free(lane->teacher_logits);
    dho_free(lane->teacher_scratch);
    dho_free(lane->loss_scratch);
    dho_free(lane->drops);
}

void dho_lanes_free(dho_lanes *lanes, const dho_compute *callers)
{
    if (lanes->items == NULL) return;
    pthread_mutex_lock(&lanes->lock);
    lanes->end = true;
    pthread_cond_broadcast(&lanes->changed);
    pthread_mutex_unlock(&lanes->lock);
    for (int i = 1; i < lanes->started; i++) pthread_join(lanes->items[i].thread, NULL);
    for (int i = 0; i < lanes->count; i++) free_lane(&lanes->items[i], callers);
    pthread_mutex_destroy(&lanes->lock);
    pthread_mutex_destroy(&lanes->taking);
    pthread_cond_destroy(&lanes->changed);
    pthread_cond_destroy(&lanes->taken);
    dho_free(lanes->items);
    *lanes = (dho_lanes){0};
}

dho_status dho_lanes_run(dho_lanes *lanes, dho_status (*body)(void *context, dho_lane *lane),
                         void *context)
{
    pthread_mutex_lock(&lanes->lock);
    lanes->work = body;
    lanes->context = context;
    lanes->running = lanes->count - 1;
    lanes->turn++;
    pthread_cond_broadcast(&lanes->changed);
    pthread_mutex_unlock(&lanes->lock);
    work(&lanes->items[0]);
    pthread_mutex_lock(&lanes->lock);
    while (lanes->running > 0) pthread_cond_wait(&lanes->changed, &lanes->lock);
    pthread_mutex_unlock(&lanes->lock);
    for (int i = 0; i < lanes->count; i++)
        if (lanes->items[i].status != DHO_OK && !lanes->items[i].gave_up)
            return dho_fail(lanes->items[i].status, "%s", lanes->items[i].message);
    return DHO_OK;
}

/* Under `taking`: one batch out of the loader, put down with its owner, where none lies yet. One
 * lane at a time, so that a lane gets its batches in order. */
static dho_status pull(dho_lanes *all, dho_loader *loader, const dho_share *share)
{
    dho_batch next;
    DHO_TRY(dho_loader_next(loader, &next));
    dho_lane *owner = &all->items[share->wanted_by[all->pulled]];
    all->pulled = (all->pulled + 1) % share->count;
    while (owner->has_batch && !all->failed) pthread_cond_wait(&all->taken, &all->taking);
    owner->batch = next;
    owner->has_batch = true;
    return DHO_OK;
}

static dho_status take(dho_lane *lane, dho_loader *loader, const dho_share *share)
{
    dho_lanes *all = lane->all;
    dho_status status = DHO_OK;
    while (status == DHO_OK && !lane->has_batch && !all->failed) {
        if (all->pulling) {
            pthread_cond_wait(&all->taken, &all->taking);
            continue;
        }
        all->pulling = true;
        status = pull(all, loader, share);
        all->pulling = false;
        pthread_cond_broadcast(&all->taken);
    }
    if (status != DHO_OK || !all->failed) return status;
    lane->gave_up = true;
    return dho_fail(DHO_ERR_INTERNAL, "another thread of this rank failed");
}

dho_status dho_lanes_take(dho_lane *lane, dho_loader *loader, const dho_share *share,
                          dho_batch *out)
{
    dho_lanes *all = lane->all;
    const double start = dho_seconds_now();
    pthread_mutex_lock(&all->taking);
    const dho_status status = take(lane, loader, share);
    if (status == DHO_OK) {
        *out = lane->batch;
        lane->has_batch = false;
        pthread_cond_broadcast(&all->taken);
    }
    pthread_mutex_unlock(&all->taking);
    lane->data_seconds += dho_seconds_now() - start;
    return status;
}

void dho_lanes_release(dho_lane *lane, dho_loader *loader, const dho_batch *batch)
{
    pthread_mutex_lock(&lane->all->taking);
    dho_loader_release(loader, batch);
    pthread_mutex_unlock(&lane->all->taking);
}
