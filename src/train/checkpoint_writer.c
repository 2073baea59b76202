#define _GNU_SOURCE
#include "train/checkpoint_writer.h"

#include "base/activity.h"
#include "base/thread.h"
#include "dho/alloc.h"
#include "dho/log.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

enum { TROUBLES = DHO_CHECKPOINTS_PENDING + 2 }; /* more cannot come between two steps */

typedef enum snapshot_state { FREE, TAKEN, FULL } snapshot_state;

typedef struct snapshot {
    snapshot_state state;
    float *memory; /* owned; NULL: not yet */
    dho_checkpoint_slabs slabs;
    dho_checkpoint_info info;
} snapshot;

struct dho_checkpoint_writer {
    dho_checkpoint_writer_options options;
    pthread_t thread;
    pthread_mutex_t lock; /* of all below */
    pthread_cond_t changed;
    snapshot snapshots[DHO_CHECKPOINTS_PENDING];
    int64_t in_a_row;
    dho_checkpoint_trouble troubles[TROUBLES]; /* that are not told yet, oldest first */
    int trouble_count;
    dho_checkpoint_trouble last; /* step 0: the newest was written */
    bool end;
};

static size_t floats_of(const dho_checkpoint_writer_options *options)
{
    const size_t slabs = 2 + options->has_moment2 + options->has_average;
    return slabs * options->parameter_floats + (1 + options->has_average) * options->buffer_floats;
}

size_t dho_checkpoint_writer_bytes(const dho_checkpoint_writer_options *options)
{
    return floats_of(options) * sizeof(float);
}

/* The next slab of a snapshot's memory. */
static float *cut(float **inout, size_t floats)
{
    float *slab = *inout;
    *inout += floats;
    return slab;
}

static dho_status give_memory(const dho_checkpoint_writer_options *options, snapshot *to)
{
    const size_t floats = options->parameter_floats;
    /* Zeroed, so that the system gives the pages now and not while the first copy is made. */
    DHO_TRY(
        dho_alloc_zero(&to->memory, floats_of(options), sizeof(float), "copy for a checkpoint"));
    float *rest = to->memory;
    to->slabs.parameters = cut(&rest, floats);
    to->slabs.moment1 = cut(&rest, floats);
    if (options->has_moment2) to->slabs.moment2 = cut(&rest, floats);
    if (options->has_average) to->slabs.ema_parameters = cut(&rest, floats);
    if (options->has_average) to->slabs.ema_buffers = cut(&rest, options->buffer_floats);
    to->slabs.buffers = cut(&rest, options->buffer_floats);
    return DHO_OK;
}

/* --- the thread ---------------------------------------------------------------------------------
 */

/* The full one of the lowest step; NULL: none. The lock is held. */
static snapshot *oldest(dho_checkpoint_writer *writer)
{
    snapshot *found = NULL;
    for (int i = 0; i < DHO_CHECKPOINTS_PENDING; i++) {
        snapshot *s = &writer->snapshots[i];
        if (s->state == FULL && (found == NULL || s->info.step < found->info.step)) found = s;
    }
    return found;
}

/* The lock is held. */
static void note(dho_checkpoint_writer *writer, int64_t step, dho_status status)
{
    writer->last = (dho_checkpoint_trouble){0};
    writer->in_a_row = status == DHO_OK ? 0 : writer->in_a_row + 1;
    if (status == DHO_OK) return;
    writer->last =
        (dho_checkpoint_trouble){.step = step, .in_a_row = writer->in_a_row, .status = status};
    snprintf(writer->last.message, sizeof writer->last.message, "%s", dho_error_message());
    if (writer->trouble_count < TROUBLES) writer->troubles[writer->trouble_count++] = writer->last;
}

static dho_status write_one(const dho_checkpoint_writer_options *options, const snapshot *from)
{
    dho_progress_sync(options->progress);
    return dho_checkpoint_save(options->run_folder, &from->info, options->student, &from->slabs,
                               &options->keep);
}

static void *work(void *argument)
{
    dho_checkpoint_writer *writer = argument;
    pthread_mutex_lock(&writer->lock);
    for (;;) {
        snapshot *next = oldest(writer);
        if (next == NULL && writer->end) break;
        if (next == NULL) {
            pthread_cond_wait(&writer->changed, &writer->lock);
            continue;
        }
        pthread_mutex_unlock(&writer->lock);
        dho_activity_begin_step("writes the checkpoint of step", next->info.step);
        const dho_status status = write_one(&writer->options, next);
        dho_activity_end();
        pthread_mutex_lock(&writer->lock);
        note(writer, next->info.step, status);
        next->state = FREE;
        pthread_cond_broadcast(&writer->changed);
    }
    pthread_mutex_unlock(&writer->lock);
    return NULL;
}

