/* A classifier from a checkpoint, with what its run says of it; the prediction. */
#include "dho/classifier.h"

#include "base/compare.h"
#include "dho/alloc.h"
#include "dho/distill.h"
#include "dho/evaluation.h"
#include "dho/file.h"
#include "dho/log.h"
#include "dho/run_setup.h"
#include "eval/classifier_export.h"
#include "eval/classifier_file.h"

#include <math.h>
#include <string.h>

/* What rank 0 finds in the run's folder, for all. */
typedef struct run_facts {
    double alpha, beta, temperature, head_temperatures[2];
    dho_eval_transform transform;
    bool chosen;
} run_facts;

/* eval.* of a file; false, and nothing changes, when there is none that can be read. */
static bool take_config(const char *path, int image_size, run_facts *out)
{
    dho_config config;
    if (!dho_path_exists(path)) return false;
    if (dho_config_load(&config, path, NULL, 0) != DHO_OK) {
        dho_warn("%s: eval.resize and eval.interpolation are taken as by default",
                 dho_error_message());
        return false;
    }
    out->transform = dho_setup_eval_transform(&config, image_size);
    out->alpha = config.eval.alpha;
    out->beta = config.eval.beta;
    dho_config_free(&config);
    return true;
}

static dho_status take_defaults(int image_size, run_facts *out)
{
    static const char none[] = "{}";
    dho_config config;
    DHO_TRY(dho_config_parse(&config, none, sizeof none - 1, "defaults", NULL, 0));
    *out = (run_facts){.alpha = config.eval.alpha,
                       .beta = config.eval.beta,
                       .temperature = 1,
                       .head_temperatures = {1, 1},
                       .transform = dho_setup_eval_transform(&config, image_size)};
    dho_config_free(&config);
    return DHO_OK;
}

/* Is the evaluation of this very checkpoint? */
static bool is_of(const dho_evaluation *found, const dho_checkpoint_info *info)
{
    return found->step == info->step && found->ema == info->is_ema && found->method != NULL &&
           strcmp(found->method, dho_method_name(info->method)) == 0;
}

static void take_evaluation(const dho_evaluation *found, run_facts *out)
{
    out->temperature = found->temperatures[DHO_SCORE_COMBINED];
    for (int h = 0; h < 2; h++)
        out->head_temperatures[h] = found->temperatures[DHO_SCORE_CE_HEAD + h];
    out->chosen = found->dual;
    if (!found->dual) return;
    out->alpha = found->alpha;
    out->beta = found->beta;
}

static dho_status read_run(const char *checkpoint, const dho_checkpoint_info *info, run_facts *out)
{
    char *run = NULL, *path = NULL;
    dho_evaluation found = {0};
    dho_status status;
    DHO_TRY_GOTO(take_defaults(info->image_size, out));
    DHO_TRY_GOTO(dho_checkpoint_run(checkpoint, &run));
    status = dho_evaluation_load(&found, run);
    if (status != DHO_OK && status != DHO_ERR_CONFIG) goto fail; /* there may be none */
    const bool evaluated = status == DHO_OK && is_of(&found, info);
    DHO_TRY_GOTO(dho_path_join(&path, run, evaluated ? "eval/config.yaml" : "config.yaml"));
    take_config(path, info->image_size, out);
    if (evaluated) take_evaluation(&found, out);
fail:
    dho_evaluation_free(&found);
    dho_free(path);
    dho_free(run);
    return status;
}

dho_status dho_classifier_open_checkpoint(dho_comm *comm, const dho_checkpoint_choice *choice,
                                          dho_classifier *out)
{
    dho_checkpoint_info info = {0};
    run_facts facts = {0};
    dho_status status;
    *out = (dho_classifier){0};
    DHO_TRY_GOTO(dho_checkpoint_agree(comm, choice, &out->source));
    const dho_checkpoint_choice found = {.path = out->source, .weights = choice->weights};
    DHO_TRY_GOTO(dho_checkpoint_open_model(comm, &found, false, &out->model, &info));
    const bool first = dho_comm_rank(comm) == 0;
    DHO_TRY_GOTO(dho_comm_agree(comm, first ? dho_input_status(read_run(out->source, &info, &facts))
                                            : DHO_OK));
    DHO_TRY_GOTO(dho_comm_broadcast(comm, &facts, sizeof facts, 0));
    if (dho_method_is_dual(info.method) && !dho_method_combines(info.method)) {
        facts.alpha = facts.beta = 1;
        facts.chosen = true;
    }
    out->method = info.method;
    out->step = info.step;
    out->ema = info.is_ema;
    out->transform = facts.transform;
    out->alpha = facts.alpha;
    out->beta = facts.beta;
    out->temperature = facts.temperature;
    memcpy(out->head_temperatures, facts.head_temperatures, sizeof out->head_temperatures);
    out->chosen = facts.chosen;
fail:
    dho_checkpoint_info_free(&info);
    if (status != DHO_OK) dho_classifier_close(out);
    return status;
}

dho_status dho_classifier_open(dho_comm *comm, const dho_checkpoint_choice *choice,
                               dho_classifier *out)
{
    const char *path = choice->path;
    *out = (dho_classifier){0};
    if (!dho_path_exists(path) || dho_path_is_folder(path))
        return dho_classifier_open_checkpoint(comm, choice, out);
    if (choice->best || choice->weights != DHO_CHECKPOINT_AUTO)
        return dho_fail(DHO_ERR_CONFIG,
                        "%s: is an export: --best and --weights choose among a run's weights",
                        path);
    return dho_classifier_open_export(comm, path, out);
}

void dho_classifier_close(dho_classifier *classifier)
{
    dho_classifier_run_close(&classifier->run);
    dho_model_destroy(&classifier->model);
    dho_free(classifier->source);
    *classifier = (dho_classifier){0};
}

void dho_classifier_set_temperature(dho_classifier *classifier, double temperature)
{
    if (temperature == 0) return;
    classifier->temperature = temperature;
    classifier->head_temperatures[0] = classifier->head_temperatures[1] = temperature;
}

const char *dho_classifier_title(const dho_classifier *classifier, int c)
{
    const dho_model *model = &classifier->model;
    return model->class_titles != NULL ? model->class_titles[c] : model->class_names[c];
}

/* q = softmax(log(p) / T), in place; the largest first becomes 1, so that no T makes all zero. */
static void soften(int classes, double temperature, double *p)
{
    double largest = 0, sum = 0;
    if (temperature == 1) return;
    for (int c = 0; c < classes; c++) largest = dho_larger(largest, p[c]);
    for (int c = 0; c < classes; c++) sum += p[c] = pow(p[c] / largest, 1 / temperature);
    for (int c = 0; c < classes; c++) p[c] /= sum;
}

void dho_classifier_combine(const dho_classifier *classifier, const float *const heads[2],
                            float *ce, float *kd, double *p)
{
    const dho_student *student = &classifier->model.student;
    const bool dual = student->head_count == 2;
    dho_masked_softmax(student->classes, NULL, heads[0], 1, ce);
    if (dual) dho_masked_softmax(student->classes, NULL, heads[1], classifier->beta, kd);
    dho_combine(student->classes, classifier->alpha, ce, dual ? kd : NULL, p);
    soften(student->classes, classifier->temperature, p);
}
