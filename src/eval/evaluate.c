/* dho eval: the outputs of all sets, from the student or from their files, and what is made of
 * them. */
#include "dho/evaluate.h"

#include "dho/alloc.h"
#include "dho/distill.h"
#include "dho/file.h"
#include "dho/log.h"
#include "dho/run_setup.h"
#include "eval/class_table.h"
#include "eval/eval_set.h"
#include "eval/evaluation_events.h"
#include "eval/evaluation_print.h"
#include "eval/imported_model.h"
#include "eval/outputs.h"
#include "eval/scoring.h"

#include <string.h>

typedef struct evaluator {
    dho_config config;    /* the given one, with the method of what is evaluated, and with `sets` */
    dho_config_set *sets; /* owned, those of eval.sets, borrowed, and the held-out images' */
    bool holdout;         /* the last one is theirs */
    bool imported;        /* of a file of weights: of no run of these data */
    dho_comm *comm;
    char *path; /* owned: the checkpoint */
    dho_model model;
    dho_checkpoint_info info;
    dho_infer *infer;
    int threads;               /* that sweep alpha and beta */
    dho_head_outputs *outputs; /* owned, [config.eval.set_count]; filled on rank 0 */
} evaluator;

static dho_status check_model(const evaluator *e)
{
    const dho_config *config = &e->config;
    const dho_checkpoint_info *info = &e->info;
    if (strcmp(config->student.model, info->model) != 0)
        return dho_fail(DHO_ERR_CONFIG, "%s: is a %s, student.model says %s", e->path, info->model,
                        config->student.model);
    if (config->data.image_size != info->image_size)
        return dho_fail(DHO_ERR_CONFIG, "%s: was trained at %d pixels, data.image_size says %lld",
                        e->path, info->image_size, (long long)config->data.image_size);
    return DHO_OK;
}

/* A folder that cannot be written to is found before the work, not after it. */
static dho_status check_place(const evaluator *e)
{
    char *folder = NULL, *path = NULL;
    dho_status status;
    if (dho_comm_rank(e->comm) != 0) return DHO_OK;
    DHO_TRY_GOTO(dho_path_join(&folder, e->config.out, "eval"));
    DHO_TRY_GOTO(dho_make_folders_durable(folder));
    DHO_TRY_GOTO(dho_path_join(&path, folder, "config.yaml"));
    DHO_TRY_GOTO(dho_file_check_place(path));
    dho_free(path);
    path = NULL;
    DHO_TRY_GOTO(dho_path_join(&path, e->config.out, "eval.json"));
    DHO_TRY_GOTO(dho_file_check_place(path));
fail:
    dho_free(path);
    dho_free(folder);
    return status;
}

static dho_status open_local(evaluator *e)
{
    const dho_config *config = &e->config;
    DHO_TRY(check_model(e));
    e->threads = dho_setup_threads(config->compute.threads);
    DHO_TRY(dho_infer_open(&e->infer, config, &e->model));
    return dho_alloc_zero(&e->outputs, config->eval.set_count, sizeof *e->outputs, "evaluation");
}

/* Images that were trained on would choose alpha and beta for what was learnt by heart. */
static dho_status open_holdout(const evaluator *e, dho_dataset *out)
{
    dho_holdout_origin origin;
    DHO_TRY(dho_setup_holdout_set(&e->config, out, &origin));
    if (e->imported || (origin.fingerprint == e->info.dataset_fingerprint &&
                        origin.labelled_crc == e->info.labelled_crc))
        return dho_eval_set_check_classes(out, e->model.class_names, e->model.student.classes);
    return dho_fail(
        DHO_ERR_CONFIG, "%s was trained on %s: its run held out others, or none (data.*)", e->path,
        origin.fingerprint != e->info.dataset_fingerprint ? "other images" : "other labels");
}

static dho_status open_set(const evaluator *e, size_t i, dho_dataset *out)
{
    const dho_config_set *set = &e->config.eval.sets[i];
    if (!e->holdout || i + 1 < e->config.eval.set_count)
        return dho_eval_set_open(set, e->model.class_names, e->model.student.classes, out);
    *out = (dho_dataset){0};
    const dho_status status = open_holdout(e, out);
    if (status != DHO_OK) dho_dataset_free(out);
    return status == DHO_OK ? status : dho_fail_prefix(status, "data.holdout: ");
}

static dho_status outputs_path(const evaluator *e, const dho_config_set *set, char **out)
{
    return dho_asprintf(out, "%s/eval/%s.safetensors", e->config.out, set->name);
}

static dho_status save_outputs(const evaluator *e, const dho_config_set *set,
                               const dho_head_outputs *outputs)
{
    char *path, *folder;
    DHO_TRY(dho_path_join(&folder, e->config.out, "eval"));
    dho_status status = dho_make_folders_durable(folder);
    dho_free(folder);
    DHO_TRY(status);
    DHO_TRY(outputs_path(e, set, &path));
    const dho_outputs_origin origin = {dho_method_name(e->info.method), e->path, e->info.step,
                                       e->info.is_ema};
    status = dho_outputs_save(outputs, &origin, path);
    dho_free(path);
    return status;
}

