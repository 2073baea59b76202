/* Is a run of the configuration that its table asks for? */
#include "table/table_run_config.h"
#include "base/json.h"
#include "dho/alloc.h"
#include "dho/file.h"
#include "eval/sessions.h"

#include <stdio.h>
#include <string.h>

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

/* Where the data and the teacher of an earlier session lay: going on checked that their content was
 * that of the next one. Where the student's start lay matters at step 0 only. */
static void blank_places(dho_config *config, int64_t first_step)
{
    static char none[] = "";
    config->data.root = config->data.split_file = config->data.label_file = none;
    config->data.class_file = none;
    config->data.format = DHO_FORMAT_IMAGEFOLDER;
    config->teacher.cache = config->teacher.head = none;
    if (first_step > 0) config->student.init = config->student.head_init = none;
}

/* `found`: what a run was trained with, named by `name`. */
static dho_status compare_training(const char *name, const dho_config *found,
                                   const dho_config *wanted)
{
    dho_config own = *found, asked = *wanted;
    blank_training(&own);
    blank_training(&asked);
    own.eval = asked.eval;
    return compare(name, &own, &asked);
}

static dho_status check_last_session(const char *folder, const dho_config *wanted)
{
    char *path;
    dho_config found;
    DHO_TRY(dho_path_join(&path, folder, "config.yaml"));
    dho_status status = dho_config_load(&found, path, NULL, 0);
    if (status == DHO_OK) {
        status = compare_training(path, &found, wanted);
        dho_config_free(&found);
    }
    dho_free(path);
    return status;
}

static dho_status check_session(const char *folder, int64_t first, const char *text,
                                const dho_config *wanted)
{
    char *name;
    dho_config found;
    DHO_TRY(dho_asprintf(&name, "%s/sessions.jsonl: the session from step %lld on", folder,
                         (long long)first));
    dho_status status = dho_config_parse(&found, text, strlen(text), name, NULL, 0);
    if (status == DHO_OK) {
        dho_config own = found, asked = *wanted;
        blank_places(&own, first);
        blank_places(&asked, first);
        status = compare_training(name, &own, &asked);
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
    json_t *sessions;
    int64_t before = INT64_MAX;
    DHO_TRY(dho_sessions_load(&sessions, folder));
    dho_status status = DHO_OK;
    for (size_t i = json_array_size(sessions); i-- > 0 && before > 0 && status == DHO_OK;) {
        const json_t *session = json_array_get(sessions, i),
                     *step = json_object_get(session, "step");
        const char *text = json_string_value(json_object_get(session, "config"));
        if (!json_is_integer(step) || json_integer_value(step) >= before) continue;
        if (text == NULL) before = 0; /* of an older version: nothing more is known */
        if (text == NULL) continue;
        before = json_integer_value(step);
        status = check_session(folder, before, text, wanted);
    }
    json_decref(sessions);
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
    dho_config loaded;
    DHO_TRY(dho_path_join(&path, folder, "eval/config.yaml"));
    dho_status status = DHO_OK;
    if (!dho_path_exists(path)) goto fail; /* an older version's evaluation */
    DHO_TRY_GOTO(dho_config_load(&loaded, path, NULL, 0));
    dho_config found = *wanted;
    found.eval = loaded.eval;
    found.eval.batch = wanted->eval.batch;
    status = compare(path, &found, wanted);
    dho_config_free(&loaded);
fail:
    dho_free(path);
    return status;
}
