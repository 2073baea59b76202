/* One run of a table: is it there, done, and of the configuration that is asked for? */
#include "base/json.h"
#include "dho/alloc.h"
#include "dho/distill.h"
#include "dho/file.h"
#include "eval/table_runs.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_EVAL_BYTES ((size_t)64 << 20)

const char *const dho_run_state_names[DHO_RUN_OTHER + 1] = {"unwanted", "done", "missing",
                                                            "unfinished", "other configuration"};

/* --- configurations -----------------------------------------------------------------------------
 */

/* What does not decide the numbers of a run: where it lies, what it logs, the hardware. */
static void blank_training(dho_config *config)
{
    static char none[] = "";
    config->out = none;
    config->data.loader_threads = config->data.prefetch = 0;
    config->train.checkpoint_every = config->train.checkpoint_keep = 0;
    config->train.log_every = config->train.conflict_every = 0;
    config->compute.backend = DHO_BACKEND_AUTO;
    config->compute.recompute = DHO_RECOMPUTE_NONE;
    config->compute.threads = 0;
}

/* The first line in which two formatted configurations differ, with its section. */
static bool find_difference(const char *found, const char *wanted, char *out, size_t bytes)
{
    char section[32] = "";
    while (*found != '\0' || *wanted != '\0') {
        const int a = (int)strcspn(found, "\n"), b = (int)strcspn(wanted, "\n");
        if (a != b || memcmp(found, wanted, (size_t)a) != 0) {
            const int skip_a = (int)strspn(found, " -"), skip_b = (int)strspn(wanted, " -");
            snprintf(out, bytes, "has \"%s%.*s\", the table asks for \"%s%.*s\"", section,
                     a > skip_a ? a - skip_a : 0, found + skip_a, section,
                     b > skip_b ? b - skip_b : 0, wanted + skip_b);
            return true;
        }
        if (a > 1 && found[0] != ' ') {
            section[0] = '\0';
            if (found[a - 1] == ':') snprintf(section, sizeof section, "%.*s.", a - 1, found);
        }
        found += a + (found[a] != '\0');
        wanted += b + (wanted[b] != '\0');
    }
    return false;
}

/* DHO_ERR_CONFIG "path: has ..., the table asks for ..." when they differ. */
static dho_status compare(const char *path, const dho_config *found, const dho_config *wanted)
{
    char *texts[2] = {NULL, NULL}, what[512];
    dho_status status;
    DHO_TRY_GOTO(dho_config_format(found, false, &texts[0]));
    DHO_TRY_GOTO(dho_config_format(wanted, false, &texts[1]));
    if (find_difference(texts[0], texts[1], what, sizeof what))
        status = dho_fail(DHO_ERR_CONFIG, "%s: %s", path, what);
fail:
    dho_free(texts[0]);
    dho_free(texts[1]);
    return status;
}

/* The configuration a run was trained with. */
static dho_status check_training(const char *path, const dho_config *wanted)
{
    dho_config loaded;
    DHO_TRY(dho_config_load(&loaded, path, NULL, 0));
    dho_config found = loaded, asked = *wanted;
    blank_training(&found);
    blank_training(&asked);
    found.eval = asked.eval;
    const dho_status status = compare(path, &found, &asked);
    dho_config_free(&loaded);
    return status;
}

/* The one it was evaluated with. */
static dho_status check_evaluation(const char *path, const dho_config *wanted)
{
    dho_config loaded;
    DHO_TRY(dho_config_load(&loaded, path, NULL, 0));
    dho_config found = *wanted;
    found.eval = loaded.eval;
    found.eval.batch = wanted->eval.batch;
    const dho_status status = compare(path, &found, wanted);
    dho_config_free(&loaded);
    return status;
}

/* --- how far it was trained ---------------------------------------------------------------------
 */

/* The newest of RUN/checkpoints: the steps that it has and that were planned; -1 where there is
 * none (checkpoints may be removed to save space). */
