#include "bench/bench.h"
#include "bench/limits.h"

#include <omp.h>
#include <stdio.h>

dho_status dho_bench_machine(const dho_bench_machine_options *options)
{
    dho_limits limits;
    const int threads = options->threads > 0 ? options->threads : omp_get_max_threads();
    DHO_TRY(dho_limits_measure(&limits, threads, options->seconds));
    if (options->json) return dho_bench_print_json(dho_limits_pack(&limits));
    dho_limits_print(&limits);
    return DHO_OK;
}

dho_status dho_bench_print_json(json_t *value)
{
    if (value == NULL) return dho_fail(DHO_ERR_MEMORY, "a benchmark's JSON: no memory");
    const int failed = json_dumpf(value, stdout, JSON_INDENT(2));
    json_decref(value);
    if (failed != 0) return dho_fail(DHO_ERR_IO, "standard output: cannot be written");
    putchar('\n');
    return DHO_OK;
}
