/* OpenMP's threads: as many as the environment asks for, or a share of the CPUs, and never fewer
 * than that are then started. */
#include "cli/cli.h"
#include "dho/log.h"

#include <limits.h>
#include <omp.h>
#include <stdlib.h>

static const char VARIABLE[] = "OMP_NUM_THREADS";

/* Its first number, of a list for nested regions; 0: not set. */
static int read_environment(bool *out_valid)
{
    const char *text = getenv(VARIABLE);
    char *end;
    *out_valid = true;
    if (text == NULL || text[0] == '\0') return 0;
    const long value = strtol(text, &end, 10);
    while (*end == ' ') end++;
    *out_valid = end != text && (*end == '\0' || *end == ',') && value > 0;
    return !*out_valid ? 0 : value > INT_MAX ? INT_MAX : (int)value;
}

dho_status dho_cli_start_threads(dho_comm *comm)
{
    bool valid;
    const int asked = read_environment(&valid), rank = dho_comm_rank(comm);
    /* OMP_DYNAMIC, OMP_MAX_ACTIVE_LEVELS and OMP_THREAD_LIMIT would start fewer threads than the
     * work is divided among: the others would wait for them for ever. */
    omp_set_dynamic(0);
    if (omp_get_max_active_levels() < 1) omp_set_max_active_levels(1);
    int threads;
    dho_status status = dho_comm_plan_threads(comm, asked, VARIABLE, false, &threads);
    if (status == DHO_ERR_CONFIG) {
        DHO_TRY(dho_comm_plan_threads(comm, 0, VARIABLE, false, &threads));
        if (rank == 0) dho_warn("%s; %d used", dho_error_message(), threads);
    } else if (status != DHO_OK) {
        return status;
    }
    if (threads > omp_get_thread_limit()) {
        threads = omp_get_thread_limit();
        if (rank == 0)
            dho_warn("OMP_THREAD_LIMIT: %d thread%s used", threads, threads == 1 ? " is" : "s are");
    }
    if (!valid && rank == 0)
        dho_warn("%s=\"%.40s\" is not a number of threads from 1; %d used", VARIABLE,
                 getenv(VARIABLE), threads);
    omp_set_num_threads(threads);
    return DHO_OK;
}

dho_status dho_cli_check_threads(const dho_config *config, dho_comm *comm)
{
    const int compute = (int)config->compute.threads, loader = (int)config->data.loader_threads;
    int threads;
    if (compute > omp_get_thread_limit())
        return dho_fail(DHO_ERR_CONFIG, "compute.threads: %d, but OMP_THREAD_LIMIT is %d", compute,
                        omp_get_thread_limit());
    DHO_TRY(dho_comm_plan_threads(comm, loader, "data.loader_threads", false, &threads));
    return dho_comm_plan_threads(comm, compute > 0 ? compute : omp_get_max_threads(),
                                 compute > 0 ? "compute.threads" : VARIABLE, true, &threads);
}
