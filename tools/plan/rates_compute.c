/* Seconds of a microbatch on one core alone, on all cores side by side, and by all cores together;
 * and how fast each moves memory. */
#define _GNU_SOURCE
#include "base/clock.h"
#include "base/compare.h"
#include "base/machine.h"
#include "base/thread.h"
#include "dho/alloc.h"
#include "dho/distill.h"
#include "dho/microbatch.h"
#include "dho/rng.h"
#include "plan/plan_rates.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_TIMES = 50, UPDATES = 5, UPDATE_FLOATS = 1 << 25 };

/* One that computes: what a rank, or a lane of one, has of its own. */
typedef struct copy {
    struct bench *bench; /* borrowed */
    bool leads;
    dho_compute *compute;
    dho_executor *executor;
    void *images;
    float *gradients, *statistics;
    double *loss_scratch;
    float *update[4]; /* gradient, weights, two moments */
    double seconds, backward, memory;
} copy;

typedef struct bench {
    const plan_run *run;
    float *parameters, *teacher, *embeddings;
    int32_t *labels;
    dho_transport transport; /* distill.divergence: wkd */
    size_t update_floats;
    double limit; /* seconds */
    int times;    /* by copies[0], between two barriers */
    copy *copies;
    pthread_mutex_t gate;
    pthread_barrier_t barrier;
} bench;

static dho_status random_floats(float **out, size_t count, double scale)
{
    dho_rng rng;
    DHO_TRY(dho_alloc(out, count, sizeof **out, "benchmark data"));
    dho_rng_init(&rng, 1, DHO_RNG_TEST, 0, count);
    for (size_t i = 0; i < count; i++) (*out)[i] = (float)(scale * dho_rng_normal(&rng));
    return DHO_OK;
}

static dho_status open_bench(bench *b)
{
    const plan_run *run = b->run;
    const dho_graph *graph = run->student.graph;
    const size_t rows = (size_t)run->rows.all, floats = dho_graph_parameter_floats(graph);
    float *running;
    DHO_TRY(dho_alloc_zero(&b->parameters, floats, sizeof(float), "parameters"));
    DHO_TRY(dho_alloc_zero(&running, dho_graph_buffer_floats(graph), sizeof(float), "buffers"));
    dho_graph_initialise(graph, 1, b->parameters, running);
    dho_free(running);
    DHO_TRY(random_floats(&b->teacher, rows * (size_t)run->classes, 5));
    if (run->student.projection >= 0)
        DHO_TRY(random_floats(&b->embeddings, rows * (size_t)run->cache.dim, 1));
    DHO_TRY(dho_alloc_zero(&b->labels, rows, sizeof *b->labels, "labels"));
    /* Any prototypes cost the same: each class has one number of the teacher's here. */
    if (run->config->distill.divergence == DHO_DIVERGENCE_WKD)
        DHO_TRY(dho_transport_create(&b->transport, run->config, run->classes, 1, b->teacher));
    b->update_floats = floats < UPDATE_FLOATS ? floats : UPDATE_FLOATS;
    return DHO_OK;
}

static void close_bench(bench *b)
{
    dho_free(b->parameters);
    dho_free(b->teacher);
    dho_free(b->embeddings);
    dho_free(b->labels);
    dho_transport_free(&b->transport);
}

