#define _GNU_SOURCE
#include "dho/bucket_sum.h"

#include "base/activity.h"
#include "base/clock.h"
#include "base/thread.h"
#include "comm/comm_private.h"
#include "dho/alloc.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

enum { MESSAGE_BYTES = 1024 };

struct dho_bucket_sum {
    dho_bucket_sum_options options;
    bool has_thread;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    /* Under the lock: */
    size_t *from;   /* owned, [lanes]: each lane is done from there on */
    size_t left;    /* floats 0 .. left - 1 are not summed yet */
    bool running;   /* between begin and finish: the thread may take buckets */
    bool busy;      /* it is at one */
    bool end;       /* it shall end */
    double hidden;  /* seconds of the buckets that the thread is done with */
    double started; /* when it began the one that it is at */
    bool rounds;    /* set in begin, when the thread rests */
    dho_rounding rounding;
    dho_status status;
    char message[MESSAGE_BYTES];
};

/* Where the next bucket begins. */
static size_t next_begin(const dho_bucket_sum *sum)
{
    const dho_bucket_sum_options *o = &sum->options;
    if (sum->left <= o->whole + o->bucket) return 0;
    return o->whole + (sum->left - o->whole - 1) / o->bucket * o->bucket;
}

/* Under the lock: is every lane done with the next bucket? The last one, with the first floats of
 * all, is the caller's: with it come the news of how the step went. */
static bool is_ready(const dho_bucket_sum *sum)
{
    if (!sum->running || sum->status != DHO_OK) return false; /* `left` is the caller's then */
    const size_t begin = next_begin(sum);
    if (begin == 0) return false;
    for (int lane = 0; lane < sum->options.lanes; lane++)
        if (sum->from[lane] > begin) return false;
    return true;
}

static dho_status sum_bucket(const dho_bucket_sum *sum, size_t begin, size_t end)
{
    const dho_bucket_sum_options *o = &sum->options;
    const dho_rounding *rounding = sum->rounds ? &sum->rounding : NULL;
    o->merge(o->context, begin, end);
    if (begin == 0 && (o->scatter || sum->rounds)) {
        DHO_TRY(dho_comm_tree_sum(o->comm, o->sums, 0, o->whole, NULL));
        begin = o->whole;
    }
    return o->scatter ? dho_comm_tree_scatter(o->comm, o->sums, begin, end - begin, rounding)
                      : dho_comm_tree_sum(o->comm, o->sums, begin, end - begin, rounding);
}

static void *run_thread(void *argument)
{
    dho_bucket_sum *sum = argument;
    pthread_mutex_lock(&sum->lock);
    for (;;) {
        while (!sum->end && !is_ready(sum)) pthread_cond_wait(&sum->changed, &sum->lock);
        if (sum->end) break;
        const size_t begin = next_begin(sum), end = sum->left;
        sum->busy = true;
        sum->started = dho_seconds_now();
        pthread_mutex_unlock(&sum->lock);
        const dho_status status = sum_bucket(sum, begin, end);
        pthread_mutex_lock(&sum->lock);
        if (status != DHO_OK) {
            sum->status = status;
            snprintf(sum->message, sizeof sum->message, "%s", dho_error_message());
        }
        /* After finish has begun, it counts as waiting. */
        if (sum->running) sum->hidden += dho_seconds_now() - sum->started;
        sum->left = begin;
        sum->busy = false;
        pthread_cond_broadcast(&sum->changed);
    }
    pthread_mutex_unlock(&sum->lock);
    return NULL;
}

static dho_status start_thread(dho_bucket_sum *sum)
{
    if (!sum->options.comm->threads) return DHO_OK;
    const int error = dho_thread_start(&sum->thread, run_thread, sum);
    if (error != 0)
        return dho_fail(DHO_ERR_MEMORY, "the communication's thread: %s", strerror(error));
    sum->has_thread = true;
    return DHO_OK;
}

dho_status dho_bucket_sum_create(dho_bucket_sum **out, const dho_bucket_sum_options *options)
{
    dho_status status;
    DHO_TRY(dho_alloc_zero(out, 1, sizeof **out, "sum"));
    dho_bucket_sum *sum = *out;
    sum->options = *options;
    pthread_mutex_init(&sum->lock, NULL);
    pthread_cond_init(&sum->changed, NULL);
    DHO_TRY_GOTO(dho_alloc(&sum->from, (size_t)options->lanes, sizeof *sum->from, "sum"));
    DHO_TRY_GOTO(start_thread(sum));
    return DHO_OK;
fail:
    dho_bucket_sum_destroy(out);
    return status;
}

void dho_bucket_sum_destroy(dho_bucket_sum **inout)
{
    dho_bucket_sum *sum = *inout;
    if (sum == NULL) return;
    pthread_mutex_lock(&sum->lock);
    sum->end = true;
    pthread_cond_broadcast(&sum->changed);
    pthread_mutex_unlock(&sum->lock);
    if (sum->has_thread) pthread_join(sum->thread, NULL);
    pthread_mutex_destroy(&sum->lock);
    pthread_cond_destroy(&sum->changed);
    dho_free(sum->from);
    dho_free(sum);
    *inout = NULL;
}

void dho_bucket_sum_begin(dho_bucket_sum *sum, const dho_rounding *rounding)
{
    pthread_mutex_lock(&sum->lock);
    sum->rounds = rounding != NULL;
    if (rounding != NULL) sum->rounding = *rounding;
    for (int lane = 0; lane < sum->options.lanes; lane++) sum->from[lane] = sum->options.count;
    sum->left = sum->options.count;
    sum->hidden = 0;
    sum->status = DHO_OK;
    sum->running = true;
    atomic_store(&sum->options.comm->calm, true);
    pthread_mutex_unlock(&sum->lock);
}

void dho_bucket_sum_ready(dho_bucket_sum *sum, int lane, size_t from)
{
    if (!sum->has_thread) return;
    pthread_mutex_lock(&sum->lock);
    sum->from[lane] = from;
    if (!sum->busy && is_ready(sum)) pthread_cond_broadcast(&sum->changed);
    pthread_mutex_unlock(&sum->lock);
}

/* Takes over from the thread, which ends the bucket that it is at. */
static dho_status take_over(dho_bucket_sum *sum)
{
    pthread_mutex_lock(&sum->lock);
    sum->running = false;
    if (sum->busy) sum->hidden += dho_seconds_now() - sum->started;
    while (sum->busy) pthread_cond_wait(&sum->changed, &sum->lock);
    const dho_status status = sum->status;
    pthread_mutex_unlock(&sum->lock);
    return status == DHO_OK ? DHO_OK : dho_fail(status, "%s", sum->message);
}

static dho_status sum_rest(dho_bucket_sum *sum)
{
    DHO_TRY(take_over(sum));
    while (sum->left > 0) {
        const size_t begin = next_begin(sum);
        DHO_TRY(sum_bucket(sum, begin, sum->left));
        sum->left = begin;
    }
    return DHO_OK;
}

dho_status dho_bucket_sum_finish(dho_bucket_sum *sum, dho_bucket_sum_times *out_times)
{
    const double start = dho_seconds_now();
    dho_comm *comm = sum->options.comm;
    atomic_store(&comm->calm, false);
    atomic_fetch_add(&comm->waiting, 1); /* what the thread waits for is watched from now on */
    dho_activity_begin("adds up the gradients", NULL, false);
    const dho_status status = sum_rest(sum);
    dho_activity_end();
    atomic_fetch_sub(&comm->waiting, 1);
    *out_times = (dho_bucket_sum_times){dho_seconds_now() - start, sum->hidden};
    return status;
}
