#include "eval/export_int8.h"

#include "dho/alloc.h"
#include "dho/evaluation.h"
#include "dho/log.h"
#include "dho/run_setup.h"
#include "eval/eval_set.h"
#include "eval/outputs.h"
#include "eval/scoring.h"
#include "infer/calibrate.h"
#include "nn/graph_onnx.h"

#include <stdio.h>
#include <string.h>

/* One of the two students that are compared. */
typedef struct contender {
    dho_model model;           /* its parameters are the classifier's, or `rounded` */
    dho_infer *infer;          /* owned */
    dho_head_outputs *outputs; /* owned, [eval.set_count]; filled on rank 0 */
    float *rounded;            /* owned; NULL: of the one in floats */
} contender;

/* `config` with what the comparison is not left to: floats, and the classifier's alpha and beta. */
static dho_config settings_of(const dho_export_int8_options *options)
{
    static char none[] = "";
    dho_config config = *options->config;
    config.method = options->from->method;
    config.compute.dtype = DHO_DTYPE_FP32;
    config.eval.select_on = none;
    config.eval.alpha = options->from->alpha;
    config.eval.beta = options->from->beta;
    return config;
}

static dho_status open_contender(const dho_export_int8_options *options, const dho_config *config,
                                 bool rounds, contender *out)
{
    const dho_model *model = &options->from->model;
    const dho_student *student = options->deployed;
    const size_t floats = dho_graph_parameter_floats(student->graph);
    out->model = *model;
    if (rounds) {
        out->model.student = *student;
        DHO_TRY(dho_alloc(&out->rounded, floats, sizeof *out->rounded, "parameters"));
        memcpy(out->rounded, model->parameters, floats * sizeof *out->rounded);
        dho_int8_round_weights(student->graph, student->features, out->rounded);
        out->model.parameters = out->rounded;
    }
    DHO_TRY(
        dho_alloc_zero(&out->outputs, config->eval.set_count, sizeof *out->outputs, "evaluation"));
    return dho_infer_open(&out->infer, config, &out->model);
}

static void close_contender(contender *c, size_t sets)
{
    for (size_t i = 0; c->outputs != NULL && i < sets; i++) dho_head_outputs_free(&c->outputs[i]);
    dho_free(c->outputs);
    dho_free(c->rounded);
    dho_infer_close(&c->infer);
}

/* --- calibration: rank 0 --- */

/* Images that lie evenly in the training set, which is ordered by class. */
static dho_status choose_images(const dho_dataset *dataset, int64_t most, int64_t **out,
                                int64_t *count)
{
    *count = dataset->count < most ? dataset->count : most;
    DHO_TRY(dho_alloc(out, (size_t)*count, sizeof **out, "calibration"));
    for (int64_t i = 0; i < *count; i++)
        (*out)[i] = (int64_t)((double)i * (double)dataset->count / (double)*count);
    return DHO_OK;
}

static dho_status calibrate(const dho_export_int8_options *options, const dho_config *config,
                            dho_onnx_rounding *out)
{
    dho_model model = options->from->model;
    dho_dataset dataset = {0};
    dho_infer *infer = NULL;
    int64_t *ids = NULL, count = 0;
    dho_status status;
    model.student = *options->deployed;
    DHO_TRY_GOTO(dho_input_status(dho_setup_dataset(config, &dataset)));
    DHO_TRY_GOTO(choose_images(&dataset, options->images, &ids, &count));
    DHO_TRY_GOTO(dho_infer_open(&infer, config, &model));
    const dho_infer_images images = {.dataset = &dataset,
                                     .ids = ids,
                                     .count = count,
                                     .views = 1,
                                     .transform = options->from->transform};
    DHO_TRY_GOTO(dho_calibrate(infer, options->deployed, &images, out));
    dho_info("int8: ranges of the values from %lld training images, %g %% left out at either end",
             (long long)count, 100 * DHO_CALIBRATE_LEFT_OUT);
fail:
    dho_infer_close(&infer);
    dho_free(ids);
    dho_dataset_free(&dataset);
    return status;
}

/* --- both students on the sets --- */

static dho_status run_set(const dho_export_int8_options *options, const dho_config *config,
                          dho_comm *comm, contender both[2], size_t i)
{
    const dho_config_set *set = &config->eval.sets[i];
    const dho_model *model = &options->from->model;
    dho_dataset dataset;
    const dho_status opened =
        dho_eval_set_open(set, model->class_names, model->student.classes, &dataset);
    DHO_TRY(dho_comm_agree(comm, dho_input_status(opened)));
    dho_status status =
        dho_comm_check_equal(comm, &dataset.fingerprint, sizeof dataset.fingerprint, set->name);
    for (int k = 0; k < 2 && status == DHO_OK; k++)
        status = dho_outputs_compute(config, comm, both[k].infer, &both[k].model, &dataset,
                                     &both[k].outputs[i]);
    dho_dataset_free(&dataset);
    return status;
}

static void print_scores(const dho_evaluation *plain, const dho_evaluation *rounded)
{
    printf("%-16s %8s  %7s  %7s  %s\n", "set", "images", "fp32", "int8", "top-1, %");
    for (size_t i = 0; i < plain->set_count; i++) {
        const double a = plain->sets[i].scores[DHO_SCORE_COMBINED].top1;
        const double b = rounded->sets[i].scores[DHO_SCORE_COMBINED].top1;
        printf("%-16s %8lld  %7.2f  %7.2f  %+.2f\n", plain->sets[i].name,
               (long long)plain->sets[i].images, a, b, b - a);
    }
    fflush(stdout);
}

static dho_status compare(const dho_config *config, const contender both[2])
{
    dho_evaluation scores[2] = {{0}, {0}};
    const int threads = dho_setup_threads(config->compute.threads);
    dho_status status = DHO_OK;
    for (int k = 0; k < 2 && status == DHO_OK; k++)
        status = dho_evaluation_score(config, both[k].outputs, threads, &scores[k]);
    if (status == DHO_OK) print_scores(&scores[0], &scores[1]);
    for (int k = 0; k < 2; k++) dho_evaluation_free(&scores[k]);
    return status;
}

dho_status dho_export_int8(const dho_export_int8_options *options, dho_comm *comm,
                           dho_onnx_rounding *out)
{
    const dho_config config = settings_of(options);
    const size_t sets = config.eval.set_count;
    const int values = dho_graph_values(options->deployed->graph);
    const bool first = dho_comm_rank(comm) == 0;
    contender both[2] = {{.infer = NULL}, {.infer = NULL}};
    dho_status status;
    DHO_TRY(dho_comm_agree(comm, first ? calibrate(options, &config, out) : DHO_OK));
    DHO_TRY(dho_comm_broadcast(comm, out, (size_t)values * sizeof *out, 0));
    if (sets == 0) {
        dho_warn("eval.sets: is empty: what 8 bits cost is not known");
        return DHO_OK;
    }
    status = open_contender(options, &config, false, &both[0]);
    if (status == DHO_OK) status = open_contender(options, &config, true, &both[1]);
    DHO_TRY_GOTO(dho_comm_agree(comm, status));
    dho_infer_observe(both[1].infer, dho_calibrate_round, out);
    for (size_t i = 0; i < sets; i++) DHO_TRY_GOTO(run_set(options, &config, comm, both, i));
    status = dho_comm_agree(comm, first ? compare(&config, both) : DHO_OK);
fail:
    for (int k = 0; k < 2; k++) close_contender(&both[k], sets);
    return status;
}
