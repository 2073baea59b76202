#include "base/clock.h"
#include "base/compare.h"
#include "bench/bench.h"
#include "dho/alloc.h"
#include "dho/distill.h"
#include "dho/microbatch.h"
#include "dho/rng.h"
#include "dho/student.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

enum { CLEAR, FORWARD, LOSSES, BACKWARD, UPDATE, PARTS };

static const char *const part_names[PARTS] = {"clear", "forward", "losses", "backward", "update"};

typedef struct bench {
    dho_bench_step_options o;
    int passes;

    dho_compute *compute;
    dho_student student;
    dho_executor *executor;
    void *images; /* as the executor reads them */
    float *teacher, *parameters, *gradients, *statistics, *moment1, *moment2;
    int32_t *labels;
    int64_t step;
    double parts[PARTS]; /* seconds */
} bench;

/* The words of compute.backend and compute.dtype, through the configuration's own reader. */
static dho_status open_compute(bench *b)
{
    dho_config config;
    char text[160];
    snprintf(text, sizeof text, "compute: {backend: \"%.40s\", dtype: \"%.40s\"}\n", b->o.backend,
             b->o.dtype);
    dho_status status = dho_config_parse(&config, text, strlen(text), "bench", NULL, 0);
    if (status != DHO_OK) { /* the options are to blame, not a file */
        const char *key = strstr(dho_error_message(), "compute.");
        return key != NULL ? dho_fail(status, "--%s", key + strlen("compute.")) : status;
    }
    status =
        dho_compute_create(&b->compute, config.compute.backend, config.compute.dtype, b->o.threads);
    dho_config_free(&config);
    return status;
}

static dho_status random_floats(float **out, size_t count, double scale, uint64_t id)
{
    dho_rng rng;
    DHO_TRY(dho_alloc(out, count, sizeof **out, "benchmark data"));
    dho_rng_init(&rng, 1, DHO_RNG_TEST, 0, id);
    for (size_t i = 0; i < count; i++) (*out)[i] = (float)(scale * dho_rng_normal(&rng));
    return DHO_OK;
}

static dho_status random_images(bench *b, size_t rows)
{
    const size_t count = rows * (size_t)b->o.image_size * (size_t)b->o.image_size * 3;
    float *floats;
    DHO_TRY(random_floats(&floats, count, 1, 0));
    const dho_status status =
        dho_alloc(&b->images, rows, dho_executor_input_bytes(b->executor), "benchmark data");
    if (status == DHO_OK)
        dho_compute_kernels(b->compute)->store(b->compute, count, floats, b->images);
    dho_free(floats);
    return status;
}

static dho_status open_bench(bench *b)
{
    const size_t rows = (size_t)(b->o.labelled + b->o.unlabelled);
    DHO_TRY(open_compute(b));
    const dho_student_options options = {.model = b->o.model,
                                         .width = b->o.width,
                                         .layers = b->o.layers,
                                         .image_size = b->o.image_size,
                                         .classes = b->o.classes,
                                         .dual_head = true};
    DHO_TRY(dho_student_create(&b->student, &options));
    b->passes = dho_microbatch_passes(&b->student, b->o.separate, (int)rows, b->o.labelled);
    const dho_executor_options execution = {
        .compute = b->compute,
        .batch = dho_microbatch_largest_pass(b->passes, (int)rows, b->o.labelled),
        .training = true,
        .recompute = b->o.recompute ? DHO_RECOMPUTE_BLOCK : DHO_RECOMPUTE_NONE};
    DHO_TRY(dho_executor_create(&b->executor, b->student.graph, &execution));
    if (b->passes == 2) DHO_TRY(dho_executor_prepare(b->executor, (int)rows - execution.batch));
    const size_t floats = dho_graph_parameter_floats(b->student.graph);
    const size_t buffers = dho_graph_buffer_floats(b->student.graph);
    float *running;
    DHO_TRY(dho_alloc_zero(&b->parameters, floats, sizeof(float), "parameters"));
    DHO_TRY(dho_alloc_zero(&b->gradients, floats, sizeof(float), "gradients"));
    DHO_TRY(dho_alloc_zero(&b->moment1, floats, sizeof(float), "optimizer state"));
    DHO_TRY(dho_alloc_zero(&b->moment2, floats, sizeof(float), "optimizer state"));
    DHO_TRY(dho_alloc_zero(&b->statistics, 2 * buffers, sizeof(float), "statistics"));
    DHO_TRY(dho_alloc_zero(&running, buffers, sizeof(float), "buffers"));
    dho_graph_initialise(b->student.graph, 1, b->parameters, running);
    dho_free(running);
    DHO_TRY(random_images(b, rows));
    DHO_TRY(random_floats(&b->teacher, rows * (size_t)b->o.classes, 5, 1));
    DHO_TRY(dho_alloc_zero(&b->labels, rows, sizeof *b->labels, "labels"));
    for (size_t i = 0; i < rows; i++) b->labels[i] = (int32_t)((long long)i * 7919 % b->o.classes);
    return DHO_OK;
}

