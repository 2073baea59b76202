/* The folder of a run: one run writes there at a time, and says with what it trains. */
#define _GNU_SOURCE
#include "train/trainer_internal.h"

#include "base/folder_lock.h"
#include "base/log_file.h"
#include "base/machine.h"
#include "dho/alloc.h"
#include "dho/file.h"
#include "dho/log.h"
#include "train/run_tuning.h"
#include "train/session_log.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

/* The files that only a run writes, under its lock. */
static dho_status remove_left(const char *out)
{
    static const char *const names[] = {"metrics.jsonl", "config.yaml", "kernels.tuning"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char *path;
        DHO_TRY(dho_path_join(&path, out, names[i]));
        dho_atomic_file_remove_left(path);
        dho_free(path);
    }
    return DHO_OK;
}

/* Two runs that write into one folder would destroy each other's checkpoints. */
dho_status dho_trainer_lock(dho_trainer *trainer)
{
    const char *out = trainer->config->out;
    if (!trainer->dry) DHO_TRY(dho_make_folders_durable(out));
    DHO_TRY(dho_folder_lock(out, "run", trainer->dry, &trainer->lock));
    return trainer->dry ? DHO_OK : remove_left(out);
}

/* A full disk would end the run at its first checkpoint. */
static void warn_of_disk(const dho_trainer *trainer)
{
    const dho_config *config = trainer->config;
    const double one = (double)dho_trainer_checkpoint_bytes(trainer);
    const int64_t kept = config->train.checkpoint_keep + (config->train.keep_best != DHO_BEST_NONE);
    const double all = one * (double)(trainer->step == 0 ? kept + 1 : 1);
    const double left = (double)dho_machine_disk(config->out);
    if (left < all)
        dho_warn("%s: %.1f MiB are free, %.1f MiB are needed (a checkpoint takes %.1f MiB; "
                 "train.checkpoint_keep: %lld, and the one that is being written)",
                 config->out, left / 0x1p20, all / 0x1p20, one / 0x1p20,
                 (long long)config->train.checkpoint_keep);
}

static dho_status open_log(const char *folder)
{
    char *path;
    DHO_TRY(dho_path_join(&path, folder, "log.txt"));
    dho_log_file_open(path);
    dho_free(path);
    return DHO_OK;
}

dho_status dho_trainer_look_at_place(const char *folder, int64_t *out_left)
{
    char *path;
    DHO_TRY(dho_strdup(&path, folder));
    while (!dho_path_exists(path)) { /* up to what is there */
        char *slash = strrchr(path, '/');
        if (slash == NULL)
            strcpy(path, ".");
        else
            slash[slash == path] = '\0';
    }
    dho_status status = DHO_OK;
    if (!dho_path_is_folder(path))
        status = dho_fail(DHO_ERR_IO, "%s: is no folder", path);
    else if (access(path, W_OK | X_OK) != 0)
        status = dho_fail(DHO_ERR_IO, "%s: cannot write there: %s", path, strerror(errno));
    *out_left = dho_machine_disk(path);
    dho_free(path);
    return status;
}

/* Only where steps follow: config.yaml and sessions.jsonl say with what a run was trained. The
 * session first: config.yaml alone would hide what the steps before it were trained with. */
dho_status dho_trainer_open_folder(dho_trainer *trainer)
{
    const dho_config *config = trainer->config;
    char *path = NULL, *text = NULL;
    dho_status status;
    if (trainer->rank != 0) return DHO_OK;
    DHO_TRY_GOTO(open_log(config->out));
    DHO_TRY_GOTO(dho_path_join(&path, config->out, "config.yaml"));
    DHO_TRY_GOTO(dho_config_format(config, false, &text));
    warn_of_disk(trainer);
    DHO_TRY_GOTO(dho_run_tuning_write(trainer->tuning, config->out));
    DHO_TRY_GOTO(dho_session_log_append(trainer, text));
    DHO_TRY_GOTO(dho_file_write_text(path, text));
    trainer->progress.classes = trainer->student.classes;
    DHO_TRY_GOTO(dho_progress_open(&trainer->progress, config, trainer->step,
                                   trainer->length.total_steps, trainer->standing.due));
    dho_checkpoint_mark_best(config->out, trainer->standing.best_step);
fail:
    dho_free(path);
    dho_free(text);
    return status;
}
