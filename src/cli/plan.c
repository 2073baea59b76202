/* dho plan */
#include "plan/plan.h"
#include "cli/plan_options.h"

typedef struct plan_arguments {
    dho_config_arguments from;
    dho_plan_options plan;
} plan_arguments;

#define AT(member) offsetof(plan_arguments, member)

static const dho_option options[] = {
    DHO_OPTIONS_CONFIG(AT(from), "", ""),
    DHO_OPTION("--nodes", "N,N...", AT(plan.nodes),
               "the numbers of nodes; efficiency is against the first",
               .fallback = "1,2,4,8,16,32,64,128,256,512"),
    DHO_OPTION("--ranks-per-node", "R", AT(plan.ranks_per_node), "ranks of a node", DHO_OPTION_INT,
               1, 1024, "1"),
    DHO_OPTION("--threads", "T", AT(plan.threads), "threads of a rank; 0: the node's cores / R",
               DHO_OPTION_INT, 0, 1024, "0"),
    DHO_OPTION("--cores", "C", AT(plan.cores),
               "cores of a node; 0: as many as those of the machine that was measured",
               DHO_OPTION_INT, 0, 8192, "0"),
    DHO_OPTION("--latency", "US", AT(plan.latency), "of the network, in microseconds",
               DHO_OPTION_NUMBER, 0, 10000000, "2"),
    DHO_OPTION("--bandwidth", "GB/S", AT(plan.bandwidth),
               "of a node's network, each way, in 10^9 bytes a second", DHO_OPTION_NUMBER, 0,
               1000000, "12.5"),
    DHO_OPTION("--efficiency", "PERCENT", AT(plan.efficiency),
               "more nodes pay as long as the efficiency is not below", DHO_OPTION_NUMBER, 0, 100,
               "50"),
    DHO_OPTION("--rates", "FILE", AT(plan.rates),
               "speeds that dho bench rates --json has measured, instead of measuring here"),
    DHO_OPTIONS_PLAN(plan),
};

static dho_status plan(void *given, dho_comm *comm)
{
    plan_arguments *arguments = given;
    dho_config config;
    if (!(arguments->plan.bandwidth > 0))
        return dho_fail(DHO_ERR_CONFIG, "--bandwidth: expected a number above 0");
    DHO_TRY(dho_cli_load_config(&arguments->from, comm, &config));
    const bool first = dho_comm_rank(comm) == 0;
    const dho_status status =
        dho_comm_agree(comm, first ? dho_plan(&config, &arguments->plan) : DHO_OK);
    dho_config_free(&config);
    return status;
}

const dho_command dho_command_plan = {
    .name = "plan",
    .line = "what a run takes on a number of nodes: time, memory, network, images a second "
            "(docs/scale.md)",
    .help = "Computes a few microbatches on this machine and writes nothing that stays. The images "
            "and the teacher's cache need not be here.",
    DHO_OPTIONS(options),
    .size = sizeof(plan_arguments),
    .run = plan,
};
