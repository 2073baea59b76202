/* The words that keys of the configuration take, one enumeration a key; src/config/schema.c has
 * their spelling. */
#ifndef DHO_CONFIG_WORDS_H
#define DHO_CONFIG_WORDS_H

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

typedef enum dho_method {
    DHO_METHOD_CE,          /* one head, cross-entropy on the labels */
    DHO_METHOD_KD,          /* one head, KL to the teacher */
    DHO_METHOD_SINGLE_HEAD, /* one head, both losses */
    DHO_METHOD_DHO,         /* two heads, one loss each */
    DHO_METHOD_FEATURE, /* one head with CE; projected features regress the teacher's embedding */
    DHO_METHOD_LOGIT_FEATURE, /* one head with CE and KL; and the regression */
    DHO_METHOD_SSKD, /* two heads: CE and KL of the labelled images, KL of the unlabelled ones */
    DHO_METHOD_DHKD  /* two heads: CE, and a loss on the logits themselves */
} dho_method;

enum { DHO_METHOD_COUNT = DHO_METHOD_DHKD + 1 };

/* Whose choices fill the keys that are not given: this project's, or the public code's
 * (docs/method.md). */
typedef enum dho_compat { DHO_COMPAT_NONE, DHO_COMPAT_REFERENCE } dho_compat;
typedef enum dho_head_form {
    DHO_HEAD_AUTO,   /* cosine for the distillation head of a CLIP student, else linear */
    DHO_HEAD_LINEAR, /* W f + b */
    DHO_HEAD_COSINE  /* scale * (W f/|f| + b) */
} dho_head_form;
typedef enum dho_feature_loss { DHO_FEATURE_MSE, DHO_FEATURE_COSINE } dho_feature_loss;
/* What compares teacher and student on labelled images at the head that learns the labels. */
typedef enum dho_divergence {
    DHO_DIVERGENCE_KL,
    DHO_DIVERGENCE_DKD, /* decoupled: the label's class and the others apart */
    DHO_DIVERGENCE_WKD  /* Wasserstein distance over the other classes */
} dho_divergence;
/* How the gradients of cross-entropy and of the teacher's losses become one. */
typedef enum dho_gradient_rule { DHO_GRADIENTS_SUM, DHO_GRADIENTS_PCGRAD } dho_gradient_rule;
/* How much a labelled image of a class counts in the cross-entropy (dho/distill.h). */
typedef enum dho_class_weights {
    DHO_WEIGHTS_NONE,
    DHO_WEIGHTS_INVERSE,
    DHO_WEIGHTS_EFFECTIVE
} dho_class_weights;
typedef enum dho_forward { DHO_FORWARD_STACKED, DHO_FORWARD_SEPARATE } dho_forward;
typedef enum dho_epoch_of {
    DHO_EPOCH_UNLABELLED,
    DHO_EPOCH_LABELLED,
    DHO_EPOCH_SHORTER
} dho_epoch_of;

/* How images fill batches: full batches from endless streams, or as PyTorch's loaders do. */
typedef enum dho_batches { DHO_BATCHES_STREAM, DHO_BATCHES_LOADER } dho_batches;
typedef enum dho_small_classes { DHO_SMALL_ONCE, DHO_SMALL_REPEAT } dho_small_classes;
typedef enum dho_ties { DHO_TIES_MIDDLE, DHO_TIES_FIRST } dho_ties;

/* DHO_FORMAT_IMAGEFOLDER, ...: a layout of images and labels on disk. */
typedef enum dho_format {
#define DHO_LAYOUT(id, ...) DHO_FORMAT_##id,
#include "dho/layout_rows.h"
#undef DHO_LAYOUT
} dho_format;

typedef enum dho_label_source {
    DHO_LABELS_ALL,
    DHO_LABELS_SHOTS,
    DHO_LABELS_PERCENT,
    DHO_LABELS_FILE,
    DHO_LABELS_BALANCED
} dho_label_source;
/* What a broken image does to a batch, or a number that is not finite to a step. */
typedef enum dho_skip_policy { DHO_POLICY_FAIL, DHO_POLICY_SKIP } dho_skip_policy;
/* The metric of an evaluation by which a checkpoint is the best: DHO_BEST_EVAL_TOP1, ... */
typedef enum dho_keep_best {
    DHO_BEST_NONE,
#define DHO_METRIC(id, ...)
#define DHO_METRIC_SCORE(id, word, ...) DHO_BEST_##id,
#include "dho/metric_rows.h"
#undef DHO_METRIC
} dho_keep_best;
/* How images are resampled. */
typedef enum dho_filter { DHO_FILTER_BILINEAR, DHO_FILTER_BICUBIC } dho_filter;
typedef enum dho_backend {
    DHO_BACKEND_AUTO,
    DHO_BACKEND_REF,
    DHO_BACKEND_BLIS,
    DHO_BACKEND_ONEDNN
} dho_backend;
/* block: backward makes the values inside the blocks of a model again; a third more work. */
typedef enum dho_recompute { DHO_RECOMPUTE_NONE, DHO_RECOMPUTE_BLOCK } dho_recompute;
/* How activations are stored, those that the loader writes among them. */
typedef enum dho_compute_dtype { DHO_DTYPE_FP32, DHO_DTYPE_BF16 } dho_compute_dtype;
/* frozen: training uses the running statistics and leaves them alone (torch's bn.eval()). */
typedef enum dho_batch_norm { DHO_BATCH_NORM_BATCH, DHO_BATCH_NORM_FROZEN } dho_batch_norm;
typedef enum dho_freeze { DHO_FREEZE_NONE, DHO_FREEZE_BACKBONE } dho_freeze; /* not trained */
/* What weight decay is on. matrices: weights of convolutions and linear layers alone. */
typedef enum dho_decay_on { DHO_DECAY_ON_ALL, DHO_DECAY_ON_MATRICES } dho_decay_on;
typedef enum dho_optimizer_kind { DHO_OPTIMIZER_ADAMW, DHO_OPTIMIZER_SGD } dho_optimizer_kind;
typedef enum dho_schedule_kind {
    DHO_SCHEDULE_COSINE,
    DHO_SCHEDULE_LINEAR,
    DHO_SCHEDULE_CONSTANT,
    DHO_SCHEDULE_WARMUP_TIMES_COSINE /* the cosine runs from step 0, under the warm-up */
} dho_schedule_kind;

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif

#endif
