#define _GNU_SOURCE
#include "train/run_tuning.h"

#include "base/text.h"
#include "dho/alloc.h"
#include "dho/checkpoint.h"
#include "dho/file.h"
#include "dho/log.h"

#include <string.h>
#include <unistd.h>

static const char file_name[] = "kernels.tuning";

/* Whether whole or not, also one that a kill has left half replaced: dho_trainer_resume looks
 * closer. */
static dho_status has_checkpoint(const char *run, bool *out)
{
    char *folder;
    dho_name_list names = {0};
    *out = false;
    DHO_TRY(dho_path_join(&folder, run, "checkpoints"));
    const dho_status status = dho_path_is_folder(folder) ? dho_list_folder(&names, folder) : DHO_OK;
    for (size_t i = 0; i < names.count; i++)
        if (dho_after(names.names[i], "step-") != NULL &&
            !dho_ends_with(names.names[i], ".set-aside"))
            *out = true;
    dho_name_list_free(&names);
    dho_free(folder);
    return status;
}

/* The folder of the run that goes on; *out NULL: one begins. */
static dho_status find_run(const dho_config *config, const char *resume, char **out)
{
    char *inside;
    bool goes_on;
    *out = NULL;
    if (strcmp(resume, "never") == 0) return DHO_OK;
    if (strcmp(resume, "auto") == 0) {
        DHO_TRY(has_checkpoint(config->out, &goes_on));
        return goes_on ? dho_strdup(out, config->out) : DHO_OK;
    }
    DHO_TRY(dho_path_join(&inside, resume, "checkpoints"));
    const bool is_run = dho_path_is_folder(inside);
    dho_free(inside);
    return is_run ? dho_strdup(out, resume) : dho_checkpoint_run(resume, out);
}

/* The table in a run's folder; *out NULL: it has none. */
static dho_status read_record(dho_tuning **out, const char *run)
{
    char *path;
    *out = NULL;
    DHO_TRY(dho_path_join(&path, run, file_name));
    const dho_status status = dho_path_exists(path) ? dho_tuning_read(out, path) : DHO_OK;
    dho_free(path);
    return status;
}

static dho_status read_wanted(dho_tuning **out, const dho_config *config)
{
    const char *path = config->compute.tuning;
    *out = NULL;
    if (path[0] == '\0') return DHO_OK;
    const dho_status status = dho_tuning_read(out, path);
    if (status != DHO_OK) return dho_fail_prefix(status, "compute.tuning: ");
    if (*out == NULL)
        dho_warn("compute.tuning: %s has no table that was measured on such a processor: kernels "
                 "are chosen by rule",
                 path);
    return DHO_OK;
}

/* What was asked for beside what the run has. A table that cannot be read is only that: another. */
static void say_kept(const dho_config *config, const dho_tuning *kept, const char *run)
{
    dho_tuning *wanted = NULL;
    if (config->compute.tuning[0] == '\0') return;
    const bool is_read = dho_tuning_read(&wanted, config->compute.tuning) == DHO_OK;
    const bool same =
        is_read &&
        (wanted == NULL || kept == NULL ? wanted == kept : dho_tuning_is_same(wanted, kept));
    if (!same)
        dho_warn("compute.tuning: %s is not what this run began with: it keeps %s%s, so that its "
                 "bits stay (another --out starts anew)",
                 config->compute.tuning, kept != NULL ? run : "the choice by rule",
                 kept != NULL ? "/kernels.tuning" : "");
    dho_tuning_destroy(&wanted);
}

static dho_status choose(dho_tuning **out, const dho_config *config, const char *resume)
{
    char *run;
    DHO_TRY(find_run(config, resume, &run));
    const dho_status status = run != NULL ? read_record(out, run) : read_wanted(out, config);
    if (run != NULL && status == DHO_OK) say_kept(config, *out, run);
    dho_free(run);
    return status;
}

/* The text of rank 0's table; NULL: it has none. *inout_text is owned. */
static dho_status share_text(char **inout_text, dho_comm *comm)
{
    const bool first = dho_comm_rank(comm) == 0;
    int64_t bytes = first && *inout_text != NULL ? (int64_t)strlen(*inout_text) + 1 : 0;
    DHO_TRY(dho_comm_broadcast(comm, &bytes, sizeof bytes, 0));
    if (bytes == 0) return DHO_OK;
    const dho_status status =
        first ? DHO_OK : dho_alloc(inout_text, (size_t)bytes, 1, "table of kernels");
    DHO_TRY(dho_comm_agree(comm, status));
    return dho_comm_broadcast(comm, *inout_text, (size_t)bytes, 0);
}

dho_status dho_run_tuning_open(dho_tuning **out, const dho_config *config, const char *resume,
                               dho_comm *comm)
{
    const bool first = dho_comm_rank(comm) == 0;
    char *text = NULL;
    dho_status status = DHO_OK;
    *out = NULL;
    if (first) status = choose(out, config, resume);
    if (status == DHO_OK && *out != NULL) status = dho_tuning_format(*out, &text);
    status = dho_comm_agree(comm, status);
    if (status == DHO_OK) status = share_text(&text, comm);
    if (status == DHO_OK && !first && text != NULL)
        status = dho_tuning_parse(out, text, strlen(text), "rank 0's table of kernels");
    status = dho_comm_agree(comm, status);
    dho_free(text);
    return status;
}

dho_status dho_run_tuning_write(const dho_tuning *tuning, const char *folder)
{
    char *path = NULL, *text = NULL;
    dho_status status;
    DHO_TRY_GOTO(dho_path_join(&path, folder, file_name));
    if (tuning == NULL) {
        (void)unlink(path); /* of a run that is no longer there */
    } else {
        DHO_TRY_GOTO(dho_tuning_format(tuning, &text));
        DHO_TRY_GOTO(dho_file_write_text(path, text));
    }
    status = DHO_OK;
fail:
    dho_free(path);
    dho_free(text);
    return status;
}

void dho_run_tuning_announce(const dho_tuning *tuning, int threads)
{
    if (tuning == NULL) return;
    dho_info("kernels of %zu shapes by a table (compute.tuning), measured on %s processor, with %d "
             "thread%s a kernel%s",
             dho_tuning_count(tuning),
             dho_tuning_is_of_this_processor(tuning) ? "such a" : "another",
             dho_tuning_threads(tuning), dho_tuning_threads(tuning) == 1 ? "" : "s",
             dho_tuning_threads(tuning) == threads ? "" : ", which is not this run's number");
}
