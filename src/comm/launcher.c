/* What the environment says about who started this process. */
#include "comm/comm_private.h"

#include <stdlib.h>

/* Set by Open MPI's own mpirun, which may itself run in a step of SLURM. */
#define OPEN_MPI_SIZE "OMPI_COMM_WORLD_SIZE"

/* Each launcher of MPI programs sets one of these: Open MPI's mpirun; srun --mpi=pmix and prun;
 * MPICH's and Intel's mpiexec and srun --mpi=pmi2; MVAPICH; Cray's PALS and ALPS; flux; jsrun. */
static const char *const marks[] = {
    OPEN_MPI_SIZE,          "PMIX_RANK",   "PMI_RANK",       "PMI_SIZE",          "MV2_COMM_WORLD_RANK",
    "PALS_RANKID",          "ALPS_APP_PE", "FLUX_TASK_RANK", "JSM_NAMESPACE_RANK"};

/* How many processes were started. torchrun's WORLD_SIZE counts only with its RANK. */
static const struct {
    const char *size, *needs;
} counts[] = {{OPEN_MPI_SIZE, NULL},         {"SLURM_STEP_NUM_TASKS", NULL},
              {"PMI_SIZE", NULL},            {"MV2_COMM_WORLD_SIZE", NULL},
              {"FLUX_JOB_SIZE", NULL},       {"JSM_NAMESPACE_SIZE", NULL},
              {"WORLD_SIZE", "RANK"}};

enum { MARKS = sizeof marks / sizeof *marks, COUNTS = sizeof counts / sizeof *counts };

/* The name of a variable that counts several processes; NULL: there is none. */
static const char *find_count(void)
{
    for (size_t i = 0; i < COUNTS; i++) {
        const char *count = getenv(counts[i].size);
        const bool valid = counts[i].needs == NULL || getenv(counts[i].needs) != NULL;
        if (count != NULL && valid && strtol(count, NULL, 10) > 1) return counts[i].size;
    }
    return NULL;
}

static bool is_launched(void)
{
    for (size_t i = 0; i < MARKS; i++)
        if (getenv(marks[i]) != NULL) return true;
    return find_count() != NULL;
}

dho_status comm_check_launcher(int size)
{
    const char *open_mpi = getenv(OPEN_MPI_SIZE);
    if (size > 1 || (open_mpi != NULL && strtol(open_mpi, NULL, 10) <= 1)) return DHO_OK;
    const char *count = find_count();
    if (count != NULL)
        return dho_fail(DHO_ERR_CONFIG,
                        "%s processes were started (%s), but MPI knows of this one alone: start "
                        "them by launch/srun.sh, or by the mpirun of the Open MPI that dho is linked to",
                        getenv(count), count);
    return DHO_OK;
}

dho_status dho_comm_create_world(dho_comm **out, int *argc, char ***argv)
{
    return is_launched() ? dho_comm_create_mpi(out, argc, argv) : dho_comm_create_serial(out);
}