static dho_status open_copy(copy *c, bench *b, int threads)
{
    const dho_graph *graph = b->run->student.graph;
    const size_t statistics = (size_t)b->run->passes * dho_graph_buffer_floats(graph);
    const size_t rows = (size_t)b->run->rows.all;
    *c = (copy){.bench = b, .leads = c == b->copies};
    DHO_TRY(plan_run_create_executor(b->run, threads, &c->compute, &c->executor));
    DHO_TRY(dho_alloc_zero(&c->gradients, dho_graph_parameter_floats(graph), sizeof(float),
                           "gradients"));
    if (b->transport.kernel != NULL)
        DHO_TRY(dho_alloc(&c->loss_scratch, dho_transport_scratch(&b->transport), sizeof(double),
                          "benchmark data"));
    DHO_TRY(dho_alloc_zero(&c->statistics, statistics, sizeof(float), "statistics"));
    for (int i = 0; i < 4; i++)
        DHO_TRY(dho_alloc_zero(&c->update[i], b->update_floats, sizeof(float), "optimizer state"));
    float *floats;
    const size_t count = rows * (size_t)b->run->config->data.image_size *
                         (size_t)b->run->config->data.image_size * 3;
    DHO_TRY(random_floats(&floats, count, 1));
    const dho_status status =
        dho_alloc(&c->images, rows, dho_executor_input_bytes(c->executor), "benchmark data");
    if (status == DHO_OK)
        dho_compute_kernels(c->compute)->store(c->compute, count, floats, c->images);
    dho_free(floats);
    return status;
}

static void close_copy(copy *c)
{
    dho_executor_destroy(&c->executor);
    dho_compute_destroy(&c->compute);
    dho_free(c->images);
    dho_free(c->loss_scratch);
    dho_free(c->gradients);
    dho_free(c->statistics);
    for (int i = 0; i < 4; i++) dho_free(c->update[i]);
}

static double backward_seconds(const copy *c)
{
    double sum = 0;
    for (size_t i = 0; i < dho_executor_node_count(c->executor); i++)
        sum += dho_executor_profile(c->executor, i).seconds[1];
    return sum;
}

/* A microbatch as dho train has it: the slab cleared, forward, losses, backward. */
static double run_microbatch(copy *c)
{
    const bench *b = c->bench;
    const plan_run *run = b->run;
    const int times = dho_run_gradient_sets(run->config);
    dho_objective objective = dho_objective_create(run->config);
    objective.transport = &b->transport;
    objective.scratch = c->loss_scratch;
    const dho_microbatch microbatch = {.executor = c->executor,
                                       .student = &run->student,
                                       .parameters = b->parameters,
                                       .passes = run->passes,
                                       .rows = run->rows.all,
                                       .labelled = run->rows.labelled,
                                       .images = c->images,
                                       .labels = b->labels,
                                       .teacher_logits = run->has_teacher ? b->teacher : NULL,
                                       .embeddings = b->embeddings};
    const double start = dho_seconds_now();
    memset(c->gradients, 0, dho_graph_parameter_floats(run->student.graph) * sizeof *c->gradients);
    for (int i = 0; i < times; i++)
        (void)dho_microbatch_run(&microbatch, &objective, c->gradients, c->statistics, NULL);
    return dho_seconds_now() - start;
}

/* Of seconds the lower quartile: what else the machine does makes some of them longer. */
static double quartile(double *values, int count)
{
    qsort(values, (size_t)count, sizeof *values, dho_compare_doubles);
    return values[count / 4];
}

/* Gradient, weights and moments read, the last three written. */
static double update_bytes(const bench *b)
{
    return 7 * sizeof(float) * (double)b->update_floats;
}

static double run_update(copy *c, int step)
{
    const size_t count = c->bench->update_floats;
    const dho_adamw_step adamw = {
        .step = step, .lr = 1e-3, .beta1 = 0.9, .beta2 = 0.999, .eps = 1e-8, .gradient_scale = 1};
    const double start = dho_seconds_now();
    dho_compute_kernels(c->compute)
        ->adamw(c->compute, count, &adamw, c->update[0], c->update[1], c->update[2], c->update[3]);
    return dho_seconds_now() - start;
}

