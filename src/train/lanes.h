/* The threads of a rank that compute microbatches side by side, each with kernels, activations and
 * teacher's outputs of its own. Private to src/train. */
#ifndef DHO_TRAIN_LANES_H
#define DHO_TRAIN_LANES_H

#include "dho/compute.h"
#include "dho/graph.h"
#include "dho/loader.h"
#include "train/share.h"

#include <pthread.h>

typedef struct dho_lane {
    int index;
    dho_compute *compute;                    /* owned, but for a single lane's: the caller's */
    dho_executor *executor;                  /* owned */
    float *teacher_payload, *teacher_logits; /* owned, [micro_batch][dim], [micro_batch][classes] */
    float *teacher_scratch;                  /* owned: of the head, for micro_batch rows */
    float *drops;        /* owned, [micro_batch][dho_graph_drop_count]; NULL: no factors */
    double *loss_scratch; /* owned: of a loss that needs one, else NULL */
    double data_seconds;  /* waited for images, in this step */
    /* The run's; see dho_lanes_run. */
    dho_status status;
    char message[1024];
    bool gave_up; /* since another lane had failed */
    struct dho_lanes *all;
    pthread_t thread;
    /* The lane's next batch, where another lane came upon it in the loader; under `taking`. */
    dho_batch batch;
    bool has_batch;
} dho_lane;

typedef struct dho_lanes {
    dho_lane *items; /* owned, [count] */
    int count, started;
    pthread_mutex_t lock, taking; /* taking: the loader's, one lane at a time */
    pthread_cond_t changed, taken;
    /* Under `taking`: */
    int pulled;   /* batches that have come out of the loader, modulo the step's */
    bool pulling; /* a lane is at the loader */
    bool failed;  /* a lane has failed: the run ends */
    /* Under the lock: */
    int64_t turn; /* runs so far */
    int running;  /* lanes that are at work */
    bool end;
    dho_status (*work)(void *context, dho_lane *lane);
    void *context;
} dho_lanes;

/* Makes `count` lanes, without what they own but their threads: lane 0 is the caller's thread.
 * Errors: DHO_ERR_MEMORY, also when a thread cannot be started. */
dho_status dho_lanes_create(dho_lanes *out, int count);
/* Also of zeroed lanes. */
void dho_lanes_free(dho_lanes *lanes, const dho_compute *callers);

/* work(context, lane) of every lane, side by side. Returns the first lane's failure, by its number.
 */
dho_status dho_lanes_run(dho_lanes *lanes, dho_status (*work)(void *context, dho_lane *lane),
                         void *context);

/* The lane's next batch of a loader that delivers batches in the order in which lanes want them
 * (share->wanted), from the first of a step on. The loader holds 2 * lanes batches or more. Errors:
 * those of dho_loader_next; a lane that waits when another one fails gets an error, too. */
dho_status dho_lanes_take(dho_lane *lane, dho_loader *loader, const dho_share *share,
                          dho_batch *out);
void dho_lanes_release(dho_lane *lane, dho_loader *loader, const dho_batch *batch);

#endif
