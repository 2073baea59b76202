#include "dho/microbatch.h"

int dho_microbatch_passes(const dho_student *student, bool separate, int rows, int labelled)
{
    const bool coupled = dho_graph_buffer_floats(student->graph) > 0 && /* batch statistics */
                         !student->frozen_batch_norm;
    return (separate || !coupled) && labelled > 0 && labelled < rows ? 2 : 1;
}

int dho_microbatch_largest_pass(int passes, int rows, int labelled)
{
    if (passes == 1) return rows;
    return labelled > rows - labelled ? labelled : rows - labelled;
}

dho_status dho_microbatch_check(const dho_student *student, int passes, int rows, int labelled)
{
    if (passes == 1) return dho_graph_check_batch(student->graph, rows);
    const dho_status status = dho_graph_check_batch(student->graph, labelled);
    if (status != DHO_OK) return dho_fail_prefix(status, "the labelled images' forward: ");
    if (dho_graph_check_batch(student->graph, rows - labelled) == DHO_OK) return DHO_OK;
    return dho_fail_prefix(DHO_ERR_CONFIG, "the unlabelled images' forward: ");
}

/* Rows first .. first+rows-1, of which the first `labelled` carry labels. */
static dho_loss_terms run_pass(const dho_microbatch *m, const dho_objective *objective, int first,
                               int rows, int labelled, float *gradients, float *statistics,
                               float *feature_gradients)
{
    const bool last = first + rows == m->rows;
    const dho_student *student = m->student;
    const size_t from = (size_t)first;
    const size_t classes = (size_t)student->classes;
    const float *heads[2] = {NULL, NULL};
    float *dheads[2] = {NULL, NULL};
    const char *images = (const char *)m->images + from * dho_executor_input_bytes(m->executor);
    const int drops = dho_graph_drop_count(student->graph);
    dho_executor_set_drops(m->executor, m->drops != NULL ? m->drops + first * drops : NULL);
    dho_executor_forward(m->executor, rows, images, m->parameters, m->buffers, statistics);
    for (int h = 0; h < student->head_count; h++) {
        heads[h] = dho_executor_output(m->executor, student->heads[h]);
        dheads[h] = dho_executor_output_gradient(m->executor, student->heads[h]);
    }
    const float *teacher = m->teacher_logits != NULL ? m->teacher_logits + from * classes : NULL;
    dho_loss_terms terms = dho_objective_evaluate(objective, rows, labelled, student->classes,
                                                  m->labels + from, teacher, heads, dheads);
    if (student->projection >= 0) {
        const int dim = dho_graph_channels(student->graph, student->projection);
        dho_objective_add_features(
            objective, rows, labelled, dim, m->embeddings + from * (size_t)dim,
            dho_executor_output(m->executor, student->projection),
            dho_executor_output_gradient(m->executor, student->projection), &terms);
    }
    if (feature_gradients != NULL) feature_gradients += from * (size_t)student->feature_dim;
    dho_executor_capture_gradient(m->executor, student->features, feature_gradients);
    dho_executor_on_final(m->executor, last ? m->final : NULL, m->final_context);
    dho_executor_backward(m->executor, m->parameters, gradients);
    return terms;
}

dho_loss_terms dho_microbatch_run(const dho_microbatch *m, const dho_objective *objective,
                                  float *gradients, float *statistics, float *feature_gradients)
{
    if (m->passes == 1)
        return run_pass(m, objective, 0, m->rows, m->labelled, gradients, statistics,
                        feature_gradients);
    dho_loss_terms terms = run_pass(m, objective, 0, m->labelled, m->labelled, gradients,
                                    statistics, feature_gradients);
    const dho_loss_terms rest =
        run_pass(m, objective, m->labelled, m->rows - m->labelled, 0, gradients,
                 statistics + dho_graph_buffer_floats(m->student->graph), feature_gradients);
    terms.kd_unlabelled = rest.kd_unlabelled;
    terms.feature_unlabelled = rest.feature_unlabelled;
    terms.total += rest.total;
    return terms;
}

void dho_microbatch_move_statistics(size_t floats, int passes, float scale, const float *statistics,
                                    float *buffers)
{
    for (int pass = 0; pass < passes; pass++, statistics += floats)
        for (size_t i = 0; i < floats; i++)
            buffers[i] = 0.9f * buffers[i] + 0.1f * (scale * statistics[i]);
}
