#include "bench/limits.h"

#include <stdio.h>

/* In files, and for people. */
static const char *const kinds[DHO_ARITHMETICS][2] = {
    [DHO_ARITHMETIC_FP32] = {"fp32", "fp32 multiply-add"},
    [DHO_ARITHMETIC_BF16] = {"bf16", "bf16 dot product"},
    [DHO_ARITHMETIC_INT8] = {"int8", "int8 dot product"},
    [DHO_ARITHMETIC_AMX_BF16] = {"amx_bf16", "bf16 tiles"},
    [DHO_ARITHMETIC_AMX_INT8] = {"amx_int8", "int8 tiles"}};

const char *dho_level_name(dho_level level)
{
    static const char *const names[DHO_LEVELS] = {"L2", "L3", "memory"};
    return names[level];
}

void dho_limits_print(const dho_limits *limits)
{
    printf("processor        %s\n", limits->features);
    printf("caches of a CPU  %s\n", limits->caches);
    printf("threads          %d\n\n", limits->threads);
    printf("%-18s %-12s %12s %12s\n", "arithmetic", "with", "Gop/s", "a thread");
    for (int i = 0; i < DHO_ARITHMETICS; i++) {
        const double rate = 1e-9 * limits->operations[i];
        if (limits->with[i] != NULL)
            printf("%-18s %-12s %12.1f %12.1f\n", kinds[i][1], limits->with[i], rate,
                   rate / limits->threads);
        else
            printf("%-18s %-12s %12s %12s\n", kinds[i][1], "-", "-", "-");
    }
    printf("\n%-10s %18s %12s %12s\n", "memory", "MiB a thread", "read GB/s", "triad GB/s");
    for (int i = 0; i < DHO_LEVELS; i++) {
        const dho_bandwidth *b = &limits->levels[i];
        if (b->read > 0)
            printf("%-10s %18.2f %12.1f %12.1f\n", dho_level_name((dho_level)i),
                   b->working_set / 0x1p20, 1e-9 * b->read, 1e-9 * b->triad);
    }
}

json_t *dho_limits_pack(const dho_limits *limits)
{
    json_t *arithmetic = json_object(), *memory = json_object();
    for (int i = 0; i < DHO_ARITHMETICS; i++)
        if (limits->with[i] != NULL)
            json_object_set_new(arithmetic, kinds[i][0],
                                json_pack("{s:s, s:f}", "with", limits->with[i],
                                          "operations_per_second", limits->operations[i]));
    for (int i = 0; i < DHO_LEVELS; i++) {
        const dho_bandwidth *b = &limits->levels[i];
        if (b->read > 0)
            json_object_set_new(memory, dho_level_name((dho_level)i),
                                json_pack("{s:f, s:f, s:f, s:f}", "bytes", b->bytes,
                                          "working_set_of_a_thread", b->working_set,
                                          "read_bytes_per_second", b->read,
                                          "triad_bytes_per_second", b->triad));
    }
    return json_pack("{s:s, s:s, s:i, s:o, s:o}", "processor", limits->features, "caches",
                     limits->caches, "threads", limits->threads, "arithmetic", arithmetic, "memory",
                     memory);
}
