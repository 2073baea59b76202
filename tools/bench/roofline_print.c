#include "bench/roofline.h"

#include <stdio.h>

static const char *const passes[] = {"forward", "backward", "update"};

static const char *bound_name(int bound)
{
    return bound == DHO_BOUND_COMPUTE ? "compute" : dho_level_name((dho_level)bound);
}

/* Who binds most of it. */
static int binding(const dho_roofline_row *row)
{
    int most = 0;
    for (int bound = 1; bound < DHO_BOUNDS; bound++)
        if (row->limits[bound] > row->limits[most]) most = bound;
    return most;
}

static double share(double limit, double seconds)
{
    return seconds > 0 ? limit / seconds : 0;
}

static void print_row(const dho_roofline_row *row)
{
    const double limit = dho_roofline_limit(row);
    printf("%-16s %4d %-8s %9.2f", row->kind, row->nodes, passes[row->pass], 1e3 * row->seconds);
    if (row->flops > 0 && row->seconds > 0)
        printf(" %9.1f", 1e-9 * row->flops / row->seconds);
    else
        printf(" %9s", "");
    printf(" %8.1f %9.2f %5.0f %% %-7s %s\n",
           row->seconds > 0 ? 1e-9 * row->bytes / row->seconds : 0, 1e3 * limit,
           100 * share(limit, row->seconds), bound_name(binding(row)),
           row->parameter != NULL ? row->parameter : "");
}

void dho_roofline_print(const dho_roofline *roofline)
{
    for (size_t i = 0; i < roofline->count; i++) {
        if (i == 0 || i == roofline->kinds)
            printf("\n%-16s %4s %-8s %9s %9s %8s %9s %7s %-7s\n", i == 0 ? "operator" : "layer",
                   "n", "pass", "ms", "GFLOP/s", "GB/s", "limit ms", "reached", "bound by");
        print_row(&roofline->rows[i]);
    }
}

void dho_roofline_print_total(const dho_roofline *r)
{
    const double most = dho_limits_compute(&r->limits, r->dtype);
    const double rate = r->flops / r->step_seconds;
    printf("operators' limit %10.1f ms: the step reaches %.1f %% of what this processor allows\n",
           1e3 * r->limit_seconds, 100 * share(r->limit_seconds, r->step_seconds));
    printf("operations       %10.1f GFLOP, %.1f GFLOP/s, %.1f %% of the processor's %.1f in %s\n",
           1e-9 * r->flops, 1e-9 * rate, 100 * rate / most, 1e-9 * most,
           r->dtype == DHO_DTYPE_BF16 ? "bf16" : "fp32");
}

static json_t *pack_row(const dho_roofline_row *row)
{
    json_t *limits = json_object();
    for (int bound = 0; bound < DHO_BOUNDS; bound++)
        if (row->limits[bound] > 0)
            json_object_set_new(limits, bound_name(bound), json_real(row->limits[bound]));
    json_t *out =
        json_pack("{s:s, s:s, s:i, s:f, s:f, s:f, s:f, s:s, s:o}", "operator", row->kind, "pass",
                  passes[row->pass], "nodes", row->nodes, "seconds", row->seconds, "flops",
                  row->flops, "bytes", row->bytes, "limit_seconds", dho_roofline_limit(row),
                  "bound_by", bound_name(binding(row)), "limit_seconds_by", limits);
    if (row->parameter != NULL) json_object_set_new(out, "layer", json_string(row->parameter));
    return out;
}

void dho_roofline_pack(const dho_roofline *r, json_t *root)
{
    json_t *operators = json_array(), *layers = json_array();
    for (size_t i = 0; i < r->count; i++)
        json_array_append_new(i < r->kinds ? operators : layers, pack_row(&r->rows[i]));
    json_object_set_new(root, "flops", json_real(r->flops));
    json_object_set_new(root, "limit_seconds", json_real(r->limit_seconds));
    json_object_set_new(root, "compute_limit_per_second",
                        json_real(dho_limits_compute(&r->limits, r->dtype)));
    json_object_set_new(root, "operators", operators);
    if (r->count > r->kinds)
        json_object_set_new(root, "layers", layers);
    else
        json_decref(layers);
    json_object_set_new(root, "limits", dho_limits_pack(&r->limits));
}
