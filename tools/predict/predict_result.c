#include "predict/predict_result.h"

#include "base/finite.h"
#include "dho/alloc.h"

dho_status dho_result_maker_open(dho_result_maker *maker)
{
    const size_t classes = (size_t)maker->classifier->model.student.classes;
    if (maker->top > (int)classes) maker->top = (int)classes;
    DHO_TRY(dho_alloc(&maker->ce, classes, sizeof *maker->ce, "probabilities"));
    DHO_TRY(dho_alloc(&maker->kd, classes, sizeof *maker->kd, "probabilities"));
    DHO_TRY(dho_alloc(&maker->p, classes, sizeof *maker->p, "probabilities"));
    return dho_alloc(&maker->best, (size_t)maker->top, sizeof *maker->best, "probabilities");
}

void dho_result_maker_close(dho_result_maker *maker)
{
    dho_free(maker->ce);
    dho_free(maker->kd);
    dho_free(maker->p);
    dho_free(maker->best);
}

/* Keeps the `top` likeliest so far, in order. */
static void choose(dho_result_maker *maker, int classes, bool dual)
{
    int count = 0;
    for (int c = 0; c < classes; c++) {
        if (count == maker->top && !(maker->p[c] > maker->best[count - 1].p)) continue;
        int at = count < maker->top ? count++ : count - 1;
        for (; at > 0 && maker->p[c] > maker->best[at - 1].p; at--)
            maker->best[at] = maker->best[at - 1];
        maker->best[at] = (dho_likely){
            .class_index = c, .p = maker->p[c], .ce = maker->ce[c], .kd = dual ? maker->kd[c] : 0};
    }
}

void dho_result_make(dho_result_maker *maker, const float *const heads[2], const char *path,
                     dho_result *out)
{
    const dho_student *student = &maker->classifier->model.student;
    const size_t classes = (size_t)student->classes;
    *out = (dho_result){.path = path, .accepted = true};
    for (int h = 0; h < student->head_count; h++)
        if (dho_first_not_finite(heads[h], classes) < classes)
            out->error = "the student's output is not finite";
    if (out->error != NULL) return;
    dho_classifier_combine(maker->classifier, heads, maker->ce, maker->kd, maker->p);
    choose(maker, student->classes, student->head_count == 2);
    out->top = maker->best;
    out->count = maker->top;
    if (maker->reject == DHO_REJECT_NEVER) return;
    out->score = dho_classifier_score(maker->classifier, maker->reject, heads, maker->p);
    out->accepted = out->score <= maker->limit;
}
