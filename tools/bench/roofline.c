#include "bench/roofline.h"

#include "base/compare.h"
#include "dho/alloc.h"

enum { FORWARD, BACKWARD, UPDATE };
static const double LIMITS_SECONDS = 2;

double dho_roofline_limit(const dho_roofline_row *row)
{
    double sum = 0;
    for (int bound = 0; bound < DHO_BOUNDS; bound++) sum += row->limits[bound];
    return sum;
}

/* The longest of what its operations and its bytes take. `bytes` of one pass say which level holds
 * them; `scale` passes are a step. */
static void add_limit(const dho_roofline *r, double flops, double bytes, double scale,
                      dho_roofline_row *row)
{
    dho_level level;
    const double compute = flops / dho_limits_compute(&r->limits, r->dtype);
    const double memory = bytes / dho_limits_bandwidth(&r->limits, bytes, &level);
    const int bound = compute > memory ? DHO_BOUND_COMPUTE : (int)level;
    row->limits[bound] += scale * (compute > memory ? compute : memory);
    row->flops += scale * flops;
    row->bytes += scale * bytes;
}

static dho_roofline_row *row_of(dho_roofline *r, const dho_node_profile *node, int pass)
{
    for (size_t i = 0; i < r->kinds; i++)
        if (r->rows[i].kind == node->kind && r->rows[i].pass == pass) return &r->rows[i];
    r->rows[r->kinds] = (dho_roofline_row){.kind = node->kind, .pass = pass};
    return &r->rows[r->kinds++];
}

static void add_node(dho_roofline *r, const dho_roofline_options *o, const dho_node_profile *node,
                     dho_roofline_row *row, int pass)
{
    row->nodes++;
    row->seconds += node->seconds[pass] / o->steps;
    add_limit(r, node->flops[pass], node->bytes[pass], o->passes_scale, row);
}

/* Gradient, weights and moments read, the last three written. */
static void add_update(dho_roofline *r, const dho_roofline_options *o)
{
    dho_roofline_row *row = &r->rows[r->kinds++];
    *row = (dho_roofline_row){
        .kind = "AdamW", .nodes = 1, .pass = UPDATE, .seconds = o->update_seconds};
    add_limit(r, 0, 7 * sizeof(float) * o->update_floats, 1, row);
}

static bool is_work(const dho_node_profile *node, int pass)
{
    return node->bytes[pass] > 0;
}

static void add_kinds(dho_roofline *r, const dho_roofline_options *o, size_t nodes)
{
    for (int pass = FORWARD; pass <= BACKWARD; pass++)
        for (size_t i = 0; i < nodes; i++) {
            const dho_node_profile node = dho_executor_profile(o->executor, i);
            if (is_work(&node, pass)) add_node(r, o, &node, row_of(r, &node, pass), pass);
        }
    add_update(r, o);
}

static void add_each(dho_roofline *r, const dho_roofline_options *o, size_t nodes)
{
    for (int pass = FORWARD; pass <= BACKWARD; pass++)
        for (size_t i = 0; i < nodes; i++) {
            const dho_node_profile node = dho_executor_profile(o->executor, i);
            if (!is_work(&node, pass)) continue;
            dho_roofline_row *row = &r->rows[r->count++];
            *row = (dho_roofline_row){.kind = node.kind, .parameter = node.parameter, .pass = pass};
            add_node(r, o, &node, row, pass);
        }
}

dho_status dho_roofline_create(dho_roofline *out, const dho_roofline_options *options)
{
    const size_t nodes = dho_executor_node_count(options->executor);
    *out = (dho_roofline){.dtype = options->dtype, .step_seconds = options->step_seconds};
    DHO_TRY(dho_limits_measure(&out->limits, options->threads, LIMITS_SECONDS));
    DHO_TRY(dho_alloc_zero(&out->rows, 4 * nodes + 1, sizeof *out->rows, "roofline"));
    add_kinds(out, options, nodes);
    for (size_t i = 0; i < out->kinds; i++) {
        out->flops += out->rows[i].flops;
        out->limit_seconds += dho_roofline_limit(&out->rows[i]);
    }
    out->count = out->kinds;
    if (options->each) add_each(out, options, nodes);
    return DHO_OK;
}

void dho_roofline_free(dho_roofline *roofline)
{
    dho_free(roofline->rows);
    *roofline = (dho_roofline){0};
}
