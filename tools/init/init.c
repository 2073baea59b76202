#define _GNU_SOURCE
#include "init/init.h"

#include "base/text.h"
#include "dho/alloc.h"
#include "dho/file.h"
#include "init/init_plan.h"

#include <stdlib.h>
#include <string.h>

/* The first folder's own name; for "." the working folder's. *out: owned. */
static dho_status name_of_run(char **out, const char *folder)
{
    char *whole = realpath(folder, NULL);
    const dho_status status = dho_strdup(out, whole != NULL ? dho_base_name(whole) : "dho");
    free(whole);
    DHO_TRY(status);
    if (**out != '\0') return DHO_OK;
    dho_free(*out);
    return dho_strdup(out, "dho");
}

static dho_status refuse_if_there(const char *path)
{
    if (!dho_path_exists(path)) return DHO_OK;
    return dho_fail(DHO_ERR_CONFIG, "%s: is there already: remove it, or write another (--out)",
                    path);
}

/* my.yaml: my.prompts.txt. */
static dho_status name_prompts(char **out, const char *file)
{
    const bool yaml = dho_ends_with(file, ".yaml");
    return dho_asprintf(out, "%.*s.prompts.txt", (int)(strlen(file) - (yaml ? 5 : 0)), file);
}

/* The text is a configuration that dho reads. Both are the caller's. */
static dho_status format_checked(const dho_init_plan *plan, char **text, dho_config *config)
{
    DHO_TRY(dho_init_format(plan, text));
    dho_status status = dho_config_parse(config, *text, strlen(*text), plan->file, NULL, 0);
    if (status == DHO_OK) {
        status = dho_config_check_train(config, plan->file);
        if (status != DHO_OK) dho_config_free(config);
    }
    if (status != DHO_OK) dho_free(*text);
    return status;
}

/* The first text says which images are whose; what it leads to may be another method. */
static dho_status advise(dho_init_plan *plan)
{
    dho_config config;
    char *text;
    DHO_TRY(format_checked(plan, &text, &config));
    const dho_status status =
        dho_init_advise(&plan->advice, &config, plan->run, plan->options->clip);
    dho_config_free(&config);
    dho_free(text);
    return status;
}

static dho_status write_all(const dho_init_plan *plan)
{
    dho_config config;
    char *text;
    DHO_TRY(format_checked(plan, &text, &config));
    dho_config_free(&config);
    dho_status status = dho_file_write_text(plan->file, text);
    if (status == DHO_OK && plan->prompts != NULL)
        status = dho_file_write_text(plan->prompts, "# A prompt a line; {} is the class.\n"
                                                    "a photo of a {}.\n");
    dho_free(text);
    return status;
}

static dho_status check_options(const dho_init_options *o)
{
    if (o->clip == NULL && o->weights == NULL && o->merges == NULL) return DHO_OK;
    if (o->clip == NULL || o->weights == NULL || o->merges == NULL)
        return dho_fail(DHO_ERR_CONFIG, "a CLIP teacher needs --clip, --weights and --merges");
    if (dho_require_file(o->weights) != DHO_OK)
        return dho_fail_prefix(DHO_ERR_CONFIG, "--weights: ");
    if (!dho_path_exists(o->merges))
        return dho_fail(DHO_ERR_CONFIG, "--merges: %s: no such file or folder", o->merges);
    return DHO_OK;
}

dho_status dho_init_folders(const dho_init_options *options)
{
    dho_init_found found = {0};
    dho_init_plan plan = {0};
    char *name = NULL, *file = NULL, *run = NULL, *prompts = NULL;
    dho_status status;
    DHO_TRY(check_options(options));
    DHO_TRY_GOTO(dho_init_look(&found, options));
    DHO_TRY_GOTO(name_of_run(&name, options->folders[0]));
    DHO_TRY_GOTO(options->out != NULL ? dho_strdup(&file, options->out)
                                      : dho_asprintf(&file, "%s.yaml", name));
    DHO_TRY_GOTO(options->run != NULL ? dho_strdup(&run, options->run)
                                      : dho_asprintf(&run, "runs/%s", name));
    if (options->clip != NULL) DHO_TRY_GOTO(name_prompts(&prompts, file));
    DHO_TRY_GOTO(refuse_if_there(file));
    if (prompts != NULL) DHO_TRY_GOTO(refuse_if_there(prompts));
    dho_init_decide(&plan, &found, options);
    plan.file = file;
    plan.run = run;
    plan.prompts = prompts;
    DHO_TRY_GOTO(advise(&plan));
    DHO_TRY_GOTO(write_all(&plan));
    dho_init_print(&plan);
fail:
    dho_init_advice_free(&plan.advice);
    dho_init_found_free(&found);
    dho_free(name);
    dho_free(file);
    dho_free(run);
    dho_free(prompts);
    return status;
}
