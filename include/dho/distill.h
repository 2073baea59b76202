/* The method: losses, the objective of each method, and the prediction. All Local.
 *
 * Dual-Head Optimization (arXiv 2505.07675): with features f of the backbone, a supervised head
 * h_ce(f) and a distillation head h_kd(f),
 *   L = lambda_ce CE(h_ce, y) + lambda_kd (KL_labelled + KL_unlabelled),
 *   KL_S = T^2 / |S| sum over i in S of KL(softmax(t_i/T) || softmax(h_kd_i/T)),
 *   p = alpha softmax(h_ce) + (1 - alpha) softmax(h_kd / beta).
 *
 * The methods that its paper compares with (its sections 3 and E; docs/method.md):
 *   SSKD   He et al. 2021, arXiv 2108.05045
 *   DHKD   Yang et al. 2024, arXiv 2411.08937
 *   DKD    Zhao et al. 2022, arXiv 2203.08679
 *   WKD-L  Lv et al. 2024, arXiv 2412.08139 */
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

/* BinaryKL-Norm (DHKD): T^2 * mean over rows of the sum over classes of KL((1/2, 1/2) || (q, 1 -
 * q)) with q = sigmoid((student - teacher)/T): the logits themselves are compared, not their
 * softmax. dstudent += weight * T * (q - 1/2) / rows. */
double dho_binary_divergence(int rows, int classes, const float *teacher, const float *student,
                             double temperature, float weight, float *dstudent);

/* Costs of moving probability from class to class, and what Sinkhorn's iteration reads of them:
 *   c_ij = 1 - exp(-kappa (1 - cos(w_i, w_j))) + 1e-8, c_ii = 1e-8,   K_ij = exp(-c_ij / eta)
 * with prototypes w, kappa = distill.wkd_sharpen, eta = distill.wkd_entropy. */
typedef struct dho_transport {
    int classes, iterations;
    float *kernel; /* owned, [classes][classes]: K */
    float *priced; /* owned, [classes][classes]: c K */
} dho_transport;

/* prototypes: [classes][dim], the weights of the teacher's head (the "fc" form of WKD's public
 * code; for a zero-shot teacher its texts' means). *out is owned (dho_transport_free), all zero on
 * error. Errors: DHO_ERR_MEMORY. */
dho_status dho_transport_create(dho_transport *out, const dho_config *config, int classes, int dim,
                                const float *prototypes);
void dho_transport_free(dho_transport *transport);
/* Doubles of scratch that the divergence needs. */
size_t dho_transport_scratch(const dho_transport *transport);

/* Mean over rows of the distance of x to target, both [rows][dim]:
 *   mse     1/dim |x - target|^2                (torch's mse_loss)
 *   cosine  1 - x.target / (|x| |target|)       (norms below 1e-8 count as that, as in torch)
 * dx += weight * its gradient. Returns 0 for no rows. */
double dho_feature_distance(dho_feature_loss kind, int rows, int dim, const float *target,
                            const float *x, float weight, float *dx);

/* What a microbatch lost; sums over microbatches are divided by their number. */
typedef struct dho_loss_terms {
    double ce, kd_labelled, kd_unlabelled;       /* unweighted; kd: all divergences of these rows */
    double feature_labelled, feature_unlabelled; /* unweighted */
    double total;                                /* weighted */
    int correct; /* labelled rows that the (supervised) head has right */
} dho_loss_terms;

typedef struct dho_objective {
    dho_method method;
    float temperature, lambda_ce, lambda_kd, lambda_feature;
    dho_feature_loss feature_loss;
    const dho_class_balance *balance; /* borrowed; of the cross-entropy; NULL: none */
    dho_divergence divergence;        /* of the labelled rows at the head with the cross-entropy */
    double dkd_alpha, dkd_beta, wkd_weight;
    const dho_transport *transport; /* borrowed; for wkd, else NULL */
    double *scratch;                /* borrowed, for wkd: [dho_transport_scratch], of one thread */
    double ce_from, kd_until;       /* shares of the run: which losses count when */
} dho_objective;

/* DKD: T^2 * mean over rows of alpha TCKD + beta NCKD; p = softmax(teacher/T), q =
 * softmax(student/T), y the row's label, p^ and q^ the same over the classes other than y:
 *   TCKD = KL((p_y, 1 - p_y) || (q_y, 1 - q_y)),   NCKD = KL(p^ || q^).
 * teacher, student: [rows][classes]; labels [rows]; dstudent += weight * its gradient. 0 for a
 * single class. */
double dho_decoupled_divergence(const dho_objective *objective, int rows, int classes,
                                const int32_t *labels, const float *teacher, const float *student,
                                float weight, float *dstudent);

/* WKD-L: mean over rows of  -p_y log q_y + wkd_weight W(p^, q^), p_y and q_y at temperature 1, p^
 * and q^ as above at T. W = sum of P_ij c_ij, P the plan after `iterations` of Sinkhorn's
 * iteration. dstudent += weight * the gradient of just that. Shapes as above; 0 for a single
 * class. */
double dho_wasserstein_divergence(const dho_objective *objective, int rows, int classes,
                                  const int32_t *labels, const float *teacher, const float *student,
                                  float weight, float *dstudent);

/* The objective that a configuration names; its balance is the caller's to set. */
dho_objective dho_objective_create(const dho_config *config);
/* The same with only its cross-entropy, or only what comes from the teacher. */
dho_objective dho_objective_only_ce(const dho_objective *objective);
dho_objective dho_objective_only_teacher(const dho_objective *objective);
/* The same at step `step` of `total`, from 0: without the cross-entropy before ce_from * total
 * steps are done, and without the teacher's losses from kd_until * total on. */
dho_objective dho_objective_at(const dho_objective *objective, int64_t step, int64_t total);

bool dho_method_uses_teacher(dho_method method);
bool dho_method_uses_features(dho_method method); /* the teacher's embeddings */
bool dho_method_is_dual(dho_method method);       /* has two heads */
/* Are its two heads combined with alpha and beta? SSKD's and DHKD's second head is for training
 * alone. */
bool dho_method_combines(dho_method method);

/* Losses and head gradients of one microbatch: rows 0 .. labelled-1 carry labels, the rest do not.
 * heads[0] is the supervised (or only) head, heads[1] the distillation head (of two), each
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