static dho_status run_set(evaluator *e, size_t i)
{
    const dho_config_set *set = &e->config.eval.sets[i];
    dho_dataset dataset;
    const dho_status opened = open_set(e, i, &dataset);
    dho_status status = dho_comm_agree(e->comm, opened);
    if (status == DHO_OK)
        status = dho_comm_check_equal(e->comm, &dataset.fingerprint, sizeof dataset.fingerprint,
                                      set->name);
    if (status == DHO_OK) {
        dho_info("evaluating %s: %lld images", set->name, (long long)dataset.count);
        status =
            dho_outputs_compute(&e->config, e->comm, e->infer, &e->model, &dataset, &e->outputs[i]);
    }
    if (opened == DHO_OK) dho_dataset_free(&dataset);
    DHO_TRY(status);
    const bool first = dho_comm_rank(e->comm) == 0;
    return dho_comm_agree(e->comm, first ? save_outputs(e, set, &e->outputs[i]) : DHO_OK);
}

static dho_status load_set(evaluator *e, size_t i)
{
    char *path;
    DHO_TRY(outputs_path(e, &e->config.eval.sets[i], &path));
    const dho_outputs_origin origin = {dho_method_name(e->config.method), e->path, e->info.step,
                                       e->info.is_ema};
    const dho_status status = dho_outputs_load(path, &origin, &e->outputs[i]);
    dho_free(path);
    return status;
}

/* eval/config.yaml, with what the numbers of eval.json are made: a table of many runs compares it.
 * An older eval.json goes first: at no moment do old numbers lie beside new settings. */
static dho_status save_config(const evaluator *e, const char *eval_json)
{
    dho_config given = e->config;
    given.eval.set_count -= e->holdout;
    const dho_config *config = &given;
    char *path = NULL, *folder = NULL, *text = NULL;
    dho_status status;
    DHO_TRY_GOTO(dho_path_join(&folder, config->out, "eval"));
    DHO_TRY_GOTO(dho_make_folders_durable(folder));
    DHO_TRY_GOTO(dho_path_join(&path, folder, "config.yaml"));
    DHO_TRY_GOTO(dho_config_format(config, false, &text));
    DHO_TRY_GOTO(dho_remove_tree(eval_json));
    DHO_TRY_GOTO(dho_sync_folder(config->out));
    DHO_TRY_GOTO(dho_file_write_text(path, text));
fail:
    dho_free(path);
    dho_free(folder);
    dho_free(text);
    return status;
}

/* OUT/eval/<set>.classes.csv of each set. */
static dho_status save_class_tables(const evaluator *e, const dho_evaluation *evaluation)
{
    for (size_t i = 0; i < evaluation->set_count; i++) {
        char *path;
        DHO_TRY(
            dho_asprintf(&path, "%s/eval/%s.classes.csv", e->config.out, evaluation->sets[i].name));
        const dho_status status =
            dho_class_table_save(&e->outputs[i], evaluation->sets[i].counts, path);
        dho_free(path);
        DHO_TRY(status);
    }
    return DHO_OK;
}

/* Scores the outputs, prints and writes what was found. */
static dho_status report(const evaluator *e)
{
    const dho_config *config = &e->config;
    dho_evaluation evaluation;
    char *path = NULL, held_out[160];
    dho_status status;
    DHO_TRY_GOTO(dho_evaluation_score(config, e->outputs, e->threads, &evaluation));
    evaluation.step = e->info.step;
    evaluation.ema = e->info.is_ema;
    DHO_TRY_GOTO(dho_strdup(&evaluation.checkpoint, e->path));
    DHO_TRY_GOTO(dho_strdup(&evaluation.method, dho_method_name(config->method)));
    dho_config_describe_holdout(config, held_out, sizeof held_out);
    if (e->holdout) DHO_TRY_GOTO(dho_strdup(&evaluation.holdout, held_out));
    dho_evaluation_print(&evaluation);
    DHO_TRY_GOTO(dho_path_join(&path, config->out, "eval.json"));
    DHO_TRY_GOTO(save_config(e, path));
    DHO_TRY_GOTO(save_class_tables(e, &evaluation));
    DHO_TRY_GOTO(dho_evaluation_save(&evaluation, path));
    if (config->train.tensorboard) dho_evaluation_save_events(&evaluation, config->out);
fail:
    dho_free(path);
    dho_evaluation_free(&evaluation);
    return status;
}

/* The method is the student's, whatever the configuration says. */
static void take_method(evaluator *e, dho_method method)
{
    if (e->config.method != method)
        dho_info("%s: trained by method %s, which is what counts (the configuration says %s)",
                 e->path, dho_method_name(method), dho_method_name(e->config.method));
    e->config.method = method;
}

