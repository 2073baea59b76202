#include "eval/set_evaluator.h"

#include "base/clock.h"
#include "dho/alloc.h"
#include "dho/run_setup.h"
#include "eval/eval_set.h"
#include "eval/outputs.h"

#include <string.h>

struct dho_set_evaluator {
    const dho_config *config;
    dho_config_set set; /* its members are borrowed */
    const dho_model *model;
    dho_comm *comm;
    dho_dataset dataset; /* owned */
    dho_infer *infer;    /* owned */
    int threads;
};

/* The set of that name in eval.sets, or the held-out images of the training set. */
static dho_status open_set(dho_set_evaluator *evaluator, const char *name)
{
    static char holdout[] = DHO_HOLDOUT_NAME;
    const dho_config *config = evaluator->config;
    for (size_t i = 0; i < config->eval.set_count; i++) {
        if (strcmp(config->eval.sets[i].name, name) != 0) continue;
        evaluator->set = config->eval.sets[i];
        return dho_eval_set_open(&evaluator->set, evaluator->model->class_names,
                                 evaluator->model->student.classes, &evaluator->dataset);
    }
    if (strcmp(name, holdout) != 0 || config->data.holdout[0] == '\0')
        return dho_fail(DHO_ERR_CONFIG, "train.eval_on: \"%s\" is no set of eval.sets", name);
    evaluator->set = (dho_config_set){.name = holdout, .mask_classes = true};
    return dho_setup_holdout_set(config, &evaluator->dataset, NULL);
}

static dho_status open_local(dho_set_evaluator **out, const dho_config *config, dho_comm *comm,
                             const char *set, const dho_model *model)
{
    DHO_TRY(dho_alloc_zero(out, 1, sizeof **out, "evaluation"));
    dho_set_evaluator *evaluator = *out;
    *evaluator = (dho_set_evaluator){.config = config,
                                     .model = model,
                                     .comm = comm,
                                     .threads = dho_setup_threads(config->compute.threads)};
    DHO_TRY(open_set(evaluator, set));
    return dho_infer_open(&evaluator->infer, config, model);
}

dho_status dho_set_evaluator_open(dho_set_evaluator **out, const dho_config *config, dho_comm *comm,
                                  const char *set, const dho_model *model, bool (*stop)(void))
{
    dho_status status;
    *out = NULL;
    DHO_TRY_GOTO(dho_comm_agree(comm, open_local(out, config, comm, set, model)));
    DHO_TRY_GOTO(dho_comm_check_equal(comm, &(*out)->dataset.fingerprint,
                                      sizeof(*out)->dataset.fingerprint, set));
    dho_infer_stop_when((*out)->infer, stop);
    return DHO_OK;
fail:
    dho_set_evaluator_close(out);
    return status;
}

void dho_set_evaluator_close(dho_set_evaluator **evaluator)
{
    if (*evaluator == NULL) return;
    dho_infer_close(&(*evaluator)->infer);
    dho_dataset_free(&(*evaluator)->dataset);
    dho_free(*evaluator);
    *evaluator = NULL;
}

/* Outputs of each head, and room to gather them. */
static size_t row_bytes(const dho_set_evaluator *evaluator)
{
    const dho_student *student = &evaluator->model->student;
    return (size_t)student->classes * sizeof(float) * ((size_t)student->head_count + 1);
}

size_t dho_set_evaluator_bytes(const dho_set_evaluator *evaluator)
{
    return dho_infer_bytes(evaluator->infer) +
           (size_t)evaluator->dataset.count * row_bytes(evaluator);
}

static dho_status run_on(dho_set_evaluator *evaluator, const dho_dataset *dataset,
                         dho_set_scores *out)
{
    dho_head_outputs outputs;
    DHO_TRY(dho_outputs_compute(evaluator->config, evaluator->comm, evaluator->infer,
                                evaluator->model, dataset, &outputs));
    dho_status status = DHO_OK;
    if (dho_comm_rank(evaluator->comm) == 0)
        status =
            dho_set_score(evaluator->config, &evaluator->set, &outputs, evaluator->threads, out);
    status = dho_comm_agree(evaluator->comm, status);
    dho_head_outputs_free(&outputs);
    DHO_TRY(status);
    return dho_comm_broadcast(evaluator->comm, out, sizeof *out, 0);
}

dho_status dho_set_evaluator_run(dho_set_evaluator *evaluator, dho_set_scores *out)
{
    return run_on(evaluator, &evaluator->dataset, out);
}

dho_status dho_set_evaluator_time(dho_set_evaluator *evaluator, double *out_seconds,
                                  int64_t *out_more)
{
    const int64_t all = evaluator->dataset.count;
    const int64_t batch = dho_infer_batch(evaluator->infer) * dho_comm_size(evaluator->comm);
    dho_dataset part = evaluator->dataset; /* its first images */
    dho_set_scores scores;
    part.count = all < batch ? all : batch;
    DHO_TRY(run_on(evaluator, &part, &scores)); /* to warm up */
    part.count = all < 2 * batch ? all : 2 * batch;
    const double start = dho_seconds_now();
    DHO_TRY(run_on(evaluator, &part, &scores));
    *out_seconds = (dho_seconds_now() - start) * (double)all / (double)part.count;
    *out_more = (int64_t)((size_t)(all - part.count) * row_bytes(evaluator));
    return DHO_OK;
}
