/* The method: losses, the objective of each method, and the prediction. All Local.
 *
 * Dual-Head Optimization (arXiv 2505.07675): with features f of the backbone, a supervised head
 * h_ce(f) and a distillation head h_kd(f),
 *   L = lambda_ce CE(h_ce, y) + lambda_kd (KL_labelled + KL_unlabelled),
 *   KL_S = T^2 / |S| sum over i in S of KL(softmax(t_i/T) || softmax(h_kd_i/T)),
 *   p = alpha softmax(h_ce) + (1 - alpha) softmax(h_kd / beta). */
#ifndef DHO_DISTILL_H
#define DHO_DISTILL_H

#include "dho/config.h"
#include "dho/dataset.h"
#include "dho/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

/* What the cross-entropy has beside its plain form: what makes up for classes with few labelled
 * images, and label smoothing (Szegedy et al. 2016, arXiv 1512.00567). All zero: nothing. With
 * n_c labelled images of class c, N in all:
 *   weights  inverse:    w_c ~ 1 / n_c
 *            effective:  w_c ~ (1 - beta) / (1 - beta^n_c)     (Cui et al. 2019, arXiv 1901.05555)
 *            scaled so that the mean over the labelled images, sum of n_c w_c / N, is 1
 *   shifts   tau log(n_c / N)                   (Menon et al. 2021, arXiv 2007.07314) */
typedef struct dho_class_balance {
    double *weights;  /* owned, [classes]; NULL: each is 1 */
    double *shifts;   /* owned, [classes], added to the logits; NULL: each is 0 */
    double smoothing; /* distill.label_smoothing */
} dho_class_balance;

/* What distill.class_weights, distill.logit_adjust and distill.label_smoothing ask for. A class
 * without labelled images has weight 0. *out is owned (dho_class_balance_free), all zero on error.
 * Errors: DHO_ERR_CONFIG naming a class that has no labelled image, for which logit_adjust has no
 * logarithm; DHO_ERR_MEMORY. */
dho_status dho_class_balance_create(dho_class_balance *out, const dho_config *config,
                                    const dho_dataset *dataset, const dho_id_list *labelled);
void dho_class_balance_free(dho_class_balance *balance);

/* Mean over rows of w_y * cross-entropy of (logits + shifts), both [rows][classes], against
 * labels[rows]; dlogits += weight * w_y * (softmax - one-hot) / rows. balance NULL, or without
 * weights or shifts: w = 1, shifts = 0. With smoothing e the mean is of
 *   (1 - e) w_y (-log p_y) + e / classes * sum over c of w_c (-log p_c),
 * torch's cross_entropy(label_smoothing = e, weight = w). Divided by the rows, not by the sum of
 * their weights: so microbatches add up to the step. Returns the mean (0 for no rows). *correct
 * (may be NULL): rows whose largest logit, without shifts, is the label's. */
double dho_cross_entropy(int rows, int classes, const float *logits, const int32_t *labels,
                         const dho_class_balance *balance, float weight, float *dlogits,
                         int *correct);

/* T^2 * mean over rows of KL(softmax(teacher/T) || softmax(student/T)), both [rows][classes];
 * dstudent += weight * T * (softmax(student/T) - softmax(teacher/T)) / rows. */
double dho_kl_divergence(int rows, int classes, const float *teacher, const float *student,
                         double temperature, float weight, float *dstudent);

/* Mean over rows of the distance of x to target, both [rows][dim]:
 *   mse     1/dim |x - target|^2                (torch's mse_loss)
 *   cosine  1 - x.target / (|x| |target|)       (norms below 1e-8 count as that, as in torch)
 * dx += weight * its gradient. Returns 0 for no rows. */
double dho_feature_distance(dho_feature_loss kind, int rows, int dim, const float *target,
                            const float *x, float weight, float *dx);

/* What a microbatch lost; sums over microbatches are divided by their number. */
typedef struct dho_loss_terms {
    double ce, kd_labelled, kd_unlabelled;       /* unweighted */
    double feature_labelled, feature_unlabelled; /* unweighted */
    double total;                                /* weighted */
    int correct; /* labelled rows that the (supervised) head has right */
} dho_loss_terms;

typedef struct dho_objective {
    dho_method method;
    float temperature, lambda_ce, lambda_kd, lambda_feature;
    dho_feature_loss feature_loss;
    const dho_class_balance *balance; /* borrowed; of the cross-entropy; NULL: none */
} dho_objective;

/* The objective that a configuration names; its balance is the caller's to set. */
dho_objective dho_objective_create(const dho_config *config);
/* The same with only its cross-entropy, or only what comes from the teacher. */
dho_objective dho_objective_only_ce(const dho_objective *objective);
dho_objective dho_objective_only_teacher(const dho_objective *objective);

bool dho_method_uses_teacher(dho_method method);
bool dho_method_uses_features(dho_method method); /* the teacher's embeddings */
bool dho_method_is_dual(dho_method method);

/* Losses and head gradients of one microbatch: rows 0 .. labelled-1 carry labels, the rest do not.
 * heads[0] is the supervised (or only) head, heads[1] the distillation head (dho only), each
 * [rows][classes]; dheads are set (not added to). teacher: [rows][classes], NULL for ce. Rows of
 * one kind only are fine: the losses of the other kind are 0. */
dho_loss_terms dho_objective_evaluate(const dho_objective *objective, int rows, int labelled,
                                      int classes, const int32_t *labels, const float *teacher,
                                      const float *const heads[2], float *const dheads[2]);

/* Adds the feature loss of the same rows (methods feature and logit_feature):
 *   lambda_feature (D_labelled + D_unlabelled), D_S = mean over i in S of the distance above,
 * between the student's projected features and the teacher's embeddings, both [rows][dim];
 * dprojected is set. */
void dho_objective_add_features(const dho_objective *objective, int rows, int labelled, int dim,
                                const float *embeddings, const float *projected, float *dprojected,
                                dho_loss_terms *inout);

/* p = softmax(logits / temperature) over the classes with mask[c] (NULL: all); the others get 0.
 * The two heads' predictions are p = alpha softmax(ce, 1) + (1 - alpha) softmax(kd, beta). All
 * [classes]. */
void dho_masked_softmax(int classes, const bool *mask, const float *logits, double temperature,
                        float *p);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif

#endif