/* --- its owner ----------------------------------------------------------------------------------
 */

static void release(dho_checkpoint_writer *writer)
{
    for (int i = 0; i < DHO_CHECKPOINTS_PENDING; i++) dho_free(writer->snapshots[i].memory);
    pthread_mutex_destroy(&writer->lock);
    pthread_cond_destroy(&writer->changed);
    dho_free(writer);
}

dho_status dho_checkpoint_writer_create(dho_checkpoint_writer **out,
                                        const dho_checkpoint_writer_options *options)
{
    dho_checkpoint_writer *writer;
    *out = NULL;
    DHO_TRY(dho_alloc_zero(&writer, 1, sizeof *writer, "checkpoint writer"));
    writer->options = *options;
    pthread_mutex_init(&writer->lock, NULL);
    pthread_cond_init(&writer->changed, NULL);
    dho_status status = give_memory(options, &writer->snapshots[0]);
    if (status == DHO_OK) {
        const int error = dho_thread_start(&writer->thread, work, writer);
        if (error != 0)
            status = dho_fail(DHO_ERR_MEMORY, "the checkpoints' thread: %s", strerror(error));
    }
    if (status == DHO_OK)
        *out = writer;
    else
        release(writer);
    return status;
}

void dho_checkpoint_writer_destroy(dho_checkpoint_writer **inout)
{
    dho_checkpoint_writer *writer = *inout;
    if (writer == NULL) return;
    pthread_mutex_lock(&writer->lock);
    writer->end = true;
    pthread_cond_broadcast(&writer->changed);
    pthread_mutex_unlock(&writer->lock);
    pthread_join(writer->thread, NULL);
    for (int i = 0; i < writer->trouble_count; i++)
        dho_warn("the checkpoint of step %lld is not written: %s",
                 (long long)writer->troubles[i].step, writer->troubles[i].message);
    release(writer);
    *inout = NULL;
}

/* One that is free and has memory; NULL: none. The lock is held. */
static snapshot *find_free(dho_checkpoint_writer *writer)
{
    for (int i = 0; i < DHO_CHECKPOINTS_PENDING; i++)
        if (writer->snapshots[i].state == FREE && writer->snapshots[i].memory != NULL)
            return &writer->snapshots[i];
    return NULL;
}

dho_checkpoint_slabs dho_checkpoint_writer_take(dho_checkpoint_writer *writer)
{
    snapshot *found, *second = &writer->snapshots[1];
    pthread_mutex_lock(&writer->lock);
    /* Where there is no memory for a second one, the first has to do. */
    if (find_free(writer) == NULL && second->memory == NULL) give_memory(&writer->options, second);
    while ((found = find_free(writer)) == NULL) pthread_cond_wait(&writer->changed, &writer->lock);
    found->state = TAKEN;
    const dho_checkpoint_slabs slabs = found->slabs;
    pthread_mutex_unlock(&writer->lock);
    return slabs;
}

void dho_checkpoint_writer_put(dho_checkpoint_writer *writer, const dho_checkpoint_info *info)
{
    pthread_mutex_lock(&writer->lock);
    for (int i = 0; i < DHO_CHECKPOINTS_PENDING; i++) {
        if (writer->snapshots[i].state != TAKEN) continue;
        writer->snapshots[i].info = *info;
        writer->snapshots[i].state = FULL;
    }
    pthread_cond_broadcast(&writer->changed);
    pthread_mutex_unlock(&writer->lock);
}

/* The lock is held. */
static bool is_idle(const dho_checkpoint_writer *writer)
{
    for (int i = 0; i < DHO_CHECKPOINTS_PENDING; i++)
        if (writer->snapshots[i].state == FULL) return false;
    return true;
}

dho_status dho_checkpoint_writer_wait(dho_checkpoint_writer *writer)
{
    pthread_mutex_lock(&writer->lock);
    while (!is_idle(writer)) pthread_cond_wait(&writer->changed, &writer->lock);
    const dho_checkpoint_trouble last = writer->last;
    if (last.step > 0 && writer->trouble_count > 0) writer->trouble_count--; /* told by this */
    pthread_mutex_unlock(&writer->lock);
    return last.step == 0 ? DHO_OK : dho_fail(last.status, "%s", last.message);
}

dho_checkpoint_trouble dho_checkpoint_writer_look(dho_checkpoint_writer *writer)
{
    dho_checkpoint_trouble found = {0};
    pthread_mutex_lock(&writer->lock);
    if (writer->trouble_count > 0) {
        found = writer->troubles[0];
        memmove(writer->troubles, writer->troubles + 1,
                (size_t)--writer->trouble_count * sizeof found);
    }
    pthread_mutex_unlock(&writer->lock);
    return found;
}