/* The sets must be of one checkpoint: the one the first of them names. */
static dho_status run_stored(evaluator *e)
{
    dho_method method;
    const size_t sets = e->config.eval.set_count;
    char *path;
    if (dho_comm_rank(e->comm) != 0) return DHO_OK;
    e->threads = dho_setup_threads(e->config.compute.threads);
    DHO_TRY(dho_alloc_zero(&e->outputs, sets, sizeof *e->outputs, "evaluation"));
    DHO_TRY(outputs_path(e, &e->config.eval.sets[0], &path));
    dho_status status = dho_input_status(
        dho_outputs_read_origin(path, &method, &e->path, &e->info.step, &e->info.is_ema));
    dho_free(path);
    DHO_TRY(status);
    take_method(e, method);
    status = check_place(e);
    for (size_t i = 0; i < sets && status == DHO_OK; i++) status = dho_input_status(load_set(e, i));
    return status == DHO_OK ? report(e) : status;
}

static dho_status run_sets(evaluator *e)
{
    DHO_TRY(dho_comm_agree(e->comm, open_local(e)));
    for (size_t i = 0; i < e->config.eval.set_count; i++) DHO_TRY(run_set(e, i));
    return dho_comm_agree(e->comm, dho_comm_rank(e->comm) == 0 ? report(e) : DHO_OK);
}

static dho_status run(evaluator *e, const dho_checkpoint_choice *choice)
{
    dho_checkpoint_choice found = *choice;
    if (found.path == NULL) found.path = e->config.out;
    DHO_TRY(dho_checkpoint_agree(e->comm, &found, &e->path));
    found = (dho_checkpoint_choice){.path = e->path, .weights = choice->weights};
    DHO_TRY(dho_comm_agree(e->comm, check_place(e)));
    DHO_TRY(dho_checkpoint_open_model(e->comm, &found, false, &e->model, &e->info));
    take_method(e, e->info.method);
    const dho_status status = run_sets(e);
    dho_infer_close(&e->infer);
    return status;
}

/* A run's folder has the evaluation of its own weights. */
static dho_status check_no_run(const evaluator *e)
{
    char *checkpoints;
    if (dho_comm_rank(e->comm) != 0) return DHO_OK;
    DHO_TRY(dho_path_join(&checkpoints, e->config.out, "checkpoints"));
    const bool is_run = dho_path_exists(checkpoints);
    dho_free(checkpoints);
    if (!is_run) return DHO_OK;
    return dho_fail(DHO_ERR_CONFIG,
                    "--weights %s: %s is the folder of a run, whose evaluation would be replaced: "
                    "give another one (--out FOLDER)",
                    e->path, e->config.out);
}

static dho_status run_file(evaluator *e, const char *path)
{
    DHO_TRY(dho_comm_agree(e->comm, dho_strdup(&e->path, path)));
    DHO_TRY(dho_comm_agree(e->comm, check_no_run(e)));
    DHO_TRY(dho_imported_model_open(e->comm, &e->config, path, &e->model, &e->info));
    DHO_TRY(dho_comm_agree(e->comm, check_place(e)));
    e->imported = true;
    take_method(e, e->info.method);
    const dho_status status = run_sets(e);
    dho_infer_close(&e->infer);
    if (status == DHO_OK)
        dho_info("%s/eval.json and %s/eval have this evaluation", e->config.out, e->config.out);
    return status;
}

/* The sets of eval.sets, and behind them the held-out images, if there are any. */
static dho_status list_sets(evaluator *e)
{
    static char name[] = DHO_HOLDOUT_NAME;
    const size_t given = e->config.eval.set_count;
    e->holdout = e->config.data.holdout[0] != '\0';
    e->config.eval.set_count += e->holdout;
    if (e->config.eval.set_count == 0)
        return dho_fail(DHO_ERR_CONFIG,
                        "eval.sets: is empty, there is nothing to evaluate on (add {name: test, "
                        "root: FOLDER} to it, or hold labelled images out: data.holdout)");
    DHO_TRY(dho_alloc(&e->sets, given + 1, sizeof *e->sets, "evaluation"));
    for (size_t i = 0; i < given; i++) e->sets[i] = e->config.eval.sets[i];
    e->sets[given] = (dho_config_set){.name = name, .mask_classes = true};
    e->config.eval.sets = e->sets;
    return DHO_OK;
}

static void release(evaluator *e)
{
    for (size_t i = 0; e->outputs != NULL && i < e->config.eval.set_count; i++)
        dho_head_outputs_free(&e->outputs[i]);
    dho_free(e->outputs);
    dho_free(e->sets);
    dho_free(e->path);
    dho_model_destroy(&e->model);
    dho_checkpoint_info_free(&e->info);
}

dho_status dho_evaluate(const dho_config *config, dho_comm *comm,
                        const dho_checkpoint_choice *choice, bool stored)
{
    evaluator e = {.config = *config, .comm = comm};
    dho_status status = dho_comm_agree(comm, list_sets(&e));
    if (status == DHO_OK) status = stored ? dho_comm_agree(comm, run_stored(&e)) : run(&e, choice);
    release(&e);
    return status;
}

dho_status dho_evaluate_weights(const dho_config *config, dho_comm *comm, const char *path)
{
    evaluator e = {.config = *config, .comm = comm};
    dho_status status = dho_comm_agree(comm, list_sets(&e));
    if (status == DHO_OK) status = run_file(&e, path);
    release(&e);
    return status;
}
