#include "train/not_finite.h"

#include "base/finite.h"
#include "dho/log.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* The tensor that a value of the parameters' slab belongs to. */
static const char *name_at(const dho_trainer *trainer, size_t at)
{
    const dho_graph *graph = trainer->student.graph;
    for (size_t i = 0; i < dho_graph_parameter_count(graph); i++) {
        const dho_slot *slot = dho_graph_parameter(graph, i);
        if (at >= slot->offset && at - slot->offset < slot->count) return slot->name;
    }
    return "?";
}

/* A matrix of which a row belongs to an image. */
typedef struct matrix {
    const char *what;
    const float *values;
    int first, rows, columns; /* first: of the batch's rows */
} matrix;

static bool blame_row(const dho_trainer *trainer, const dho_batch *batch, const matrix *m,
                      char *out, size_t bytes)
{
    const size_t count = m->values == NULL ? 0 : (size_t)m->rows * (size_t)m->columns;
    const size_t at = dho_first_not_finite(m->values, count);
    if (at == count) return false;
    const int64_t id = batch->draws[m->first + (int)(at / (size_t)m->columns)].id;
    snprintf(out, bytes, "%s of %s: value %zu is %g", m->what, trainer->dataset.samples[id].path,
             at % (size_t)m->columns, dho_shown_value(m->values[at]));
    return true;
}

/* The heads' outputs are those of the last pass. */
static bool blame(const dho_trainer *trainer, const dho_lane *lane, const dho_batch *batch,
                  char *out, size_t bytes)
{
    const dho_student *student = &trainer->student;
    const int first = trainer->passes == 2 ? batch->labelled : 0, rows = batch->count;
    const bool teacher = trainer->cache != NULL;
    const int dim = teacher ? dho_cache_get_spec(trainer->cache)->dim : 0;
    const bool embeddings =
        teacher && dho_cache_get_spec(trainer->cache)->payload == DHO_CACHE_EMBEDDING;
    const matrix inputs[] = {
        {"the teacher's features", embeddings ? lane->teacher_payload : NULL, 0, rows, dim},
        {"the teacher's logits", teacher ? lane->teacher_logits : NULL, 0, rows,
         student->classes}};
    for (size_t i = 0; i < sizeof inputs / sizeof *inputs; i++)
        if (blame_row(trainer, batch, &inputs[i], out, bytes)) return true;
    const size_t at = dho_first_not_finite(trainer->parameters, trainer->parameter_floats);
    if (at < trainer->parameter_floats) {
        snprintf(out, bytes, "the weights: %s has %g", name_at(trainer, at),
                 dho_shown_value(trainer->parameters[at]));
        return true;
    }
    for (int h = 0; h < student->head_count; h++) {
        const matrix head = {h == 0 ? "the first head's output" : "the second head's output",
                             dho_executor_output(lane->executor, student->heads[h]), first,
                             rows - first, student->classes};
        if (blame_row(trainer, batch, &head, out, bytes)) return true;
    }
    return false;
}

void dho_not_finite_warn(const dho_trainer *trainer, const dho_lane *lane, const dho_batch *batch,
                         double loss)
{
    char cause[512] = "samples";
    if (!blame(trainer, lane, batch, cause, sizeof cause)) {
        size_t used = strlen(cause);
        for (int r = 0; r < batch->count && used + 24 < 256; r++)
            used += (size_t)snprintf(cause + used, sizeof cause - used, " %lld",
                                     (long long)batch->draws[r].id);
    }
    dho_warn("step %lld: microbatch %d has loss %g; %s", (long long)trainer->step + 1, batch->shard,
             dho_shown_value(loss), cause);
}

dho_status dho_not_finite_fail(const dho_trainer *trainer, const dho_step_metrics *metrics,
                               const float *gradient)
{
    char first[200] = "";
    const char *advice = " (a lower train.lr may help)";
    const double loss = metrics->values[DHO_METRIC_LOSS];
    const double norm = metrics->values[DHO_METRIC_GRADIENT_NORM];
    const size_t at = dho_first_not_finite(gradient, trainer->parameter_floats);
    if (isfinite(loss) && at < trainer->parameter_floats)
        snprintf(first, sizeof first, ", the gradient of %.120s has %g", name_at(trainer, at),
                 dho_shown_value(gradient[at]));
    if (trainer->skips_in_a_row > 0)
        advice = ", as those before it";
    else if (trainer->step == 0) /* nothing has been learnt yet */
        advice =
            ", before any update: not train.lr, but the weights of the start, the images or the "
            "teacher's logits are at fault";
    return dho_fail(DHO_ERR_NUMERIC, "step %lld: loss %g, gradient norm %g: not finite%s%s",
                    (long long)metrics->step, dho_shown_value(loss), dho_shown_value(norm), first,
                    advice);
}
