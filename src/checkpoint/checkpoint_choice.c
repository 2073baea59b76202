/* Which checkpoint a user means: one that is named, a run's newest, or its best. */
#define _GNU_SOURCE
#include "dho/checkpoint.h"

#include "checkpoint/checkpoint_state.h"
#include "dho/alloc.h"
#include "dho/file.h"
#include "dho/log.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { NAME_BYTES = 32 }; /* of step-N */

static dho_status link_best(const char *checkpoints, const char *target)
{
    char *best = NULL, *temporary = NULL, *folder = NULL, before[NAME_BYTES] = "";
    dho_status status;
    DHO_TRY_GOTO(dho_path_join(&best, checkpoints, "best"));
    DHO_TRY_GOTO(dho_asprintf(&temporary, "%s.tmp", best));
    DHO_TRY_GOTO(dho_path_join(&folder, checkpoints, target));
    const ssize_t length = readlink(best, before, sizeof before - 1);
    if (length >= 0 && strcmp(before, target) == 0) goto fail; /* it is right */
    if (target[0] != '\0' && !dho_path_is_folder(folder)) {
        status = dho_fail(DHO_ERR_CONFIG, "%s: is not there", folder);
        goto fail;
    }
    unlink(temporary);
    const int failed = target[0] == '\0'
                           ? (length >= 0 ? unlink(best) : 0)
                           : symlink(target, temporary) != 0 || rename(temporary, best) != 0;
    if (failed) status = dho_fail(DHO_ERR_IO, "%s: %s", best, strerror(errno));
fail:
    dho_free(best);
    dho_free(temporary);
    dho_free(folder);
    return status;
}

void dho_checkpoint_mark_best(const char *run_folder, int64_t step)
{
    char *checkpoints, target[NAME_BYTES] = "";
    if (step > 0) snprintf(target, sizeof target, "step-%08lld", (long long)step);
    dho_status status = dho_path_join(&checkpoints, run_folder, "checkpoints");
    if (status == DHO_OK) status = link_best(checkpoints, target);
    dho_free(checkpoints);
    if (status != DHO_OK)
        dho_warn("the run's best checkpoint, of step %lld, cannot be marked: %s", (long long)step,
                 dho_error_message());
}

int64_t dho_checkpoint_best_step(const char *run_folder)
{
    char *best, name[NAME_BYTES] = "", rest;
    long long step;
    if (dho_asprintf(&best, "%s/checkpoints/best", run_folder) != DHO_OK) return -1;
    const ssize_t length = readlink(best, name, sizeof name - 1);
    dho_free(best);
    return length >= 0 && sscanf(name, "step-%lld%c", &step, &rest) == 1 ? step : -1;
}

/* The checkpoint that RUN/checkpoints/best names; or that folder itself, where a copy of the run
 * has one in the link's place. */
static dho_status find_best(const char *run_folder, char **out)
{
    const int64_t step = dho_checkpoint_best_step(run_folder);
    char *state;
    if (step >= 0)
        DHO_TRY(dho_asprintf(out, "%s/checkpoints/step-%08lld", run_folder, (long long)step));
    else
        DHO_TRY(dho_asprintf(out, "%s/checkpoints/best", run_folder));
    DHO_TRY(dho_path_join(&state, *out, DHO_CHECKPOINT_STATE));
    const bool is_checkpoint = dho_path_exists(state);
    dho_free(state);
    if (is_checkpoint) return DHO_OK;
    return dho_fail(DHO_ERR_CONFIG, "%s: holds no best checkpoint (train.keep_best keeps one)",
                    run_folder);
}

dho_status dho_checkpoint_resolve(const dho_checkpoint_choice *choice, char **out)
{
    const char *path = choice->path;
    char *state;
    *out = NULL;
    DHO_TRY(dho_path_join(&state, path, DHO_CHECKPOINT_STATE));
    const bool is_checkpoint = dho_path_exists(state);
    dho_free(state);
    if (is_checkpoint && choice->best)
        return dho_fail(DHO_ERR_CONFIG, "%s: is a checkpoint: --best is of the folder of a run",
                        path);
    if (is_checkpoint) return dho_strdup(out, path);
    if (!dho_path_is_folder(path))
        return dho_fail(DHO_ERR_CONFIG, "%s: no such checkpoint or folder of a run", path);
    const dho_status status =
        choice->best ? find_best(path, out) : dho_checkpoint_find_newest(path, out);
    if (status != DHO_OK) {
        dho_free(*out);
        *out = NULL;
        return status;
    }
    if (*out == NULL)
        return dho_fail(DHO_ERR_CONFIG,
                        "%s: holds no checkpoint (name one, RUN/checkpoints/step-N, "
                        "or the folder of a run)",
                        path);
    dho_info("%s: its %s checkpoint is %s", path, choice->best ? "best" : "newest", *out);
    return DHO_OK;
}

dho_status dho_checkpoint_agree(dho_comm *comm, const dho_checkpoint_choice *choice, char **out)
{
    dho_status status = DHO_OK;
    uint64_t bytes = 0;
    *out = NULL;
    if (dho_comm_rank(comm) == 0) {
        status = dho_input_status(dho_checkpoint_resolve(choice, out));
        if (status == DHO_OK) bytes = strlen(*out) + 1;
    }
    DHO_TRY_GOTO(dho_comm_agree(comm, status));
    DHO_TRY_GOTO(dho_comm_broadcast(comm, &bytes, sizeof bytes, 0));
    if (dho_comm_rank(comm) != 0) status = dho_alloc(out, bytes, 1, "path");
    DHO_TRY_GOTO(dho_comm_agree(comm, status));
    DHO_TRY_GOTO(dho_comm_broadcast(comm, *out, bytes, 0));
    return DHO_OK;
fail:
    dho_free(*out);
    *out = NULL;
    return status;
}
