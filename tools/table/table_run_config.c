/* Is a run of the configuration that its table asks for? */
#include "table/table_run_config.h"
#include "dho/alloc.h"
#include "dho/file.h"
#include "dho/session.h"

#include <string.h>

/* DHO_ERR_CONFIG "name: has ..., the table asks for ..." for the first key of `decides` that
 * differs between a run's configuration, named by `name`, and the wanted one. */
static dho_status compare(const char *name, const dho_config *found, const dho_config *wanted,
                          unsigned decides)
{
    dho_config_differences differences;
    const dho_config *const configs[] = {found, wanted};
    dho_status status = DHO_OK;
    DHO_TRY(dho_config_diff(&differences, configs, 2, decides));
    if (differences.count > 0) {
        const dho_config_difference *first = &differences.keys[0];
        const char *const *values = (const char *const *)first->values;
        status = dho_fail(DHO_ERR_CONFIG, "%s: has \"%s: %s\", the table asks for \"%s: %s\"", name,
                          first->key, values[0] != NULL ? values[0] : "(none)", first->key,
                          values[1] != NULL ? values[1] : "(none)");
    }
    dho_config_differences_free(&differences);
    return status;
}

static dho_status check_last_session(const char *folder, const dho_config *wanted)
{
    char *path;
    dho_config found;
    DHO_TRY(dho_path_join(&path, folder, "config.yaml"));
    dho_status status = dho_config_load(&found, path, NULL, 0);
    if (status == DHO_OK) {
        status = compare(path, &found, wanted,
                         DHO_DECIDES_NUMBERS | DHO_DECIDES_COURSE | DHO_DECIDES_START |
                             DHO_DECIDES_PLACE);
        dho_config_free(&found);
    }
    dho_free(path);
    return status;
}

/* Where the data and the teacher of an earlier session lay does not count: going on checked that
 * their content was that of the next one. What the student started from counts at step 0 only. */
static dho_status check_session(const char *folder, int64_t first, const char *text,
                                const dho_config *wanted)
{
    char *name;
    dho_config found;
    DHO_TRY(dho_asprintf(&name, "%s/sessions.jsonl: the session from step %lld on", folder,
                         (long long)first));
    dho_status status = dho_config_parse(&found, text, strlen(text), name, NULL, 0);
    if (status == DHO_OK) {
        const unsigned start = first == 0 ? DHO_DECIDES_START : 0;
        status = compare(name, &found, wanted, DHO_DECIDES_NUMBERS | DHO_DECIDES_COURSE | start);
        dho_config_free(&found);
    }
    dho_free(name);
    return status;
}

/* A run may go on with another learning rate or length; then config.yaml is that of its last steps
 * only. From the last session back: a session counts where it began before all later ones, whose
 * steps took the place of its own. */
static dho_status check_sessions(const char *folder, const dho_config *wanted)
{
    dho_sessions sessions;
    int64_t before = INT64_MAX;
    DHO_TRY(dho_sessions_load(&sessions, folder));
    dho_status status = DHO_OK;
    for (size_t i = sessions.count; i-- > 0 && before > 0 && status == DHO_OK;) {
        const dho_session *session = &sessions.items[i];
        if (!(session->step >= 0 && session->step < (double)before)) continue;
        if (session->config == NULL) before = 0; /* of an older version: nothing more is known */
        if (session->config == NULL) continue;
        before = (int64_t)session->step;
        status = check_session(folder, before, session->config, wanted);
    }
    dho_sessions_free(&sessions);
    if (status == DHO_OK && before > 0 && before < INT64_MAX)
        return dho_fail(DHO_ERR_CONFIG,
                        "%s/sessions.jsonl: the steps before %lld were trained in another folder",
                        folder, (long long)before);
    return status;
}

dho_status dho_table_check_training(const char *folder, const dho_config *wanted)
{
    DHO_TRY(check_last_session(folder, wanted));
    return check_sessions(folder, wanted);
}

dho_status dho_table_check_evaluation(const char *folder, const dho_config *wanted)
{
    char *path;
    dho_config found;
    DHO_TRY(dho_path_join(&path, folder, "eval/config.yaml"));
    dho_status status = DHO_OK;
    if (!dho_path_exists(path)) goto fail; /* an older version's evaluation */
    DHO_TRY_GOTO(dho_config_load(&found, path, NULL, 0));
    status = compare(path, &found, wanted, DHO_DECIDES_EVALUATION);
    dho_config_free(&found);
fail:
    dho_free(path);
    return status;
}