static void close_bench(bench *b)
{
    dho_executor_destroy(&b->executor);
    dho_student_destroy(&b->student);
    dho_compute_destroy(&b->compute);
    dho_free(b->images);
    dho_free(b->teacher);
    dho_free(b->parameters);
    dho_free(b->gradients);
    dho_free(b->moment1);
    dho_free(b->moment2);
    dho_free(b->statistics);
    dho_free(b->labels);
}

/* Forward and backward, without what is between them. */
static void executor_seconds(const bench *b, double out[2])
{
    dho_operator_profile profile[DHO_PROFILE_MOST];
    const size_t count = dho_executor_profile(b->executor, profile);
    out[0] = out[1] = 0;
    for (size_t i = 0; i < count; i++)
        for (int pass = 0; pass < 2; pass++) out[pass] += profile[i].seconds[pass];
}

/* The step of dho train with one microbatch, without reading and without communication. */
static double run_step(bench *b)
{
    const size_t floats = dho_graph_parameter_floats(b->student.graph);
    const dho_objective objective = {
        .method = DHO_METHOD_DHO, .temperature = 2, .lambda_ce = 1, .lambda_kd = 1};
    const dho_microbatch microbatch = {.executor = b->executor,
                                       .student = &b->student,
                                       .parameters = b->parameters,
                                       .passes = b->passes,
                                       .rows = b->o.labelled + b->o.unlabelled,
                                       .labelled = b->o.labelled,
                                       .images = b->images,
                                       .labels = b->labels,
                                       .teacher_logits = b->teacher};
    double before[2], after[2];
    executor_seconds(b, before);
    const double begin = dho_seconds_now();
    memset(b->gradients, 0, floats * sizeof(float));
    const double cleared = dho_seconds_now();
    (void)dho_microbatch_run(&microbatch, &objective, b->gradients, b->statistics, NULL);
    const double ran = dho_seconds_now();
    dho_compute_kernels(b->compute)
        ->adamw(b->compute, floats,
                &(dho_adamw_step){.step = ++b->step,
                                  .lr = 1e-3,
                                  .beta1 = 0.9,
                                  .beta2 = 0.999,
                                  .eps = 1e-8,
                                  .weight_decay = 0.01,
                                  .gradient_scale = 1},
                b->gradients, b->parameters, b->moment1, b->moment2);
    const double end = dho_seconds_now();
    executor_seconds(b, after);
    b->parts[CLEAR] += cleared - begin;
    b->parts[FORWARD] += after[0] - before[0];
    b->parts[BACKWARD] += after[1] - before[1];
    b->parts[LOSSES] += ran - cleared - (after[0] - before[0]) - (after[1] - before[1]);
    b->parts[UPDATE] += end - ran;
    return end - begin;
}

static long long peak_bytes(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (long long)usage.ru_maxrss * 1024;
}

/* GFLOP/s of a large linear layer in the compute dtype: what the matrix product reaches here. */
static dho_status measure_peak(bench *b, double *out)
{
    enum { ROWS = 4096, WIDTH = 1024, TIMES = 5 };
    const size_t bytes = dho_compute_element_bytes(b->compute);
    void *x, *y;
    float *w;
    double best = 1e30;
    dho_status status = DHO_OK;
    DHO_TRY(dho_compute_reserve_linear(b->compute, &(dho_linear_shape){ROWS, WIDTH, WIDTH},
                                       DHO_CALL_FORWARD));
    DHO_TRY(dho_alloc_zero(&x, (size_t)ROWS * WIDTH, bytes, "benchmark data"));
    DHO_TRY(dho_alloc_zero(&y, (size_t)ROWS * WIDTH, bytes, "benchmark data"));
    DHO_TRY(dho_alloc_zero(&w, (size_t)WIDTH * WIDTH, sizeof *w, "benchmark data"));
    for (int i = 0; i < TIMES; i++) {
        const double start = dho_seconds_now();
        dho_compute_kernels(b->compute)
            ->linear_forward(b->compute, &(dho_linear_shape){ROWS, WIDTH, WIDTH}, x, w, NULL, y);
        const double seconds = dho_seconds_now() - start;
        if (seconds < best) best = seconds;
    }
    *out = 2e-9 * ROWS * WIDTH * WIDTH / best;
    dho_free(x);
    dho_free(y);
    dho_free(w);
    return status;
}

