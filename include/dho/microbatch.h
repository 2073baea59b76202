/* One microbatch through the student: forward, losses, backward. Local. */
#ifndef DHO_MICROBATCH_H
#define DHO_MICROBATCH_H

#include "dho/distill.h"
#include "dho/student.h"

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

/* All borrowed. Rows 0 .. labelled-1 carry labels. */
typedef struct dho_microbatch {
    dho_executor *executor;
    const dho_student *student;
    const float *parameters;
    const float *buffers; /* the running statistics of a student with frozen batch normalisations */
    const float *drops;   /* [rows][dho_graph_drop_count]: factors of branches; NULL: all 1 */
    int passes;           /* dho_microbatch_passes */
    int rows, labelled;
    const void *images;          /* [rows][image_size][image_size][3] as the executor reads them */
    const int32_t *labels;       /* [labelled] or more */
    const float *teacher_logits; /* [rows][classes]; NULL: the method has none */
    const float *embeddings;     /* [rows][projection's width]; of the feature methods */
    dho_gradients_final final;   /* called in the last pass's backward; NULL: nobody asks */
    void *final_context;
} dho_microbatch;

/* How often the student runs. Twice, first on the labelled rows, then on the others, if there are
 * both and `separate` wants batch statistics of each (the method's fine-grained code), or there are
 * none: without batch normalisation, or with a frozen one, nothing couples the rows, the gradients
 * are the same, and only one pass's activations are there at a time. */
int dho_microbatch_passes(const dho_student *student, bool separate, int rows, int labelled);

/* Rows of the largest pass: the executor's batch. */
int dho_microbatch_largest_pass(int passes, int rows, int labelled);

/* Can each pass be trained? Errors: those of dho_graph_check_batch. */
dho_status dho_microbatch_check(const dho_student *student, int passes, int rows, int labelled);

/* gradients += (slab like the parameters); statistics [passes][buffer_floats] is set.
 * feature_gradients [rows][feature_dim] (NULL: not wanted) gets the loss's gradient at the shared
 * features. */
dho_loss_terms dho_microbatch_run(const dho_microbatch *microbatch, const dho_objective *objective,
                                  float *gradients, float *statistics, float *feature_gradients);

/* Running statistics move by 0.1 towards each pass's statistics, times `scale`, in the order of the
 * passes: the labelled rows' first. */
void dho_microbatch_move_statistics(size_t floats, int passes, float scale, const float *statistics,
                                    float *buffers);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif

#endif
