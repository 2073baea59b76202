/* dho bench tune */
#include "bench/bench.h"
#include "cli/cli.h"

#include <stdio.h>

typedef struct tune_arguments {
    dho_config_arguments from;
    const char *model, *dtype;
    dho_bench_tune_options tune;
} tune_arguments;

#define AT(member) offsetof(tune_arguments, member)

static const dho_option options[] = {
    DHO_OPTIONS_CONFIG(AT(from), "[", "]"),
    DHO_OPTION("--model", "M", AT(model), "student.model"),
    DHO_OPTION("--dtype", "fp32|bf16", AT(dtype), "compute.dtype"),
    DHO_OPTION("--out", "FILE", AT(tune.out), "the table, for compute.tuning", .required = true),
    DHO_OPTION("--threads", "N", AT(tune.threads),
               "of a kernel; 0: compute.microbatch_threads, or one", DHO_OPTION_INT, 0, 1024, "0"),
    DHO_OPTION("--seconds", "S", AT(tune.seconds), "of each kernel of each shape",
               DHO_OPTION_NUMBER, 0, 60, "0.2"),
    DHO_OPTION_SET(AT(from)),
};

/* An option that is short for --set KEY=VALUE. */
static dho_status set(tune_arguments *arguments, const char *key, const char *value, char *room,
                      size_t bytes)
{
    if (value == NULL) return DHO_OK;
    if (arguments->from.override_count >= DHO_CLI_MAX_OVERRIDES)
        return dho_fail(DHO_ERR_CONFIG, "--set: more than %d", DHO_CLI_MAX_OVERRIDES);
    snprintf(room, bytes, "%s=%s", key, value);
    arguments->from.overrides[arguments->from.override_count++] = room;
    return DHO_OK;
}

static dho_status tune(void *given, dho_comm *comm)
{
    tune_arguments *arguments = given;
    dho_config config;
    char model[128], dtype[128];
    DHO_TRY(set(arguments, "student.model", arguments->model, model, sizeof model));
    DHO_TRY(set(arguments, "compute.dtype", arguments->dtype, dtype, sizeof dtype));
    DHO_TRY(dho_cli_load_config_or_defaults(&arguments->from, comm, &config));
    const bool first = dho_comm_rank(comm) == 0;
    const dho_status status =
        dho_comm_agree(comm, first ? dho_bench_tune(&config, &arguments->tune) : DHO_OK);
    dho_config_free(&config);
    return status;
}

const dho_command dho_command_bench_tune = {
    .name = "bench tune",
    .line = "the fastest kernel for each shape of a step, as a table (docs/tuning.md)",
    DHO_OPTIONS(options),
    .size = sizeof(tune_arguments),
    .run = tune,
};
