/* Writing and finding checkpoints. */
#define _GNU_SOURCE
#include "dho/checkpoint.h"

#include "base/text.h"
#include "checkpoint/checkpoint_state.h"
#include "checkpoint/checkpoint_steps.h"
#include "dho/alloc.h"
#include "dho/file.h"
#include "dho/log.h"
#include "dho/state_dict.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static dho_status save_tensors(const char *folder, const char *name, dho_state_dict *dict,
                               dho_checkpoint_file *out)
{
    char *path;
    DHO_TRY(dho_path_join(&path, folder, name));
    static const char *const metadata[] = {"format", "pt", NULL};
    dho_status status = dho_safetensors_save(path, dict->tensors, dict->count, metadata, &out->crc);
    if (status == DHO_OK) status = dho_checkpoint_file_measure(folder, name, out);
    out->written = true;
    dho_free(path);
    return status;
}

static dho_status save_weights(const char *folder, const char *name, const dho_student *student,
                               float *parameters, float *buffers, dho_checkpoint_file *out)
{
    dho_state_dict dict = {0};
    dho_status status;
    DHO_TRY_GOTO(dho_state_dict_add(&dict, student->graph, false, "", parameters));
    DHO_TRY_GOTO(dho_state_dict_add(&dict, student->graph, true, "", buffers));
    DHO_TRY_GOTO(save_tensors(folder, name, &dict, out));
fail:
    dho_state_dict_free(&dict);
    return status;
}

static dho_status write_folder(const char *folder, const dho_checkpoint_info *info,
                               const dho_student *student, const dho_checkpoint_slabs *slabs)
{
    dho_status status;
    dho_state_dict optimizer = {0};
    dho_checkpoint_file files[DHO_CHECKPOINT_FILES] = {0};
    DHO_TRY_GOTO(save_weights(folder, DHO_CHECKPOINT_MODEL, student, slabs->parameters,
                              slabs->buffers, &files[0]));
    if (slabs->ema_parameters != NULL)
        DHO_TRY_GOTO(save_weights(folder, DHO_CHECKPOINT_EMA_FILE, student, slabs->ema_parameters,
                                  slabs->ema_buffers, &files[2]));
    DHO_TRY_GOTO(dho_state_dict_add(&optimizer, student->graph, false, "exp_avg.", slabs->moment1));
    if (slabs->moment2 != NULL)
        DHO_TRY_GOTO(
            dho_state_dict_add(&optimizer, student->graph, false, "exp_avg_sq.", slabs->moment2));
    DHO_TRY_GOTO(save_tensors(folder, DHO_CHECKPOINT_OPTIMIZER, &optimizer, &files[1]));
    DHO_TRY_GOTO(dho_checkpoint_state_save(folder, info, files));
    DHO_TRY_GOTO(dho_sync_folder(folder));
    DHO_TRY_GOTO(dho_checkpoint_read_back(folder, info));
fail:
    dho_state_dict_free(&optimizer);
    return status;
}

static const char replaced[] = ".replaced";

/* Gives a written folder its name. One of that name, damaged or of the same step, stays until the
 * new one has taken its place: a kill between the two renames leaves it as "step-N.replaced" alone,
 * and dho_checkpoint_take_back gives it its name again. (Swapping the two, renameat2's
 * RENAME_EXCHANGE, is not to be had on NFS.) */
static dho_status take_place(const char *temporary, const char *final)
{
    char *aside;
    dho_status status;
    DHO_TRY(dho_asprintf(&aside, "%s%s", final, replaced));
    DHO_TRY_GOTO(dho_remove_tree(aside));
    const bool replaces = rename(final, aside) == 0;
    if (rename(temporary, final) != 0) {
        status =
            dho_fail(DHO_ERR_IO, "%s: cannot rename to %s: %s", temporary, final, strerror(errno));
        if (replaces) rename(aside, final);
    } else if (replaces && dho_remove_tree(aside) != DHO_OK) {
        dho_warn("an old checkpoint stays: %s", dho_error_message());
    }
fail:
    dho_free(aside);
    return status;
}

/* aside: ".../step-N.replaced". */
static dho_status take_back_one(const char *aside)
{
    char *final;
    DHO_TRY(dho_strndup(&final, aside, strlen(aside) - (sizeof replaced - 1)));
    dho_status status = DHO_OK;
    if (dho_path_exists(final))
        status = dho_remove_tree(aside);
    else if (rename(aside, final) != 0)
        status = dho_fail(DHO_ERR_IO, "%s: cannot rename: %s", aside, strerror(errno));
    else
        dho_info("%s is taken back: the program was killed while it replaced it", final);
    dho_free(final);
    return status;
}