static dho_status find_steps(const char *folder, int64_t *step, int64_t *total)
{
    char *checkpoints = NULL, *path = NULL;
    dho_name_list names = {0};
    json_t *state = NULL;
    long long newest = -1;
    dho_status status;
    *step = *total = -1;
    DHO_TRY_GOTO(dho_path_join(&checkpoints, folder, "checkpoints"));
    if (!dho_path_is_folder(checkpoints)) goto fail;
    DHO_TRY_GOTO(dho_list_folder(&names, checkpoints));
    for (size_t i = 0; i < names.count; i++) {
        const char *digits = names.names[i] + 5;
        if (strncmp(names.names[i], "step-", 5) != 0 || strlen(digits) > 18 || *digits == '\0' ||
            strspn(digits, "0123456789") != strlen(digits))
            continue;
        if (strtoll(digits, NULL, 10) > newest) newest = strtoll(digits, NULL, 10);
    }
    if (newest < 0) goto fail;
    DHO_TRY_GOTO(dho_asprintf(&path, "%s/step-%08lld/state.json", checkpoints, newest));
    DHO_TRY_GOTO(dho_json_load_sealed(&state, path, MAX_EVAL_BYTES));
    *step = json_integer_value(json_object_get(state, "step"));
    *total = json_integer_value(json_object_get(state, "total_steps"));
fail:
    json_decref(state);
    dho_name_list_free(&names);
    dho_free(checkpoints);
    dho_free(path);
    return status;
}

/* --- eval.json ----------------------------------------------------------------------------------
 */

/* The top-1 of one head of a set; NAN when the run has no such head. */
static dho_status read_head(const json_t *set, const char *head, const char *path, double *out)
{
    const json_t *object = json_object_get(set, head);
    *out = NAN;
    if (object == NULL) return DHO_OK;
    const json_t *top1 = json_object_get(object, "top1");
    const double value = json_is_number(top1) ? json_number_value(top1) : NAN;
    if (!(value >= 0 && value <= 100))
        return dho_fail(DHO_ERR_FORMAT, "%s: %s.top1 is no percentage", path, head);
    *out = value;
    return DHO_OK;
}

static dho_status read_set(const json_t *set, const char *path, dho_run_result *out)
{
    const json_t *images = json_object_get(set, "images");
    out->images = json_integer_value(images);
    if (!json_is_integer(images) || out->images < 1 || out->images > 1000000000)
        return dho_fail(DHO_ERR_FORMAT, "%s: a set's number of images is not one", path);
    out->chosen_here = json_is_true(json_object_get(set, "alpha_beta_chosen_here"));
    for (int h = 0; h < DHO_TABLE_HEADS; h++)
        DHO_TRY(read_head(set, dho_table_head_names[h], path, &out->top1[h]));
    if (isnan(out->top1[DHO_TABLE_COMBINED]))
        return dho_fail(DHO_ERR_FORMAT, "%s: a set has no combined accuracy", path);
    out->found = true;
    return DHO_OK;
}

static const json_t *find_set(const json_t *sets, const char *name)
{
    for (size_t i = 0; i < json_array_size(sets); i++) {
        const json_t *set = json_array_get(sets, i);
        const char *own = json_string_value(json_object_get(set, "name"));
        if (own != NULL && strcmp(own, name) == 0) return set;
    }
    return NULL;
}

static bool has_set(const dho_config *config, const char *name)
{
    for (size_t i = 0; i < config->eval.set_count; i++)
        if (strcmp(config->eval.sets[i].name, name) == 0) return true;
    return false;
}

/* alpha and beta of an evaluation from before it kept its configuration. */
static dho_status check_choice(const json_t *eval, const char *path, const dho_config *wanted)
{
    const char *method = json_string_value(json_object_get(eval, "method"));
    if (method == NULL || strcmp(method, dho_method_name(wanted->method)) != 0)
        return dho_fail(DHO_ERR_CONFIG, "%s: is of method %.40s, the table asks for %s", path,
                        method != NULL ? method : "?", dho_method_name(wanted->method));
    if (!dho_method_is_dual(wanted->method)) return DHO_OK;
    const char *chosen = json_string_value(json_object_get(eval, "chosen_on"));
    if (chosen == NULL || strcmp(chosen, wanted->eval.select_on) != 0)
        return dho_fail(DHO_ERR_CONFIG,
                        "%s: alpha and beta were chosen on \"%.40s\", the table asks for \"%s\"",
                        path, chosen != NULL ? chosen : "?", wanted->eval.select_on);
    const double alpha = json_number_value(json_object_get(eval, "alpha"));
    const double beta = json_number_value(json_object_get(eval, "beta"));
    if (chosen[0] == '\0' &&
        (fabs(alpha - wanted->eval.alpha) > 1e-6 || fabs(beta - wanted->eval.beta) > 1e-6))
        return dho_fail(DHO_ERR_CONFIG,
                        "%s: has alpha %g, beta %g, the table asks for alpha %g, beta %g", path,
                        alpha, beta, wanted->eval.alpha, wanted->eval.beta);
    return DHO_OK;
}

