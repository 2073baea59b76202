#include "base/clock.h"
#include "base/compare.h"
#include "bench/bench.h"
#include "bench/roofline.h"
#include "dho/alloc.h"
#include "dho/distill.h"
#include "dho/microbatch.h"
#include "dho/rng.h"
#include "dho/student.h"
#include "dho/tuning.h"

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
    dho_tuning *tuning; /* NULL: the rule chooses */
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
    if (status == DHO_OK && b->o.tuning != NULL && b->o.tuning[0] != '\0') {
        status = dho_tuning_read(&b->tuning, b->o.tuning);
        if (status == DHO_OK) dho_compute_tune(b->compute, b->tuning);
    }
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
    dho_tuning_destroy(&b->tuning);
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
    out[0] = out[1] = 0;
    for (size_t i = 0; i < dho_executor_node_count(b->executor); i++) {
        const dho_node_profile node = dho_executor_profile(b->executor, i);
        for (int pass = 0; pass < 2; pass++) out[pass] += node.seconds[pass];
    }
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

static void run_steps(bench *b, double *seconds)
{
    run_step(b);
    memset(b->parts, 0, sizeof b->parts);
    dho_executor_profile_reset(b->executor);
    for (int i = 0; i < b->o.steps; i++) seconds[i] = run_step(b);
    qsort(seconds, (size_t)b->o.steps, sizeof *seconds, dho_compare_doubles);
}

static json_t *pack(const bench *b, const dho_roofline *roofline, double median, long long memory)
{
    const double rows = (double)(b->o.labelled + b->o.unlabelled);
    json_t *root = json_pack(
        "{s:s, s:s, s:s, s:i, s:i, s:i, s:i, s:i, s:b, s:b, s:i, s:f, s:f, s:I, s:I}", "model",
        b->o.model, "dtype", b->o.dtype, "backend", dho_compute_kernels(b->compute)->name,
        "threads", dho_compute_threads(b->compute), "labelled", b->o.labelled, "unlabelled",
        b->o.unlabelled, "image_size", b->o.image_size, "classes", b->o.classes, "separate",
        b->passes == 2, "tuned", b->tuning != NULL, "steps", b->o.steps, "median_seconds", median,
        "images_per_second", rows / median, "peak_bytes", (json_int_t)memory, "arena_bytes",
        (json_int_t)dho_executor_arena_bytes(b->executor));
    json_t *parts = json_object();
    for (int part = 0; part < PARTS; part++)
        json_object_set_new(parts, part_names[part],
                            json_real(b->parts[part] / (double)b->o.steps));
    json_object_set_new(root, "part_seconds", parts);
    dho_roofline_pack(roofline, root);
    return root;
}

static void print(const bench *b, const dho_roofline *roofline, double median, long long memory)
{
    const double rows = (double)(b->o.labelled + b->o.unlabelled);
    double sum = 0;
    for (int part = 0; part < PARTS; part++) sum += b->parts[part];
    printf("%s, %s, %s backend%s, %d threads, %d labelled + %d unlabelled images at %d px, "
           "%d classes, %s, %d steps\n\n",
           b->o.model, b->o.dtype, dho_compute_kernels(b->compute)->name,
           b->tuning != NULL ? " by a table" : "", dho_compute_threads(b->compute), b->o.labelled,
           b->o.unlabelled, b->o.image_size, b->o.classes,
           b->passes == 2 ? "one after the other" : "stacked", b->o.steps);
    for (int part = 0; part < PARTS; part++)
        printf("%-16s %10.1f ms %5.1f %%\n", part_names[part],
               1e3 * b->parts[part] / (double)b->o.steps, 100 * b->parts[part] / sum);
    dho_roofline_print(roofline);
    printf("\nstep             %10.1f ms (median), %.2f images/s\n", 1e3 * median, rows / median);
    printf("peak memory      %10.1f MiB (activations %.1f MiB)\n", (double)memory / 0x1p20,
           (double)dho_executor_arena_bytes(b->executor) / 0x1p20);
    dho_roofline_print_total(roofline);
}

/* A profile's operations and bytes are the last pass's. */
static dho_status look(const bench *b, double median, long long memory)
{
    const int rows = b->o.labelled + b->o.unlabelled;
    const dho_roofline_options options = {
        .executor = b->executor,
        .dtype = dho_compute_dtype_of(b->compute),
        .threads = dho_compute_threads(b->compute),
        .steps = b->o.steps,
        .passes_scale = (double)rows / (double)(b->passes == 2 ? b->o.unlabelled : rows),
        .step_seconds = median,
        .update_seconds = b->parts[UPDATE] / b->o.steps,
        .update_floats = (double)dho_graph_parameter_floats(b->student.graph),
        .each = b->o.each};
    dho_roofline roofline;
    DHO_TRY(dho_roofline_create(&roofline, &options));
    dho_status status = DHO_OK;
    if (b->o.json)
        status = dho_bench_print_json(pack(b, &roofline, median, memory));
    else
        print(b, &roofline, median, memory);
    dho_roofline_free(&roofline);
    return status;
}

static dho_status measure(bench *b)
{
    double *seconds;
    DHO_TRY(dho_alloc(&seconds, (size_t)b->o.steps, sizeof *seconds, "benchmark"));
    run_steps(b, seconds);
    const double median = seconds[b->o.steps / 2];
    const long long memory = peak_bytes();
    dho_free(seconds);
    return look(b, median, memory);
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
