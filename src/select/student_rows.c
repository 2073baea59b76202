#include "select/student_rows.h"

#include "dho/alloc.h"
#include "dho/run_setup.h"

#include <math.h>

typedef struct taker {
    const dho_select_student *student;
    dho_select_by by;
    size_t width;
    float *rows;    /* [images][width], or NULL */
    double *scores; /* [images], or NULL */
    float *heads;   /* owned, [2][classes] */
    double *p;      /* owned, [classes] */
} taker;

static double entropy(const double *p, int classes)
{
    double sum = 0;
    for (int c = 0; c < classes; c++)
        if (p[c] > 0) sum -= p[c] * log(p[c]);
    return sum;
}

static double margin(const double *p, int classes)
{
    double first = 0, second = 0;
    for (int c = 0; c < classes; c++) {
        if (p[c] > first) {
            second = first;
            first = p[c];
        } else if (p[c] > second) {
            second = p[c];
        }
    }
    return first - second;
}

static void take_prediction(const taker *job, const float *ce, const float *kd, int64_t i)
{
    const dho_classifier *classifier = job->student->classifier;
    const int classes = classifier->model.student.classes;
    const float *const logits[2] = {ce, kd};
    dho_classifier_combine(classifier, logits, job->heads, job->heads + classes, job->p);
    if (job->rows != NULL)
        for (int c = 0; c < classes; c++)
            job->rows[(size_t)i * job->width + (size_t)c] = (float)job->p[c];
    else
        job->scores[i] =
            job->by == DHO_SELECT_ENTROPY ? entropy(job->p, classes) : -margin(job->p, classes);
}

static void take_features(const taker *job, const float *features, int64_t i)
{
    float *row = job->rows + (size_t)i * job->width;
    double sum = 0;
    for (size_t k = 0; k < job->width; k++) sum += (double)features[k] * features[k];
    const double scale = sum > 0 ? 1 / sqrt(sum) : 0;
    for (size_t k = 0; k < job->width; k++) row[k] = (float)(features[k] * scale);
}

static dho_status take_batch(void *context, const float *const *outputs, int64_t first, int count)
{
    const taker *job = context;
    const dho_student *student = &job->student->classifier->model.student;
    const size_t classes = (size_t)student->classes;
    for (int k = 0; k < count; k++) {
        const size_t at = (size_t)k;
        if (job->by == DHO_SELECT_CORESET)
            take_features(job, outputs[0] + at * job->width, first + k);
        else
            take_prediction(job, outputs[0] + at * classes,
                            student->head_count == 2 ? outputs[1] + at * classes : NULL, first + k);
    }
    return DHO_OK;
}

size_t dho_select_width(const dho_select_student *student, dho_select_by by)
{
    const dho_student *of = &student->classifier->model.student;
    return (size_t)(by == DHO_SELECT_CORESET ? of->feature_dim : of->classes);
}

static dho_status run(taker *job, const dho_infer_list *list)
{
    const dho_select_student *student = job->student;
    const dho_student *model = &student->classifier->model.student;
    dho_infer_rows outputs[2];
    dho_infer_list own = *list;
    own.outputs = outputs;
    own.count = job->by == DHO_SELECT_CORESET ? 1 : model->head_count;
    own.transform = dho_setup_eval_transform(student->config, model->image_size);
    job->width = dho_select_width(student, job->by);
    for (int o = 0; o < own.count; o++)
        outputs[o] = (dho_infer_rows){.node = job->by == DHO_SELECT_CORESET ? model->features
                                                                            : model->heads[o],
                                      .width = job->width,
                                      .name = "the student's output"};
    const size_t classes = (size_t)model->classes;
    dho_status status;
    DHO_TRY_GOTO(dho_alloc(&job->heads, 2 * classes, sizeof *job->heads, "predictions"));
    DHO_TRY_GOTO(dho_alloc(&job->p, classes, sizeof *job->p, "predictions"));
    DHO_TRY_GOTO(dho_infer_share(student->infer, &own, take_batch, job));
fail:
    dho_free(job->heads);
    dho_free(job->p);
    return status;
}

dho_status dho_select_rows(const dho_select_student *student, const dho_infer_list *list,
                           dho_select_by by, float *rows)
{
    taker job = {.student = student, .by = by, .rows = rows};
    return run(&job, list);
}

dho_status dho_select_scores(const dho_select_student *student, const dho_infer_list *list,
                             dho_select_by by, double *scores)
{
    taker job = {.student = student, .by = by, .scores = scores};
    return run(&job, list);
}