static void *run_copy(void *context)
{
    copy *c = context;
    bench *b = c->bench;
    double values[MOST_TIMES], updates[UPDATES];
    if (!c->leads) { /* the barrier is there behind the gate */
        pthread_mutex_lock(&b->gate);
        pthread_mutex_unlock(&b->gate);
    }
    pthread_barrier_wait(&b->barrier);
    values[0] = run_microbatch(c); /* takes the memory, too: counts only where it is a long one */
    if (c->leads) b->times = (int)dho_smaller(MOST_TIMES, b->limit / values[0]);
    pthread_barrier_wait(&b->barrier);
    const int times = b->times > 0 ? b->times : 1;
    if (b->times > 0) {
        dho_executor_profile_reset(c->executor);
        for (int i = 0; i < times; i++) values[i] = run_microbatch(c);
    }
    const double backward = backward_seconds(c);
    double all = 0;
    for (int i = 0; i < times; i++) all += values[i];
    c->seconds = quartile(values, times);
    c->backward = c->seconds * backward / all;
    pthread_barrier_wait(&b->barrier);
    (void)run_update(c, 1);
    pthread_barrier_wait(&b->barrier);
    for (int i = 0; i < UPDATES; i++) updates[i] = run_update(c, i + 2);
    c->memory = update_bytes(b) / quartile(updates, UPDATES);
    return NULL;
}

/* All copies but the first, which is this thread's, wait at the gate until it is known how many
 * threads there are. */
static dho_status run_copies(bench *b, int copies)
{
    pthread_t *threads;
    int started = 1;
    dho_status status = DHO_OK;
    DHO_TRY(dho_alloc(&threads, (size_t)copies, sizeof *threads, "threads"));
    pthread_mutex_lock(&b->gate);
    while (started < copies && status == DHO_OK) {
        const int error = dho_thread_start(&threads[started], run_copy, &b->copies[started]);
        if (error != 0)
            status = dho_fail(DHO_ERR_MEMORY, "cannot start thread %d of %d: %s", started, copies,
                              strerror(error));
        else
            started++;
    }
    pthread_barrier_init(&b->barrier, NULL, (unsigned)started);
    pthread_mutex_unlock(&b->gate);
    (void)run_copy(&b->copies[0]);
    for (int i = 1; i < started; i++) pthread_join(threads[i], NULL);
    pthread_barrier_destroy(&b->barrier);
    dho_free(threads);
    return status;
}

static dho_status measure_speed(bench *b, int copies, int threads, plan_speed *out)
{
    *out = (plan_speed){.copies = copies, .threads = threads};
    DHO_TRY(dho_alloc_zero(&b->copies, (size_t)copies, sizeof *b->copies, "benchmark"));
    dho_status status = DHO_OK;
    for (int i = 0; i < copies && status == DHO_OK; i++)
        status = open_copy(&b->copies[i], b, threads);
    if (status == DHO_OK) status = run_copies(b, copies);
    for (int i = 0; i < copies; i++) {
        out->microbatch += b->copies[i].seconds / copies;
        out->backward += b->copies[i].backward / copies;
        out->memory += b->copies[i].memory / copies;
        close_copy(&b->copies[i]);
    }
    dho_free(b->copies);
    b->copies = NULL;
    return status;
}

/* As many copies as have room in half of the memory that is left. */
static int most_copies(const plan_run *run, int cores)
{
    const double floats = (double)dho_graph_parameter_floats(run->student.graph);
    const double each = (double)run->arena_bytes + 8 * floats;
    const double fit = 0.5 * (double)dho_machine_memory("") / each;
    return fit < 1 ? 1 : fit < cores ? (int)fit : cores;
}

dho_status plan_rates_measure_compute(const plan_run *run, double seconds, plan_rates *out)
{
    bench b = {.run = run, .limit = seconds, .gate = PTHREAD_MUTEX_INITIALIZER};
    const int cores = out->cores;
    dho_status status = open_bench(&b);
    if (status == DHO_OK) status = measure_speed(&b, 1, 1, &out->alone);
    out->full = out->whole = out->alone;
    if (status == DHO_OK && cores > 1)
        status = measure_speed(&b, most_copies(run, cores), 1, &out->full);
    if (status == DHO_OK && cores > 1) status = measure_speed(&b, 1, cores, &out->whole);
    close_bench(&b);
    return status;
}
