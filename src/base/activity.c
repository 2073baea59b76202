#define _GNU_SOURCE
#include "base/activity.h"

#include "base/clock.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>

enum { SLOTS = 512, DEPTH = 4, SUBJECT_BYTES = 256 };

typedef struct activity {
    const char *what;
    char subject[SUBJECT_BYTES];
    double since;
    bool bounded;
} activity;

/* One thread's. Its owner writes it, whoever explains reads it: both under the lock. */
typedef struct slot {
    pthread_mutex_t lock;
    _Atomic bool taken;
    int depth; /* may be above DEPTH: the innermost are not kept */
    activity stack[DEPTH];
} slot;

static slot slots[SLOTS];
static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_key_t key; /* gives a slot back when its thread ends */
static _Thread_local slot *own;

static void give_back(void *taken)
{
    slot *of = taken;
    pthread_mutex_lock(&of->lock);
    of->depth = 0;
    pthread_mutex_unlock(&of->lock);
    atomic_store(&of->taken, false);
}

static void prepare(void)
{
    for (int i = 0; i < SLOTS; i++) pthread_mutex_init(&slots[i].lock, NULL);
    pthread_key_create(&key, give_back);
}

static slot *find_own(void)
{
    if (own != NULL) return own;
    pthread_once(&once, prepare);
    for (int i = 0; i < SLOTS; i++) {
        bool free = false;
        if (!atomic_compare_exchange_strong(&slots[i].taken, &free, true)) continue;
        own = &slots[i];
        pthread_setspecific(key, own);
        break;
    }
    return own;
}

void dho_activity_begin(const char *what, const char *subject, bool bounded)
{
    slot *mine = find_own();
    if (mine == NULL) return;
    pthread_mutex_lock(&mine->lock);
    if (mine->depth < DEPTH) {
        activity *now = &mine->stack[mine->depth];
        now->what = what;
        now->since = dho_seconds_awake();
        now->bounded = bounded;
        snprintf(now->subject, sizeof now->subject, "%s", subject != NULL ? subject : "");
    }
    mine->depth++;
    pthread_mutex_unlock(&mine->lock);
}

void dho_activity_begin_step(const char *what, int64_t step)
{
    char number[24];
    snprintf(number, sizeof number, "%lld", (long long)step);
    dho_activity_begin(what, number, false);
}

void dho_activity_end(void)
{
    if (own == NULL) return;
    pthread_mutex_lock(&own->lock);
    if (own->depth > 0) own->depth--;
    pthread_mutex_unlock(&own->lock);
}

/* The lock is held. */
static int kept_depth(const slot *of)
{
    return of->depth < DEPTH ? of->depth : DEPTH;
}

static int print(const activity *what, char *out, size_t bytes)
{
    const int used =
        snprintf(out, bytes, what->subject[0] != '\0' ? "%s %s" : "%s", what->what, what->subject);
    return used < 0 ? 0 : (size_t)used < bytes ? used : (int)bytes - 1;
}

void dho_activity_main(char *out, size_t bytes, double *out_seconds)
{
    slot *first = &slots[0];
    int used = 0;
    out[0] = '\0';
    *out_seconds = 0;
    pthread_once(&once, prepare);
    pthread_mutex_lock(&first->lock);
    for (int i = 0; i < kept_depth(first); i++) {
        if (i > 0) used += snprintf(out + used, bytes - (size_t)used, ", ");
        if ((size_t)used >= bytes) break;
        used += print(&first->stack[i], out + used, bytes - (size_t)used);
        *out_seconds = dho_seconds_awake() - first->stack[i].since;
    }
    pthread_mutex_unlock(&first->lock);
}

void dho_activity_longest(char *out, size_t bytes, double *out_seconds)
{
    out[0] = '\0';
    *out_seconds = 0;
    for (int i = 0; i < SLOTS; i++) {
        slot *of = &slots[i];
        if (!atomic_load(&of->taken)) continue;
        pthread_mutex_lock(&of->lock);
        for (int d = 0; d < kept_depth(of); d++) {
            const activity *a = &of->stack[d];
            const double seconds = dho_seconds_awake() - a->since;
            if (!a->bounded || seconds <= *out_seconds) continue;
            *out_seconds = seconds;
            print(a, out, bytes);
        }
        pthread_mutex_unlock(&of->lock);
    }
}