/* The flops of a profile are the last pass's. */
static void print_operators(const bench *b, double *all_flops)
{
    const int rows = b->o.labelled + b->o.unlabelled;
    const double share = (double)rows / (double)(b->passes == 2 ? b->o.unlabelled : rows);
    dho_operator_profile profile[DHO_PROFILE_MOST];
    const size_t count = dho_executor_profile(b->executor, profile);
    const double steps = (double)b->o.steps;
    *all_flops = 0;
    printf("\n%-16s %5s %12s %12s %10s %10s\n", "operator", "n", "forward ms", "backward ms",
           "GFLOP/s", "GFLOP/s");
    for (size_t i = 0; i < count; i++) {
        const dho_operator_profile *p = &profile[i];
        printf("%-16s %5d", p->name, p->operators);
        for (int pass = 0; pass < 2; pass++) printf(" %12.1f", 1e3 * p->seconds[pass] / steps);
        for (int pass = 0; pass < 2; pass++) {
            const double flops = share * p->flops[pass];
            *all_flops += flops;
            if (flops > 0 && p->seconds[pass] > 0)
                printf(" %10.1f", 1e-9 * flops * steps / p->seconds[pass]);
        }
        putchar('\n');
    }
}

static dho_status measure(bench *b)
{
    double *seconds, peak, flops, sum = 0;
    DHO_TRY(dho_alloc(&seconds, (size_t)b->o.steps, sizeof *seconds, "benchmark"));
    run_step(b);
    memset(b->parts, 0, sizeof b->parts);
    dho_executor_profile_reset(b->executor);
    for (int i = 0; i < b->o.steps; i++) sum += seconds[i] = run_step(b);
    qsort(seconds, (size_t)b->o.steps, sizeof *seconds, dho_compare_doubles);
    const double median = seconds[b->o.steps / 2];
    const double rows = (double)(b->o.labelled + b->o.unlabelled);
    const long long memory = peak_bytes();
    dho_free(seconds);
    DHO_TRY(measure_peak(b, &peak));
    printf("%s, %s, %s backend, %d threads, %d labelled + %d unlabelled images at %d px, "
           "%d classes, %s, %d steps\n\n",
           b->o.model, b->o.dtype, dho_compute_kernels(b->compute)->name,
           dho_compute_threads(b->compute), b->o.labelled, b->o.unlabelled, b->o.image_size,
           b->o.classes, b->passes == 2 ? "one after the other" : "stacked", b->o.steps);
    for (int part = 0; part < PARTS; part++)
        printf("%-16s %10.1f ms %5.1f %%\n", part_names[part],
               1e3 * b->parts[part] / (double)b->o.steps, 100 * b->parts[part] / sum);
    print_operators(b, &flops);
    printf("\nstep             %10.1f ms (median), %.2f images/s\n", 1e3 * median, rows / median);
    printf("operations       %10.1f GFLOP, %.1f GFLOP/s, %.1f %% of the linear layer's %.1f\n",
           1e-9 * flops, 1e-9 * flops / median, 1e-7 * flops / median / peak, peak);
    printf("peak memory      %10.1f MiB (activations %.1f MiB)\n", (double)memory / 0x1p20,
           (double)dho_executor_arena_bytes(b->executor) / 0x1p20);
    return DHO_OK;
}

/* One step for each line of standard input, so that two programs can take turns in one run. */
static void serve(bench *b)
{
    char line[64];
    run_step(b);
    puts("ready");
    fflush(stdout);
    while (fgets(line, sizeof line, stdin) != NULL) {
        printf("%.6f %lld\n", run_step(b), peak_bytes());
        fflush(stdout);
    }
}

dho_status dho_bench_step(const dho_bench_step_options *options)
{
    bench b = {.o = *options};
    dho_status status = open_bench(&b);
    if (status == DHO_OK && options->serve)
        serve(&b);
    else if (status == DHO_OK)
        status = measure(&b);
    close_bench(&b);
    return status;
}
