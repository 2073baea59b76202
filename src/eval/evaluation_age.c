/* Is a run's evaluation of its newest checkpoint, and what renews it? */
#include "dho/evaluation.h"

#include "base/shell_word.h"
#include "dho/alloc.h"
#include "dho/checkpoint.h"
#include "dho/config.h"
#include "dho/file.h"

/* A configuration of the run. *found: it is there and can be read; dho_config_free is due then. */
static dho_status load_config(const char *run_folder, const char *name, dho_config *out,
                              bool *found)
{
    char *path;
    *found = false;
    DHO_TRY(dho_path_join(&path, run_folder, name));
    dho_status status = DHO_OK;
    if (dho_path_exists(path)) {
        status = dho_config_load(out, path, NULL, 0);
        *found = status == DHO_OK;
    }
    dho_free(path);
    return status == DHO_ERR_MEMORY ? status : DHO_OK;
}

/* Would the run's configuration evaluate as its last evaluation did? It would where that is not
 * known. */
static dho_status compare_settings(const char *run_folder, bool *same)
{
    dho_config configs[2];
    bool found[2] = {false, false};
    dho_config_differences differences;
    *same = false;
    dho_status status = load_config(run_folder, "config.yaml", &configs[0], &found[0]);
    if (status == DHO_OK)
        status = load_config(run_folder, "eval/config.yaml", &configs[1], &found[1]);
    if (status == DHO_OK && !found[1]) *same = true;
    if (status == DHO_OK && found[0] && found[1]) {
        const dho_config *const both[] = {&configs[0], &configs[1]};
        status = dho_config_diff(&differences, both, 2, DHO_DECIDES_EVALUATION);
        if (status == DHO_OK) *same = differences.count == 0;
        if (status == DHO_OK) dho_config_differences_free(&differences);
    }
    for (int i = 0; i < 2; i++)
        if (found[i]) dho_config_free(&configs[i]);
    return status;
}

dho_status dho_evaluation_command(const char *run_folder, char **out)
{
    char *folder;
    bool same;
    *out = NULL;
    DHO_TRY(compare_settings(run_folder, &same));
    DHO_TRY(dho_shell_word(run_folder, &folder));
    const dho_status status =
        same ? dho_asprintf(out, "dho eval %s", folder)
             : dho_asprintf(out, "dho eval -c %s/eval/config.yaml --out %s", folder, folder);
    dho_free(folder);
    return status;
}

dho_status dho_evaluation_age(const dho_evaluation *evaluation, const char *run_folder, char **out)
{
    int64_t newest, total;
    char *command;
    *out = NULL;
    dho_status status = dho_checkpoint_find_steps(run_folder, &newest, &total);
    if (status == DHO_ERR_MEMORY) return status;
    if (status != DHO_OK || newest < 0 || newest == evaluation->step) return DHO_OK;
    if (evaluation->step <= 0) return DHO_OK; /* an eval.json that does not say */
    if (evaluation->step == dho_checkpoint_best_step(run_folder)) return DHO_OK;
    DHO_TRY(dho_evaluation_command(run_folder, &command));
    status = dho_asprintf(out,
                          "evaluated at step %lld, its newest checkpoint is of step %lld: "
                          "%s renews it",
                          (long long)evaluation->step, (long long)newest, command);
    dho_free(command);
    return status;
}
