/* What this processor can do at most: the limits that a kernel's speed is held against. The one
 * place that measures them. Private to tools/bench. */
#ifndef DHO_BENCH_LIMITS_H
#define DHO_BENCH_LIMITS_H

#include "base/json.h"
#include "bench/machine_loops.h"
#include "dho/config.h"

/* Levels of memory, by distance. */
typedef enum dho_level { DHO_LEVEL_L2, DHO_LEVEL_L3, DHO_LEVEL_MEMORY, DHO_LEVELS } dho_level;

typedef struct dho_bandwidth {
    double bytes;       /* of the level, for all threads together; 0: there is none */
    double working_set; /* of one thread, that was measured with */
    double read, triad; /* bytes a second, of all threads; triad: 2 read + 1 written, as STREAM */
} dho_bandwidth;

typedef struct dho_limits {
    int threads;
    char features[512], caches[128];    /* for people: of the processor, of a CPU */
    const char *with[DHO_ARITHMETICS];  /* the instruction set; NULL: the processor has none */
    double operations[DHO_ARITHMETICS]; /* a second, of all threads; 0: none */
    dho_bandwidth levels[DHO_LEVELS];
} dho_limits;

/* Measures with `threads` threads at a time, about `seconds` in all (and the touching of memory
 * before). Local. Errors: DHO_ERR_MEMORY. */
dho_status dho_limits_measure(dho_limits *out, int threads, double seconds);

/* Multiplications and additions a second that a kernel of this dtype can reach: bf16 with the best
 * instructions for it, or else fp32's. */
double dho_limits_compute(const dho_limits *limits, dho_compute_dtype dtype);
/* Bytes a second of data that is `bytes` in all; *out_level: the nearest level that holds it. */
double dho_limits_bandwidth(const dho_limits *limits, double bytes, dho_level *out_level);
const char *dho_level_name(dho_level level); /* "L2", "L3", "memory" */

void dho_limits_print(const dho_limits *limits);
/* NULL: no memory. */
json_t *dho_limits_pack(const dho_limits *limits);

#endif
