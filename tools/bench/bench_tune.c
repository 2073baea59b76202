/* Which kernel is the fastest for each shape of a run's step, as a table for compute.tuning. */
#include "base/machine.h"
#include "bench/bench.h"
#include "bench/tune_site.h"
#include "dho/alloc.h"
#include "dho/file.h"
#include "dho/microbatch.h"
#include "dho/student.h"
#include "train/run_sizes.h"

#include <stdio.h>

/* The sites of a step, each once. */
typedef struct site_list {
    dho_kernel_site *sites; /* owned */
    size_t count, capacity;
    dho_status status;
} site_list;

static void add_site(void *context, const dho_kernel_site *site)
{
    site_list *list = context;
    for (size_t i = 0; i < list->count; i++)
        if (dho_kernel_site_is_same(&list->sites[i], site)) return;
    if (list->status == DHO_OK)
        list->status =
            dho_grow(&list->sites, list->count, &list->capacity, sizeof *list->sites, "shapes");
    if (list->status == DHO_OK) list->sites[list->count++] = *site;
}

/* What the step reserves. */
static dho_status reserve_step(const dho_config *config, const dho_student *student,
                               dho_compute *compute)
{
    const dho_micro_rows rows = dho_run_rows(config);
    const bool separate = config->train.forward == DHO_FORWARD_SEPARATE;
    const int passes = dho_microbatch_passes(student, separate, rows.all, rows.labelled);
    dho_executor *executor = NULL;
    const dho_executor_options execution = {
        .compute = compute,
        .batch = dho_microbatch_largest_pass(passes, rows.all, rows.labelled),
        .training = true,
        .recompute = config->compute.recompute};
    const int other = rows.all - execution.batch;
    dho_status status = dho_executor_create(&executor, student->graph, &execution);
    if (status == DHO_OK && passes == 2 && other > 0)
        status = dho_executor_prepare(executor, other);
    dho_executor_destroy(&executor);
    return status;
}

static dho_status find_sites(const dho_config *config, int threads, site_list *out)
{
    enum { ANY_CLASSES = 1000, ANY_PROJECTION = 512 }; /* heads are no sites */
    const dho_student_options options = dho_run_student(config, ANY_CLASSES, ANY_PROJECTION);
    dho_student student = {0};
    dho_compute *compute = NULL;
    dho_status status;
    DHO_TRY_GOTO(dho_student_create(&student, &options));
    DHO_TRY_GOTO(
        dho_compute_create(&compute, config->compute.backend, config->compute.dtype, threads));
    dho_compute_watch_sites(compute, add_site, out);
    DHO_TRY_GOTO(reserve_step(config, &student, compute));
    status = out->status;
fail:
    dho_compute_destroy(&compute);
    dho_student_destroy(&student);
    return status;
}

/* "winograd 3.210 ms, onednn 7.430 ms; the rule: onednn" */
static void describe(const dho_tune_found *found, char *out, size_t bytes)
{
    size_t used = 0;
    out[0] = '\0';
    for (int i = 0; i < found->count && used < bytes; i++)
        used += (size_t)snprintf(out + used, bytes - used, "%s%s %.3f ms", i > 0 ? ", " : "",
                                 found->names[i], 1e3 * found->seconds[i]);
    if (found->best != found->rule && used < bytes)
        snprintf(out + used, bytes - used, "; the rule: %s", found->names[found->rule]);
}

static dho_status measure(const site_list *list, const dho_tune_options *options,
                          dho_tuning *tuning)
{
    double by_rule = 0, by_table = 0;
    for (size_t i = 0; i < list->count; i++) {
        dho_tune_found found;
        char what[160], note[160];
        DHO_TRY(dho_tune_site(&list->sites[i], options, &found));
        if (found.count == 0) continue;
        describe(&found, note, sizeof note);
        dho_kernel_site_describe(&list->sites[i], what, sizeof what);
        printf("%zu/%zu %s: %s (%s)\n", i + 1, list->count, what, found.names[found.best], note);
        fflush(stdout);
        by_rule += found.seconds[found.rule];
        by_table += found.seconds[found.best];
        DHO_TRY(dho_tuning_add(tuning, &list->sites[i], found.names[found.best], note));
    }
    printf("each shape once: %.1f ms by the rule, %.1f ms by the table\n", 1e3 * by_rule,
           1e3 * by_table);
    return DHO_OK;
}

static dho_status write(const dho_tuning *tuning, const char *path)
{
    char *text;
    DHO_TRY(dho_tuning_format(tuning, &text));
    const dho_status status = dho_file_write_text(path, text);
    dho_free(text);
    if (status == DHO_OK)
        printf("%zu shapes: %s (compute.tuning)\n", dho_tuning_count(tuning), path);
    return status;
}

/* As many at a time as a rank's lanes would be on all CPUs, but no more than share a cache. */
static int copies_of(int threads)
{
    enum { MOST = 16 };
    dho_machine machine;
    dho_machine_look(&machine, "");
    const int cpus = dho_machine_count_cpus(machine.cpus);
    const int cores = machine.quota > 0 && machine.quota < cpus ? (int)machine.quota : cpus;
    const int copies = cores / threads;
    return copies < 1 ? 1 : copies > MOST ? MOST : copies;
}

dho_status dho_bench_tune(const dho_config *config, const dho_bench_tune_options *options)
{
    const int64_t asked = config->compute.microbatch_threads;
    const int threads = options->threads > 0 ? options->threads : asked > 0 ? (int)asked : 1;
    const dho_tune_options tune = {.backend = config->compute.backend,
                                   .threads = threads,
                                   .copies = copies_of(threads),
                                   .seconds = options->seconds};
    site_list list = {0};
    dho_tuning *tuning = NULL;
    dho_status status;
    DHO_TRY(dho_file_check_place(options->out));
    DHO_TRY_GOTO(find_sites(config, threads, &list));
    DHO_TRY_GOTO(dho_tuning_create(&tuning, threads));
    printf("%s, %d thread%s a kernel, %d side by side\n", config->student.model, threads,
           threads == 1 ? "" : "s", tune.copies);
    DHO_TRY_GOTO(measure(&list, &tune, tuning));
    status = write(tuning, options->out);
fail:
    dho_tuning_destroy(&tuning);
    dho_free(list.sites);
    return status;
}
