/* A step against the processor's limits: what each operator reached, which limit binds it, how far
 * it is from there (Williams, Waterman & Patterson 2009, "Roofline", doi:10.1145/1498765.1498785,
 * with a roof for each level of memory). Private to tools/bench. */
#ifndef DHO_BENCH_ROOFLINE_H
#define DHO_BENCH_ROOFLINE_H

#include "bench/limits.h"
#include "dho/graph.h"

typedef struct dho_roofline_options {
    const dho_executor *executor; /* borrowed; its profile is of `steps` steps */
    dho_compute_dtype dtype;
    int threads, steps;
    double passes_scale; /* operations and bytes of a step over those of its last pass */
    double step_seconds;
    double update_seconds, update_floats; /* of AdamW, a step */
    bool each;                            /* also each node */
} dho_roofline_options;

/* Who binds: arithmetic, or a level of memory. */
enum { DHO_BOUND_COMPUTE = DHO_LEVELS, DHO_BOUNDS };

/* One operator, or one node, in one pass of a step. */
typedef struct dho_roofline_row {
    const char *kind, *parameter; /* borrowed; parameter NULL: all of a kind */
    int nodes, pass;              /* pass: 0 forward, 1 backward, 2 update */
    double seconds, flops, bytes; /* of a step */
    double limits[DHO_BOUNDS]; /* seconds that its nodes take at their limit, by who binds them */
} dho_roofline_row;

typedef struct dho_roofline {
    dho_limits limits;
    dho_compute_dtype dtype;
    double step_seconds, flops, limit_seconds; /* of the whole step */
    dho_roofline_row *rows;                    /* owned: operators, then nodes */
    size_t kinds, count;
} dho_roofline;

/* Measures the limits, and holds the profile against them. Errors: DHO_ERR_MEMORY. */
dho_status dho_roofline_create(dho_roofline *out, const dho_roofline_options *options);
void dho_roofline_free(dho_roofline *roofline);

/* Seconds that a row takes at its limits. */
double dho_roofline_limit(const dho_roofline_row *row);

void dho_roofline_print(const dho_roofline *roofline);
/* The lines about the whole step. */
void dho_roofline_print_total(const dho_roofline *roofline);
/* Adds keys to an object. */
void dho_roofline_pack(const dho_roofline *roofline, json_t *root);

#endif
