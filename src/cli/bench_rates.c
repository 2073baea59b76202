/* dho bench rates */
#include "cli/plan_options.h"
#include "plan/plan.h"

typedef struct rates_arguments {
    dho_config_arguments from;
    dho_plan_options plan;
} rates_arguments;

#define AT(member) offsetof(rates_arguments, member)

static const dho_option options[] = {
    DHO_OPTIONS_CONFIG(AT(from), "", ""),
    DHO_OPTIONS_PLAN(plan),
};

static dho_status rates(void *given, dho_comm *comm)
{
    rates_arguments *arguments = given;
    dho_config config;
    DHO_TRY(dho_cli_load_config(&arguments->from, comm, &config));
    const bool first = dho_comm_rank(comm) == 0;
    const dho_status status =
        dho_comm_agree(comm, first ? dho_plan_print_rates(&config, &arguments->plan) : DHO_OK);
    dho_config_free(&config);
    return status;
}

const dho_command dho_command_bench_rates = {
    .name = "bench rates",
    .line = "this machine's speeds for a configuration, which dho plan --rates reads",
    DHO_OPTIONS(options),
    .size = sizeof(rates_arguments),
    .run = rates,
};