dho_status dho_checkpoint_take_back(const char *run_folder)
{
    dho_name_list names = {0};
    char *checkpoints = NULL, *aside = NULL;
    dho_status status;
    DHO_TRY_GOTO(dho_path_join(&checkpoints, run_folder, "checkpoints"));
    if (!dho_path_is_folder(checkpoints)) goto fail;
    DHO_TRY_GOTO(dho_list_folder(&names, checkpoints));
    for (size_t i = 0; i < names.count; i++) {
        if (!dho_ends_with(names.names[i], replaced)) continue;
        DHO_TRY_GOTO(dho_path_join(&aside, checkpoints, names.names[i]));
        DHO_TRY_GOTO(take_back_one(aside));
        dho_free(aside);
        aside = NULL;
    }
fail:
    dho_name_list_free(&names);
    dho_free(checkpoints);
    dho_free(aside);
    return status;
}

dho_status dho_checkpoint_save(const char *run_folder, const dho_checkpoint_info *info,
                               const dho_student *student, const dho_checkpoint_slabs *slabs,
                               const dho_checkpoint_keep *keep)
{
    dho_status status;
    char *checkpoints = NULL, *final = NULL, *temporary = NULL;
    DHO_TRY_GOTO(dho_path_join(&checkpoints, run_folder, "checkpoints"));
    DHO_TRY_GOTO(dho_asprintf(&final, "%s/step-%08lld", checkpoints, (long long)info->step));
    DHO_TRY_GOTO(dho_asprintf(&temporary, "%s/tmp", checkpoints));
    DHO_TRY_GOTO(dho_make_folders_durable(checkpoints));
    DHO_TRY_GOTO(dho_remove_tree(temporary));
    DHO_TRY_GOTO(dho_make_folders(temporary));
    status = write_folder(temporary, info, student, slabs);
    if (status == DHO_ERR_NUMERIC) dho_fail_prefix(status, "%s: is not written: ", final);
    DHO_TRY_GOTO(status);
    DHO_TRY_GOTO(take_place(temporary, final));
    DHO_TRY_GOTO(dho_sync_folder(checkpoints));
    dho_checkpoint_link_best(run_folder, info);
    dho_checkpoint_remove_old(run_folder, checkpoints, info, keep);
fail:
    if (status != DHO_OK && temporary != NULL) {
        char message[512]; /* removing must not replace the reason */
        snprintf(message, sizeof message, "%s", dho_error_message());
        dho_remove_tree(temporary);
        dho_fail(status, "%s", message);
    }
    dho_free(checkpoints);
    dho_free(final);
    dho_free(temporary);
    return status;
}

dho_status dho_checkpoint_find_newest(const char *run_folder, char **out)
{
    dho_status status;
    dho_name_list steps = {0};
    char *checkpoints = NULL;
    *out = NULL;
    DHO_TRY_GOTO(dho_path_join(&checkpoints, run_folder, "checkpoints"));
    DHO_TRY_GOTO(dho_checkpoint_list_steps(checkpoints, &steps));
    for (size_t i = steps.count; i-- > 0 && *out == NULL;) {
        dho_checkpoint_info info;
        char *path;
        DHO_TRY_GOTO(dho_path_join(&path, checkpoints, steps.names[i]));
        status = dho_checkpoint_read_info(path, &info);
        if (status == DHO_OK) {
            dho_checkpoint_info_free(&info);
            *out = path;
            continue;
        }
        dho_free(path);
        if (status != DHO_ERR_FORMAT) goto fail; /* not damage: starting over would be wrong */
        dho_warn("passing over a damaged checkpoint: %s", dho_error_message());
        status = DHO_OK;
    }
    if (*out == NULL && steps.count > 0)
        status = dho_fail(DHO_ERR_FORMAT,
                          "%s: none of its %zu checkpoints is whole (move them away to start anew)",
                          checkpoints, steps.count);
fail:
    dho_name_list_free(&steps);
    dho_free(checkpoints);
    return status;
}

dho_status dho_checkpoint_find_steps(const char *run_folder, int64_t *out_step, int64_t *out_total)
{
    dho_status status;
    dho_name_list steps = {0};
    dho_checkpoint_info info;
    char *checkpoints = NULL, *path = NULL;
    *out_step = *out_total = -1;
    DHO_TRY_GOTO(dho_path_join(&checkpoints, run_folder, "checkpoints"));
    DHO_TRY_GOTO(dho_checkpoint_list_steps(checkpoints, &steps));
    if (steps.count == 0) goto fail;
    DHO_TRY_GOTO(dho_path_join(&path, checkpoints, steps.names[steps.count - 1]));
    DHO_TRY_GOTO(dho_checkpoint_read_state(path, &info));
    *out_step = info.step;
    *out_total = info.total_steps;
    dho_checkpoint_info_free(&info);
fail:
    dho_name_list_free(&steps);
    dho_free(checkpoints);
    dho_free(path);
    return status;
}

