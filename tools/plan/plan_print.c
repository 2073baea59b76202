#include "plan/plan_print.h"

#include <stdio.h>

#define GIB 0x1p30

static const char *plural(double count)
{
    return count == 1 ? "" : "s";
}

void plan_print_rates(const plan_run *run, const plan_rates *rates)
{
    static const char *const how[] = {"one core alone", "each of %d cores, side by side",
                                      "%d cores together"};
    const plan_speed *const speeds[] = {&rates->alone, &rates->full, &rates->whole};
    char name[64];
    printf(
        "speeds   of this machine's %d core%s: a microbatch of %d images, its backward; memory\n",
        rates->cores, plural(rates->cores), run->rows.all);
    for (int i = 0; i < 3; i++) {
        const plan_speed *speed = speeds[i];
        snprintf(name, sizeof name, how[i], speed->copies * speed->threads);
        printf("         %-31s %8.4g s %8.4g s %6.1f GB/s\n", name, speed->microbatch,
               speed->backward, 1e-9 * speed->memory);
        if (rates->cores == 1) break;
    }
    printf("         decode %.3g ms of a core an image of %.0f KB (%s)\n", 1e3 * rates->decode,
           1e-3 * rates->image_bytes,
           rates->drawn ? "drawn for it, 500 x 375" : "the configuration's images");
    if (rates->write > 0)
        printf("         checkpoints are written with %.0f MB/s\n", 1e-6 * rates->write);
}

static void print_run(const plan_table *table, const plan_job *job)
{
    const plan_run *run = table->run;
    const plan_place *place = &table->rows[0].place;
    char length[256];
    dho_run_length_describe(&run->length, run->config, length, sizeof length);
    printf("student  %s, %s kernels: %.1f M parameters\n", run->student.model, run->backend,
           1e-6 * job->weights);
    printf("length   %s\n", length);
    printf("step     %d microbatches of %d images (%d labelled); sum of %.1f MB%s; checkpoint "
           "of %.1f MB\n",
           job->shards, job->rows, run->rows.labelled, 1e-6 * job->slab_bytes,
           job->packed ? ", of which half is sent (bf16)" : "", 1e-6 * job->checkpoint_bytes);
    if (run->has_teacher)
        printf("cache    %.3g GB%s: %lld images x %d view%s x %.0f bytes\n",
               1e-9 * plan_run_cache_bytes(run), run->cache_is_there ? "" : ", to be built",
               (long long)run->cache.count, run->cache.views, plural(run->cache.views),
               job->record_bytes);
    plan_print_rates(run, table->rates);
    printf("nodes    of %d core%s: %d rank%s x %d thread%s; assumed: %g us latency, %g GB/s a node "
           "each way,\n         cores as fast as here, memory in proportion to the cores\n",
           place->cores, plural(place->cores), place->ranks_per_node, plural(place->ranks_per_node),
           place->threads, plural(place->threads), 1e6 * place->latency, 1e-9 * place->bandwidth);
}

/* Three digits; all digits of a large number. */
static const char *three(double value, char out[32])
{
    snprintf(out, 32, value >= 1000 ? "%.0f" : "%.3g", value);
    return out;
}

static void print_row(const plan_row *row, const plan_job *job)
{
    const plan_step *s = &row->step;
    char hours[32], all[32];
    if (!row->possible) {
        printf("%7d  more ranks than train.shards (%d)\n", row->place.nodes, job->shards);
        return;
    }
    printf("%7d %6d %9.4g %9.4g %8.3g %8.3g %5.1f %6.1f %9.4g %8.3g %8.2f %8s %9s\n",
           row->place.nodes, s->ranks, s->seconds, s->compute, s->exposed, s->update, 100 * s->idle,
           100 * row->efficiency, s->images, 1e-6 * s->read_bytes, row->rank_bytes / GIB,
           three(s->run_seconds / 3600, hours), three(row->node_hours, all));
}

/* The last row that is efficient enough, when the rows before it are. */
static int last_that_pays(const plan_table *table)
{
    int last = 0;
    while (last + 1 < table->count && table->rows[last + 1].possible &&
           100 * table->rows[last + 1].efficiency >= table->options->efficiency)
        last++;
    return last;
}

