#include "plan/plan.h"

#include "base/json.h"
#include "plan/plan_print.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

enum { MOST_NODES = 1 << 20 };

/* "1,2,4": rising numbers. */
static dho_status read_nodes(const char *text, int out[PLAN_MOST_ROWS], int *out_count)
{
    const char *at = text;
    *out_count = 0;
    for (;;) {
        char *end;
        errno = 0;
        const long value = strtol(at, &end, 10);
        const int before = *out_count > 0 ? out[*out_count - 1] : 0;
        if (errno != 0 || end == at || (*end != ',' && *end != '\0') || value <= before ||
            value > MOST_NODES || *out_count == PLAN_MOST_ROWS)
            return dho_fail(DHO_ERR_CONFIG,
                            "--nodes: expected at most %d rising numbers from 1 to %d with commas "
                            "between them, got \"%.60s\"",
                            PLAN_MOST_ROWS, MOST_NODES, text);
        out[(*out_count)++] = (int)value;
        if (*end == '\0') return DHO_OK;
        at = end + 1;
    }
}

static dho_status print_json(json_t *root)
{
    const int failed = json_dumpf(root, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(6));
    json_decref(root);
    putchar('\n');
    return failed == 0 && fflush(stdout) == 0
               ? DHO_OK
               : dho_fail(DHO_ERR_IO, "standard output: cannot write");
}

static plan_place place_of(const dho_plan_options *options, const plan_rates *rates, int nodes)
{
    const int cores = options->cores > 0 ? options->cores : rates->cores;
    const int share = cores / options->ranks_per_node;
    return (plan_place){.nodes = nodes,
                        .ranks_per_node = options->ranks_per_node,
                        .threads = options->threads > 0 ? options->threads
                                   : share > 0          ? share
                                                        : 1,
                        .cores = cores,
                        .latency = 1e-6 * options->latency,
                        .bandwidth = 1e9 * options->bandwidth};
}

/* The first row is what the others are compared with. */
static dho_status fill(plan_table *table, const int *nodes, int count)
{
    const plan_job job = plan_run_job(table->run);
    for (int i = 0; i < count; i++) {
        plan_row *row = &table->rows[i];
        const plan_row *first = &table->rows[0];
        row->place = place_of(table->options, table->rates, nodes[i]);
        const double ranks = (double)nodes[i] * row->place.ranks_per_node;
        row->possible = ranks <= job.shards;
        if (!row->possible && i == 0)
            return dho_fail(DHO_ERR_CONFIG,
                            "%.0f ranks but train.shards is %d: each rank needs a shard of its own "
                            "(fewer --nodes or --ranks-per-node, or more shards)",
                            ranks, job.shards);
        if (!row->possible) continue;
        int slabs;
        DHO_TRY(plan_run_share(table->run, &row->place, &row->share, &slabs));
        row->step = plan_step_of(&job, table->rates, &row->place, &row->share);
        row->rank_bytes = plan_run_rank_bytes(table->run, &row->share, slabs, row->step.ranks);
        row->efficiency = first->step.seconds * first->place.nodes / row->step.seconds / nodes[i];
        row->node_hours = row->step.run_seconds * nodes[i] / 3600;
    }
    table->count = count;
    return DHO_OK;
}

static dho_status rates_of(const plan_run *run, const dho_plan_options *options, plan_rates *out)
{
    if (options->rates != NULL) return plan_rates_load(run, options->rates, out);
    return plan_rates_measure(run, options->seconds, out);
}

static dho_status plan_of(const plan_run *run, const dho_plan_options *options, const int *nodes,
                          int count)
{
    plan_rates rates;
    DHO_TRY(rates_of(run, options, &rates));
    plan_table table = {.run = run, .rates = &rates, .options = options};
    DHO_TRY(fill(&table, nodes, count));
    if (!options->json) {
        plan_print_text(&table);
        return DHO_OK;
    }
    json_t *root;
    DHO_TRY(plan_pack(&table, &root));
    return print_json(root);
}

dho_status dho_plan(const dho_config *config, const dho_plan_options *options)
{
    plan_run run;
    int nodes[PLAN_MOST_ROWS], count;
    DHO_TRY(read_nodes(options->nodes, nodes, &count));
    dho_status status = plan_run_open(&run, config, &options->data);
    if (status == DHO_OK) status = plan_of(&run, options, nodes, count);
    plan_run_free(&run);
    return status;
}

static dho_status print_rates(const plan_run *run, const dho_plan_options *options)
{
    plan_rates rates;
    json_t *root;
    DHO_TRY(plan_rates_measure(run, options->seconds, &rates));
    if (!options->json) {
        plan_print_rates(run, &rates);
        return DHO_OK;
    }
    DHO_TRY(plan_rates_pack(run, &rates, &root));
    return print_json(root);
}

dho_status dho_plan_print_rates(const dho_config *config, const dho_plan_options *options)
{
    plan_run run;
    dho_status status = plan_run_open(&run, config, &options->data);
    if (status == DHO_OK) status = print_rates(&run, options);
    plan_run_free(&run);
    return status;
}
