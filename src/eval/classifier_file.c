/* One image file after another through a classifier. */
#include "eval/classifier_file.h"

#include "dho/alloc.h"
#include "dho/classifier.h"
#include "dho/infer.h"

struct dho_classifier_run {
    dho_config config;
    dho_infer *infer;
    float *probabilities; /* [2][classes], of each head */
};

void dho_classifier_run_close(struct dho_classifier_run **run)
{
    if (*run == NULL) return;
    dho_infer_close(&(*run)->infer);
    dho_config_free(&(*run)->config);
    dho_free((*run)->probabilities);
    dho_free(*run);
    *run = NULL;
}

static dho_status open_run(dho_classifier *classifier)
{
    static const char settings[] = "eval: {batch: 1}\ndata: {loader_threads: 1}\n";
    const size_t classes = (size_t)classifier->model.student.classes;
    if (classifier->run != NULL) return DHO_OK;
    DHO_TRY(dho_alloc_zero(&classifier->run, 1, sizeof *classifier->run, "classifier"));
    struct dho_classifier_run *run = classifier->run;
    dho_status status;
    DHO_TRY_GOTO(
        dho_config_parse(&run->config, settings, sizeof settings - 1, "classifier", NULL, 0));
    DHO_TRY_GOTO(
        dho_alloc(&run->probabilities, 2 * classes, sizeof *run->probabilities, "classifier"));
    DHO_TRY_GOTO(dho_infer_open(&run->infer, &run->config, &classifier->model));
    return DHO_OK;
fail:
    dho_classifier_run_close(&classifier->run);
    return status;
}

static dho_status run_image(dho_classifier *classifier, const dho_dataset *dataset, double *p)
{
    struct dho_classifier_run *run = classifier->run;
    const dho_student *student = &classifier->model.student;
    const int64_t first = 0;
    const dho_infer_images images = {.dataset = dataset,
                                     .ids = &first,
                                     .count = 1,
                                     .views = 1,
                                     .transform = classifier->transform};
    const dho_batch *batch;
    DHO_TRY(dho_infer_start(run->infer, &images));
    DHO_TRY(dho_infer_next(run->infer, &batch));
    const float *const logits[2] = {
        dho_infer_output(run->infer, student->heads[0]),
        student->head_count == 2 ? dho_infer_output(run->infer, student->heads[1]) : NULL};
    dho_classifier_combine(classifier, logits, run->probabilities,
                           run->probabilities + student->classes, p);
    return DHO_OK;
}

dho_status dho_classifier_predict_file(dho_classifier *classifier, const char *path, double *p)
{
    dho_dataset dataset;
    DHO_TRY(open_run(classifier));
    DHO_TRY(dho_dataset_open_files(&dataset, &path, 1));
    const dho_status status = run_image(classifier, &dataset, p);
    dho_infer_stop(classifier->run->infer);
    dho_dataset_free(&dataset);
    return status;
}