dho_status dho_checkpoint_run(const char *checkpoint, char **out)
{
    static const char part[] = "/checkpoints/";
    const char *found = NULL, *at = checkpoint;
    while ((at = strstr(at, part)) != NULL) found = at++;
    const char *last = found != NULL ? found + sizeof part - 1 : NULL;
    if (last != NULL && last[strcspn(last, "/")] == '\0' && last[0] != '.' && found != checkpoint)
        return dho_strndup(out, checkpoint, (size_t)(found - checkpoint));
    return dho_path_join(out, checkpoint, "../..");
}

dho_status dho_checkpoint_set_aside(const char *run_folder, int64_t step)
{
    dho_status status;
    dho_name_list steps = {0};
    char *checkpoints = NULL, *from = NULL, *to = NULL;
    DHO_TRY_GOTO(dho_path_join(&checkpoints, run_folder, "checkpoints"));
    DHO_TRY_GOTO(dho_checkpoint_list_steps(checkpoints, &steps));
    for (size_t i = 0; i < steps.count; i++) {
        if (dho_checkpoint_step_of(steps.names[i]) <= step) continue;
        DHO_TRY_GOTO(dho_path_join(&from, checkpoints, steps.names[i]));
        DHO_TRY_GOTO(dho_asprintf(&to, "%s.set-aside", from));
        DHO_TRY_GOTO(dho_remove_tree(to));
        if (rename(from, to) != 0) {
            status = dho_fail(DHO_ERR_IO, "%s: cannot rename: %s", from, strerror(errno));
            goto fail;
        }
        dho_info("%s is set aside: the run goes on from step %lld", from, (long long)step);
        dho_free(from);
        dho_free(to);
        from = to = NULL;
    }
fail:
    dho_name_list_free(&steps);
    dho_free(checkpoints);
    dho_free(from);
    dho_free(to);
    return status;
}

static dho_status load_tensors(const char *path, const char *name, const dho_student *student,
                               bool buffers, const char *prefix, float *slab)
{
    char *file_path;
    dho_safetensors *file = NULL;
    DHO_TRY(dho_path_join(&file_path, path, name));
    dho_status status = dho_safetensors_open(&file, file_path);
    if (status == DHO_OK) status = dho_state_dict_load(file, student->graph, buffers, prefix, slab);
    dho_safetensors_close(&file);
    dho_free(file_path);
    return status;
}

static void multiply(const dho_slot *slot, float *slab, double factor)
{
    for (size_t i = 0; slab != NULL && i < slot->count; i++)
        slab[slot->offset + i] = (float)(slab[slot->offset + i] * factor);
}

/* s W f/|f| + b to s (W f/|f| + b). */
static void move_biases_inside(const dho_student *student, const dho_checkpoint_slabs *slabs)
{
    const double s = student->head_scale;
    for (size_t i = 0; i < dho_graph_parameter_count(student->graph); i++) {
        const dho_slot *slot = dho_graph_parameter(student->graph, i);
        for (int h = 0; h < student->head_count; h++) {
            char name[DHO_HEAD_NAME_BYTES];
            snprintf(name, sizeof name, "%s.bias", dho_student_head_name(student, h));
            if (student->head_forms[h] != DHO_HEAD_COSINE || strcmp(slot->name, name) != 0)
                continue;
            multiply(slot, slabs->parameters, 1 / s);
            multiply(slot, slabs->moment1, s);
            multiply(slot, slabs->moment2, s * s);
        }
    }
}

dho_status dho_checkpoint_load(const char *path, const dho_checkpoint_info *info,
                               const dho_student *student, const dho_checkpoint_slabs *slabs)
{
    const struct part {
        const char *file;
        bool buffers;
        const char *prefix;
        float *slab;
    } parts[] = {{DHO_CHECKPOINT_MODEL, false, "", slabs->parameters},
                 {DHO_CHECKPOINT_MODEL, true, "", slabs->buffers},
                 {DHO_CHECKPOINT_OPTIMIZER, false, "exp_avg.", slabs->moment1},
                 {DHO_CHECKPOINT_OPTIMIZER, false, "exp_avg_sq.", slabs->moment2},
                 {DHO_CHECKPOINT_EMA_FILE, false, "", slabs->ema_parameters},
                 {DHO_CHECKPOINT_EMA_FILE, true, "", slabs->ema_buffers}};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        if (parts[i].slab != NULL)
            DHO_TRY(load_tensors(path, parts[i].file, student, parts[i].buffers, parts[i].prefix,
                                 parts[i].slab));
    if (info->outer_bias) move_biases_inside(student, slabs);
    return DHO_OK;
}
