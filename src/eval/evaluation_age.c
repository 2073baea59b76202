/* Is a run's evaluation of its newest checkpoint, and what renews it? */
#include "dho/evaluation.h"

#include "dho/alloc.h"
#include "dho/checkpoint.h"
#include "dho/file.h"
#include "base/shell_word.h"

#include <string.h>

#define MAX_CONFIG_BYTES ((size_t)1 << 20)

/* The section "eval" of a formatted configuration; empty where it has none. */
static const char *eval_section(const char *text, size_t *length)
{
    static const char head[] = "\neval:\n";
    const char *at = strstr(text, head);
    *length = 0;
    if (at == NULL) return text;
    at += sizeof head - 1;
    const char *end = at;
    while (*end == ' ') end += strcspn(end, "\n") + (end[strcspn(end, "\n")] == '\n');
    *length = (size_t)(end - at);
    return at;
}

static bool equal_settings(const char *training, const char *evaluation)
{
    size_t a, b;
    const char *own = eval_section(training, &a), *other = eval_section(evaluation, &b);
    return a == b && memcmp(own, other, a) == 0;
}

/* A file of the run as text; NULL when it cannot be read. */
static dho_status read_text(const char *run_folder, const char *name, char **out)
{
    char *path;
    uint8_t *bytes = NULL;
    size_t capacity = 0, count = 0;
    *out = NULL;
    DHO_TRY(dho_path_join(&path, run_folder, name));
    dho_status status = dho_path_exists(path)
                            ? dho_file_read(path, MAX_CONFIG_BYTES, &bytes, &capacity, &count)
                            : DHO_OK;
    if (status == DHO_OK && bytes != NULL) status = dho_strndup(out, (const char *)bytes, count);
    dho_free(bytes);
    dho_free(path);
    return status == DHO_ERR_MEMORY ? status : DHO_OK;
}

dho_status dho_evaluation_command(const char *run_folder, char **out)
{
    char *training = NULL, *evaluation = NULL, *folder = NULL;
    dho_status status;
    *out = NULL;
    DHO_TRY_GOTO(read_text(run_folder, "config.yaml", &training));
    DHO_TRY_GOTO(read_text(run_folder, "eval/config.yaml", &evaluation));
    DHO_TRY_GOTO(dho_shell_word(run_folder, &folder));
    if (evaluation == NULL || (training != NULL && equal_settings(training, evaluation)))
        status = dho_asprintf(out, "dho eval %s", folder);
    else
        status = dho_asprintf(out, "dho eval -c %s/eval/config.yaml --out %s", folder, folder);
fail:
    dho_free(training);
    dho_free(evaluation);
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
    DHO_TRY(dho_evaluation_command(run_folder, &command));
    status = dho_asprintf(out,
                          "evaluated at step %lld, its newest checkpoint is of step %lld: "
                          "%s renews it",
                          (long long)evaluation->step, (long long)newest, command);
    dho_free(command);
    return status;
}