static void print_end(const plan_table *table, const plan_job *job)
{
    const plan_row *pays = &table->rows[last_that_pays(table)], *next = pays + 1;
    const double limit = table->options->efficiency;
    if (pays->step.checkpoint > 0)
        printf("a checkpoint takes %.3g s; the run writes %.0f\n", pays->step.checkpoint,
               job->checkpoints);
    if (next == table->rows + table->count)
        printf("all of these pay: the efficiency stays at %g %% or above\n", limit);
    else if (!next->possible)
        printf("pays up to %d node%s: train.shards (%d) allows no more ranks\n", pays->place.nodes,
               plural(pays->place.nodes), job->shards);
    else
        printf("pays up to %d node%s: with %d the efficiency is %.1f %%, below %g %%\n",
               pays->place.nodes, plural(pays->place.nodes), next->place.nodes,
               100 * next->efficiency, limit);
}

void plan_print_text(const plan_table *table)
{
    const plan_job job = plan_run_job(table->run);
    print_run(table, &job);
    printf("\n%7s %6s %9s %9s %8s %8s %5s %6s %9s %8s %8s %8s %9s\n", "nodes", "ranks", "step s",
           "compute", "exposed", "update", "idle", "effi-", "images/s", "MB/s", "GiB", "hours",
           "node-");
    printf("%7s %6s %9s %9s %8s %8s %5s %6s %9s %8s %8s %8s %9s\n", "", "", "", "s", "sum s", "s",
           "%", "ciency", "a node", "a node", "rank 0", "", "hours");
    for (int i = 0; i < table->count; i++) print_row(&table->rows[i], &job);
    printf("\n");
    print_end(table, &job);
    fflush(stdout);
}

static json_t *pack_row(const plan_row *row)
{
    const plan_step *s = &row->step;
    if (!row->possible)
        return json_pack("{s:i, s:b}", "nodes", row->place.nodes, "possible", false);
    return json_pack("{s:i, s:b, s:i, s:i, s:i, s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:f, "
                     "s:f, s:f, s:f, s:f, s:f}",
                     "nodes", row->place.nodes, "possible", true, "ranks", s->ranks, "microbatches",
                     row->share.most, "lanes", row->share.lanes, "step_seconds", s->seconds,
                     "compute_seconds", s->compute, "loader_seconds", s->loader, "sum_seconds",
                     s->sum, "exposed_seconds", s->exposed, "update_seconds", s->update, "idle",
                     s->idle, "efficiency", row->efficiency, "images_per_second", s->images,
                     "read_bytes_per_second", s->read_bytes, "decode_cores", s->decode_cores,
                     "rank_bytes", row->rank_bytes, "checkpoint_seconds", s->checkpoint,
                     "run_seconds", s->run_seconds, "node_hours", row->node_hours);
}

dho_status plan_pack(const plan_table *table, json_t **out)
{
    const plan_job job = plan_run_job(table->run);
    const plan_place *place = &table->rows[0].place;
    json_t *rates = NULL, *rows = json_array();
    DHO_TRY(plan_rates_pack(table->run, table->rates, &rates));
    for (int i = 0; i < table->count; i++) json_array_append_new(rows, pack_row(&table->rows[i]));
    *out = json_pack("{s:f, s:f, s:f, s:f, s:f, s:{s:i, s:i, s:i, s:f, s:f}, s:i, s:o, s:o}",
                     "parameters", job.weights, "steps", job.steps, "sum_bytes", job.slab_bytes,
                     "checkpoint_bytes", job.checkpoint_bytes, "cache_bytes",
                     plan_run_cache_bytes(table->run), "node", "cores", place->cores, "ranks",
                     place->ranks_per_node, "threads", place->threads, "latency_seconds",
                     place->latency, "bytes_per_second", place->bandwidth, "pays_up_to",
                     table->rows[last_that_pays(table)].place.nodes, "rates", rates, "rows", rows);
    return *out != NULL ? DHO_OK : dho_fail(DHO_ERR_MEMORY, "plan: cannot be made JSON");
}
