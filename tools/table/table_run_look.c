/* One run of a table: is it there, done, and of the configuration that is asked for? */
#include "dho/alloc.h"
#include "dho/checkpoint.h"
#include "dho/distill.h"
#include "dho/file.h"
#include "table/table_run_config.h"
#include "table/table_runs.h"

#include <math.h>
#include <string.h>

const char *const dho_run_state_names[DHO_RUN_OTHER + 1] = {"unwanted", "done", "missing",
                                                            "unfinished", "other configuration"};

/* --- how far it was trained ---------------------------------------------------------------------
 */

/* The newest checkpoint (there is none where they were removed to save space; one that is damaged
 * is not the evaluation's fault) has all its steps, and it, or the best, is the one that was
 * evaluated. */
static dho_status check_steps(const dho_evaluation *evaluation, const char *folder, bool best)
{
    int64_t step, total;
    const dho_status status = dho_checkpoint_find_steps(folder, &step, &total);
    if (status == DHO_ERR_MEMORY) return status;
    if (status != DHO_OK) return DHO_OK;
    if (step < total)
        return dho_fail(DHO_ERR_CONFIG, "%s: trained to step %lld of %lld", folder, (long long)step,
                        (long long)total);
    if (best) step = dho_checkpoint_best_step(folder);
    if (best && evaluation->step != step)
        return dho_fail(DHO_ERR_CONFIG,
                        "%s: evaluated at step %lld, its best checkpoint is of step %lld", folder,
                        (long long)evaluation->step, (long long)step);
    if (evaluation->step < step)
        return dho_fail(DHO_ERR_CONFIG, "%s: evaluated at step %lld, trained to step %lld", folder,
                        (long long)evaluation->step, (long long)step);
    return DHO_OK;
}

/* --- eval.json ----------------------------------------------------------------------------------
 */

static bool has_set(const dho_config *config, const char *name)
{
    for (size_t i = 0; i < config->eval.set_count; i++)
        if (strcmp(config->eval.sets[i].name, name) == 0) return true;
    return false;
}

/* alpha and beta of an evaluation from before it kept its configuration. */
static dho_status check_choice(const dho_evaluation *evaluation, const char *folder,
                               const dho_config *wanted)
{
    const char *method = evaluation->method, *chosen = evaluation->chosen_on;
    if (method == NULL || strcmp(method, dho_method_name(wanted->method)) != 0)
        return dho_fail(DHO_ERR_CONFIG, "%s/eval.json: is of method %.40s, the table asks for %s",
                        folder, method != NULL ? method : "?", dho_method_name(wanted->method));
    if (!dho_method_combines(wanted->method)) return DHO_OK;
    if (chosen == NULL || strcmp(chosen, wanted->eval.select_on) != 0)
        return dho_fail(DHO_ERR_CONFIG,
                        "%s/eval.json: alpha and beta were chosen on \"%.40s\", the table asks for "
                        "\"%s\"",
                        folder, chosen != NULL ? chosen : "?", wanted->eval.select_on);
    if (chosen[0] == '\0' && (fabs(evaluation->alpha - wanted->eval.alpha) > 1e-6 ||
                              fabs(evaluation->beta - wanted->eval.beta) > 1e-6))
        return dho_fail(DHO_ERR_CONFIG,
                        "%s/eval.json: has alpha %g, beta %g, the table asks for alpha %g, beta %g",
                        folder, evaluation->alpha, evaluation->beta, wanted->eval.alpha,
                        wanted->eval.beta);
    return DHO_OK;
}

/* Without a choice the combined prediction is the one at the configuration's alpha and beta. */
static bool is_fixed(const dho_evaluation *evaluation)
{
    return !evaluation->dual || (evaluation->chosen_on != NULL && evaluation->chosen_on[0] == '\0');
}

static dho_status take_results(const dho_evaluation *evaluation, const dho_table_spec *spec,
                               const dho_config *wanted, dho_table_run *run)
{
    const char *lacking = NULL;
    for (size_t t = 0; t < spec->test_count; t++) {
        const dho_evaluated_set *set = dho_evaluation_find(evaluation, spec->tests[t].set);
        dho_run_result *result = &run->results[t];
        if (set == NULL && has_set(wanted, spec->tests[t].set)) lacking = spec->tests[t].set;
        if (set == NULL) continue;
        *result =
            (dho_run_result){.found = true, .chosen_here = set->chosen_here, .images = set->images};
        for (int k = 0; k < DHO_SCORE_KINDS; k++)
            result->top1[k] = set->scores[k].present ? set->scores[k].top1 : NAN;
        if (is_fixed(evaluation)) result->top1[DHO_SCORE_FIXED] = result->top1[DHO_SCORE_COMBINED];
    }
    if (lacking == NULL) return DHO_OK;
    return dho_fail(DHO_ERR_CONFIG, "%s/eval.json: was not evaluated on %s", run->folder, lacking);
}

/* --- all of it ----------------------------------------------------------------------------------
 */

/* Keeps the failure's message as the run's state; a full memory is everybody's. */
static dho_status note(dho_table_run *run, dho_run_state state, dho_status status)
{
    if (status == DHO_OK || status == DHO_ERR_MEMORY) return status;
    run->state = state;
    return dho_strdup(&run->why, dho_error_message());
}

static dho_status look_at_evaluation(dho_table_run *run, const dho_table_spec *spec,
                                     const dho_config *wanted)
{
    dho_evaluation evaluation;
    dho_status status = dho_evaluation_load(&evaluation, run->folder);
    if (status == DHO_OK) status = check_choice(&evaluation, run->folder, wanted);
    if (status == DHO_OK) status = dho_table_check_evaluation(run->folder, wanted);
    if (status == DHO_OK) status = check_steps(&evaluation, run->folder, spec->best);
    if (status == DHO_OK) status = take_results(&evaluation, spec, wanted, run);
    dho_evaluation_free(&evaluation);
    return note(run, DHO_RUN_UNFINISHED, status);
}

dho_status dho_table_run_look(dho_table_run *run, const dho_table_spec *spec,
                              const dho_config *wanted)
{
    char *config = NULL, *eval = NULL;
    dho_status status;
    run->state = DHO_RUN_DONE;
    DHO_TRY_GOTO(dho_path_join(&config, run->folder, "config.yaml"));
    DHO_TRY_GOTO(dho_path_join(&eval, run->folder, "eval.json"));
    if (dho_path_exists(config)) {
        DHO_TRY_GOTO(note(run, DHO_RUN_OTHER, dho_table_check_training(run->folder, wanted)));
    } else if (dho_path_exists(eval)) {
        dho_fail(DHO_ERR_CONFIG, "%s: is not there: nothing says how the run was made", config);
        DHO_TRY_GOTO(note(run, DHO_RUN_OTHER, DHO_ERR_CONFIG));
    } else {
        run->state = DHO_RUN_MISSING;
    }
    if (run->state == DHO_RUN_DONE) DHO_TRY_GOTO(look_at_evaluation(run, spec, wanted));
fail:
    dho_free(config);
    dho_free(eval);
    return status;
}