static dho_status read_results(const json_t *eval, const char *path, const dho_table_spec *spec,
                               const dho_config *wanted, dho_run_result *results)
{
    const json_t *sets = json_object_get(eval, "sets");
    const char *lacking = NULL;
    if (!json_is_array(sets)) return dho_fail(DHO_ERR_FORMAT, "%s: has no list of sets", path);
    for (size_t t = 0; t < spec->test_count; t++) {
        const json_t *set = find_set(sets, spec->tests[t].set);
        if (set != NULL) DHO_TRY(read_set(set, path, &results[t]));
        if (set == NULL && has_set(wanted, spec->tests[t].set)) lacking = spec->tests[t].set;
    }
    if (lacking == NULL) return DHO_OK;
    return dho_fail(DHO_ERR_CONFIG, "%s: was not evaluated on %s", path, lacking);
}

static dho_status check_steps(const json_t *eval, const char *folder)
{
    int64_t step, total;
    const int64_t evaluated = json_integer_value(json_object_get(eval, "step"));
    const dho_status status = find_steps(folder, &step, &total);
    if (status == DHO_ERR_MEMORY) return status;
    if (status != DHO_OK) return DHO_OK; /* a damaged checkpoint is not the evaluation's fault */
    if (step < total)
        return dho_fail(DHO_ERR_CONFIG, "%s: trained to step %lld of %lld", folder, (long long)step,
                        (long long)total);
    if (evaluated < step)
        return dho_fail(DHO_ERR_CONFIG, "%s: evaluated at step %lld, trained to step %lld", folder,
                        (long long)evaluated, (long long)step);
    return DHO_OK;
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
                                     const dho_config *wanted, const char *path, const char *kept)
{
    json_t *eval = NULL;
    dho_status status = DHO_OK;
    if (!dho_path_exists(path))
        status = dho_fail(DHO_ERR_CONFIG, "%s: is not there: not evaluated yet", path);
    if (status == DHO_OK) status = dho_json_load(&eval, path, MAX_EVAL_BYTES);
    if (status == DHO_OK) status = check_choice(eval, path, wanted);
    if (status == DHO_OK && dho_path_exists(kept)) status = check_evaluation(kept, wanted);
    if (status == DHO_OK) status = check_steps(eval, run->folder);
    if (status == DHO_OK) status = read_results(eval, path, spec, wanted, run->results);
    json_decref(eval);
    return note(run, DHO_RUN_UNFINISHED, status);
}

dho_status dho_table_run_look(dho_table_run *run, const dho_table_spec *spec,
                              const dho_config *wanted)
{
    char *config = NULL, *eval = NULL, *kept = NULL;
    dho_status status;
    run->state = DHO_RUN_DONE;
    DHO_TRY_GOTO(dho_path_join(&config, run->folder, "config.yaml"));
    DHO_TRY_GOTO(dho_path_join(&eval, run->folder, "eval.json"));
    DHO_TRY_GOTO(dho_path_join(&kept, run->folder, "eval/config.yaml"));
    if (dho_path_exists(config)) {
        DHO_TRY_GOTO(note(run, DHO_RUN_OTHER, check_training(config, wanted)));
    } else if (dho_path_exists(eval)) {
        dho_fail(DHO_ERR_CONFIG, "%s: is not there: nothing says how the run was made", config);
        DHO_TRY_GOTO(note(run, DHO_RUN_OTHER, DHO_ERR_CONFIG));
    } else {
        run->state = DHO_RUN_MISSING;
    }
    if (run->state == DHO_RUN_DONE) DHO_TRY_GOTO(look_at_evaluation(run, spec, wanted, eval, kept));
fail:
    dho_free(config);
    dho_free(eval);
    dho_free(kept);
    return status;
}
