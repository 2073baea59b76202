#include "config/schema.h"

#include <math.h>

/* --- words: in the order of the enums ------------------------------------------------------- */

static const char *const method_words[] = {[DHO_METHOD_CE] = "ce",
                                           [DHO_METHOD_KD] = "kd",
                                           [DHO_METHOD_SINGLE_HEAD] = "single_head",
                                           [DHO_METHOD_DHO] = "dho",
                                           [DHO_METHOD_FEATURE] = "feature",
                                           [DHO_METHOD_LOGIT_FEATURE] = "logit_feature",
                                           [DHO_METHOD_SSKD] = "sskd",
                                           [DHO_METHOD_DHKD] = "dhkd",
                                           NULL};
static const char *const compat_words[] = {
    [DHO_COMPAT_NONE] = "none", [DHO_COMPAT_REFERENCE] = "reference", NULL};
static const char *const head_words[] = {
    [DHO_HEAD_AUTO] = "auto", [DHO_HEAD_LINEAR] = "linear", [DHO_HEAD_COSINE] = "cosine", NULL};
static const char *const class_weight_words[] = {"none", "inverse", "effective", NULL};
static const char *const feature_loss_words[] = {
    [DHO_FEATURE_MSE] = "mse", [DHO_FEATURE_COSINE] = "cosine", NULL};
static const char *const divergence_words[] = {
    [DHO_DIVERGENCE_KL] = "kl", [DHO_DIVERGENCE_DKD] = "dkd", [DHO_DIVERGENCE_WKD] = "wkd", NULL};
static const char *const gradient_words[] = {
    [DHO_GRADIENTS_SUM] = "sum", [DHO_GRADIENTS_PCGRAD] = "pcgrad", NULL};
static const char *const forward_words[] = {
    [DHO_FORWARD_STACKED] = "stacked", [DHO_FORWARD_SEPARATE] = "separate", NULL};
static const char *const epoch_words[] = {[DHO_EPOCH_UNLABELLED] = "unlabelled",
                                          [DHO_EPOCH_LABELLED] = "labelled",
                                          [DHO_EPOCH_SHORTER] = "shorter",
                                          NULL};
static const char *const batches_words[] = {
    [DHO_BATCHES_STREAM] = "stream", [DHO_BATCHES_LOADER] = "loader", NULL};
static const char *const small_words[] = {
    [DHO_SMALL_ONCE] = "once", [DHO_SMALL_REPEAT] = "repeat", NULL};
static const char *const ties_words[] = {
    [DHO_TIES_MIDDLE] = "middle", [DHO_TIES_FIRST] = "first", NULL};
static const char *const format_words[] = {
#define DHO_LAYOUT(id, word, ...) [DHO_FORMAT_##id] = #word,
#include "dho/layout_rows.h"
#undef DHO_LAYOUT
    NULL};
static const char *const label_words[] = {
    [DHO_LABELS_ALL] = "all",           [DHO_LABELS_SHOTS] = "shots",
    [DHO_LABELS_PERCENT] = "percent",   [DHO_LABELS_FILE] = "file",
    [DHO_LABELS_BALANCED] = "balanced", NULL};
static const char *const policy_words[] = {
    [DHO_POLICY_FAIL] = "fail", [DHO_POLICY_SKIP] = "skip", NULL};
static const char *const interpolation_words[] = {
    [DHO_FILTER_BILINEAR] = "bilinear", [DHO_FILTER_BICUBIC] = "bicubic", NULL};
static const char *const backend_words[] = {[DHO_BACKEND_AUTO] = "auto",
                                            [DHO_BACKEND_REF] = "ref",
                                            [DHO_BACKEND_BLIS] = "blis",
                                            [DHO_BACKEND_ONEDNN] = "onednn",
                                            NULL};
static const char *const dtype_words[] = {
    [DHO_DTYPE_FP32] = "fp32", [DHO_DTYPE_BF16] = "bf16", NULL};
static const char *const recompute_words[] = {
    [DHO_RECOMPUTE_NONE] = "none", [DHO_RECOMPUTE_BLOCK] = "block", NULL};
static const char *const batch_norm_words[] = {
    [DHO_BATCH_NORM_BATCH] = "batch", [DHO_BATCH_NORM_FROZEN] = "frozen", NULL};
static const char *const freeze_words[] = {
    [DHO_FREEZE_NONE] = "none", [DHO_FREEZE_BACKBONE] = "backbone", NULL};
static const char *const decay_words[] = {
    [DHO_DECAY_ON_ALL] = "all", [DHO_DECAY_ON_MATRICES] = "matrices", NULL};
static const char *const optimizer_words[] = {
    [DHO_OPTIMIZER_ADAMW] = "adamw", [DHO_OPTIMIZER_SGD] = "sgd", NULL};
static const char *const schedule_words[] = {[DHO_SCHEDULE_COSINE] = "cosine",
                                             [DHO_SCHEDULE_LINEAR] = "linear",
                                             [DHO_SCHEDULE_CONSTANT] = "constant",
                                             [DHO_SCHEDULE_WARMUP_TIMES_COSINE] =
                                                 "warmup_times_cosine",
                                             NULL};
static const char *const best_words[] = {"none",
#define DHO_METRIC(id, ...)
#define DHO_METRIC_SCORE(id, word, ...) #word,
#include "dho/metric_rows.h"
#undef DHO_METRIC
                                         NULL};
static const char *const model_words[] = {
#define DHO_MODEL(word, ...) #word,
#include "dho/model_rows.h"
#undef DHO_MODEL
    NULL};
static const char *const split_words[] = {"train", "val", "test", NULL};

/* Enum members are read and written as int. */
_Static_assert(
    sizeof(dho_method) == sizeof(int) && sizeof(dho_format) == sizeof(int) &&
        sizeof(dho_label_source) == sizeof(int) && sizeof(dho_skip_policy) == sizeof(int) &&
        sizeof(dho_filter) == sizeof(int) && sizeof(dho_backend) == sizeof(int) &&
        sizeof(dho_compute_dtype) == sizeof(int) && sizeof(dho_recompute) == sizeof(int) &&
        sizeof(dho_optimizer_kind) == sizeof(int) && sizeof(dho_schedule_kind) == sizeof(int) &&
        sizeof(dho_compat) == sizeof(int) && sizeof(dho_head_form) == sizeof(int) &&
        sizeof(dho_feature_loss) == sizeof(int) && sizeof(dho_forward) == sizeof(int) &&
        sizeof(dho_divergence) == sizeof(int) && sizeof(dho_gradient_rule) == sizeof(int) &&
        sizeof(dho_class_weights) == sizeof(int) && sizeof(dho_epoch_of) == sizeof(int) &&
        sizeof(dho_batches) == sizeof(int) && sizeof(dho_keep_best) == sizeof(int) &&
        sizeof(dho_small_classes) == sizeof(int) && sizeof(dho_ties) == sizeof(int) &&
        sizeof(dho_batch_norm) == sizeof(int) && sizeof(dho_freeze) == sizeof(int) &&
        sizeof(dho_decay_on) == sizeof(int),
    "enums are ints");

/* --- how a row is written: the key is the member, and its type is checked against it --------- */

#define ANY .low = -INFINITY, .high = INFINITY
#define FROM(a) .low = (a), .high = INFINITY
#define ABOVE(a) .low = (a), .high = INFINITY, .low_open = true
#define IN(a, b) .low = (a), .high = (b)           /* [a, b] */
#define IN_ABOVE(a, b) IN(a, b), .low_open = true  /* (a, b] */
#define IN_BELOW(a, b) IN(a, b), .high_open = true /* [a, b) */

/* A table and its notation: laid out by hand. */
/* clang-format off */
/* The range comes last: it expands to more than one argument. */
#define ROW(type_, key_, decides_, value, unit_, help_, ...)                                       \
    .key = #key_, .type = type_, .offset = offsetof(STRUCTURE, key_), .fallback = value,           \
    .unit = unit_, .help = help_, .decides = DHO_DECIDES_##decides_, __VA_ARGS__
#define TYPE(key_) ((STRUCTURE *)0)->key_
#define TEXT_TYPE(key_) _Generic(TYPE(key_), char *: DHO_FIELD_TEXT)
#define NUMBER(key_, decides_, value, range, unit_, help_)                                         \
    {ROW(_Generic(TYPE(key_), int64_t: DHO_FIELD_INT, uint64_t: DHO_FIELD_UINT,                    \
         double: DHO_FIELD_DOUBLE), key_, decides_, value, unit_, help_, range)}
#define BOOL(key_, decides_, value, help_)                                                         \
    {ROW(_Generic(TYPE(key_), bool: DHO_FIELD_BOOL), key_, decides_, value, "", help_, ANY)}
#define WORD(key_, decides_, words_, value, help_)                                                 \
    {ROW(DHO_FIELD_WORD, key_, decides_, value, "", help_, ANY), .words = words_}
#define TEXT(key_, decides_, value, help_) {ROW(TEXT_TYPE(key_), key_, decides_, value, "", help_, ANY)}
#define PATH(key_, decides_, value, help_)                                                         \
    {ROW(TEXT_TYPE(key_), key_, decides_, value, "", help_, ANY), .is_path = true}
#define TEXT_WORD(key_, decides_, words_, value, help_)                                            \
    {ROW(TEXT_TYPE(key_), key_, decides_, value, "", help_, ANY), .words = words_}
#define VECTOR(key_, decides_, value, range, unit_, help_)                                         \
    {ROW(_Generic(TYPE(key_), double *: DHO_FIELD_VECTOR), key_, decides_, value, unit_, help_, range),\
     .size = sizeof(TYPE(key_)) / sizeof(double)}
#define LIST(key_, decides_, count_, value, range, unit_, help_)                                   \
    {ROW(_Generic(&TYPE(key_), double **: DHO_FIELD_LIST), key_, decides_, value, unit_, help_, range),\
     .size = offsetof(STRUCTURE, count_)}
#define SETS(key_, decides_, count_, value, help_)                                                 \
    {ROW(_Generic(TYPE(key_), dho_config_set *: DHO_FIELD_SETS), key_, decides_, value, "", help_, ANY),\
     .size = offsetof(STRUCTURE, count_)}
#define INHERIT_WORD(key_, decides_, words_, from_, help_)                                         \
    {ROW(DHO_FIELD_WORD, key_, decides_, NULL, "", help_, ANY), .words = words_, .inherit = from_}
#define INHERIT_PATH(key_, decides_, from_, help_)                                                 \
    {ROW(TEXT_TYPE(key_), key_, decides_, NULL, "", help_, ANY), .inherit = from_, .is_path = true}

/* Bounds of counts: far above any use, and small enough that products of two fit in 64 bits. */
#define MANY 1000000000.0
#define SIDE 1048576.0

#define STRUCTURE dho_config
static const dho_field config_fields[] = {
    NUMBER(seed, NUMBERS, "0", FROM(0), "", "seed of every random number of the run"),
    WORD(method, NUMBERS, method_words, "dho", "which heads and losses are trained"),
    WORD(compat, NUMBERS, compat_words, "none",
         "reference: keys that are not given take the public code's values (docs/method.md)"),
    PATH(out, LOG, "runs/default", "the run's folder: checkpoints, metrics, reports"),

    WORD(data.format, PLACE, format_words, "imagefolder", "how images and labels lie on disk (docs/datasets.md)"),
    PATH(data.root, PLACE, "", "image folder; needed to train"),
    PATH(data.unlabelled, PLACE, "",
         "further images, without classes: a folder of any depth, of tars, or a list of paths"),
    PATH(data.split_file, PLACE, "", "split JSON, or FGVC-Aircraft's variants.txt; format: coop only"),
    TEXT_WORD(data.split, NUMBERS, split_words, "train", "which split to train on; format: coop only"),
    WORD(data.labels, NUMBERS, label_words, "all", "which training images have a label"),
    NUMBER(data.shots, NUMBERS, "0", IN(0, MANY), "images per class",
           "labelled images; with labels: shots, from 1"),
    WORD(data.small_classes, NUMBERS, small_words, "once",
         "labels: shots, a class with fewer images: each of them once, or shots draws that repeat some"),
    NUMBER(data.percent, NUMBERS, "0", IN(0, 100), "% per class",
           "labelled images; with labels: percent or balanced, above 0"),
    PATH(data.label_file, PLACE, "", "list of labelled image names; with labels: file"),
    PATH(data.class_file, PLACE, "", "list of the class names that must be there, and no others"),
    PATH(data.class_names, LOG, "", "what people call the classes: lines \"n01440764 tench\"; kept for predictions"),
    TEXT(data.holdout, NUMBERS, "",
         "labelled images that are not trained on, of each class: a percentage (10 %) or a number; "
         "empty: none (docs/datasets.md)"),
    NUMBER(data.label_seed, NUMBERS, "1", FROM(0), "", "seed of the labelled subset's choice (balanced: numpy's, 13 in the method's code) and of holdout's"),
    BOOL(data.exclude_labelled, NUMBERS, "false", "labelled images are no unlabelled ones as well"),
    NUMBER(data.image_size, NUMBERS, "224", IN(32, 1024), "pixels", "side of the student's input"),
    VECTOR(data.crop_scale, NUMBERS, "[0.5, 1.0]", IN_ABOVE(0, 1), "of the area",
           "random crop: least and greatest part"),
    VECTOR(data.crop_ratio, NUMBERS, "[0.75, 1.3333333333333333]", ABOVE(0), "width / height",
           "random crop: least and greatest ratio"),
    BOOL(data.flip, NUMBERS, "true", "random horizontal flip"),
    NUMBER(data.randaugment, NUMBERS, "0", IN(0, 16), "operations an image",
           "RandAugment on the crop; 0: off (docs/pretrained.md)"),
    NUMBER(data.randaugment_magnitude, NUMBERS, "9", IN(0, 30), "of 30", "how strong these operations are"),
    VECTOR(data.colour_jitter, NUMBERS, "[0, 0, 0, 0]", FROM(0), "",
           "colour jitter of the crop: strength of brightness, contrast, saturation, and hue (up to 0.5)"),
    WORD(data.interpolation, NUMBERS, interpolation_words, "bicubic", "resampling of the crop"),
    VECTOR(data.mean, NUMBERS, "[0.485, 0.456, 0.406]", ANY, "",
           "of red, green, blue in [0, 1]: subtracted"),
    VECTOR(data.std, NUMBERS, "[0.229, 0.224, 0.225]", ABOVE(0), "",
           "of red, green, blue in [0, 1]: divided by"),
    NUMBER(data.loader_threads, HARDWARE, "0", IN(0, 4096), "threads a rank",
           "decoding; 0: as many as it has OpenMP threads"),
    NUMBER(data.prefetch, HARDWARE, "4", IN(1, 4096), "microbatches", "decoded ahead"),
    WORD(data.on_error, NUMBERS, policy_words, "fail", "what a broken image does"),

    TEXT_WORD(student.model, NUMBERS, model_words, "resnet18", "architecture"),
    NUMBER(student.width, NUMBERS, "0", IN(0, 65536), "channels",
           "of the first stage, or of a transformer's tokens; 0: as published"),
    NUMBER(student.layers, NUMBERS, "0", IN(0, 1024), "blocks", "of a transformer; 0: as published"),
    PATH(student.init, START, "", "safetensors or PyTorch file of backbone weights; empty: random"),
    TEXT(student.init_key, START, "",
         "where in a PyTorch file of student.init the weights are, such as state_dict_ema; empty: "
         "found"),
    BOOL(student.init_head, NUMBERS, "false", "also start the heads, from the file's classifier"),
    PATH(student.head_init, START, "",
         "head file that the heads start from: its text_means, or its weight; empty: random"),
    WORD(student.head_ce, NUMBERS, head_words, "auto",
         "form of the supervised (or only) head; cosine: on normalised features; auto: linear"),
    WORD(student.head_kd, NUMBERS, head_words, "auto",
         "form of the distillation head (method: dho); auto: cosine for CLIP students, else linear"),
    NUMBER(student.head_scale, NUMBERS, "100", ABOVE(0), "", "s of cosine heads (docs/method.md, Heads)"),
    NUMBER(student.head_ce_hidden, NUMBERS, "0", IN(0, 65536), "channels",
           "of a hidden layer in the supervised (or only) head (docs/method.md, Heads); 0: none"),
    NUMBER(student.head_kd_hidden, NUMBERS, "0", IN(0, 65536), "channels",
           "of a hidden layer in the distillation head; 0: none"),
    WORD(student.freeze, NUMBERS, freeze_words, "none", "backbone: the heads alone are trained (a linear probe)"),
    WORD(student.batch_norm, NUMBERS, batch_norm_words, "batch",
         "statistics of batch normalisation while training; frozen: the running ones, which stay as student.init has them"),
    NUMBER(student.drop_path, NUMBERS, "0", IN_BELOW(0, 1), "",
           "stochastic depth: share of images that skip the last block's branches, less in earlier blocks; transformers and ConvNeXt"),

    PATH(teacher.cache, PLACE, "", "folder of the teacher cache; needed to train unless method: ce"),
    PATH(teacher.head, PLACE, "",
         "head file (zero-shot or Tip-Adapter) for the cache's embeddings; empty: the cache's own"),

    NUMBER(distill.temperature, NUMBERS, "2.0", ABOVE(0), "", "T of the distillation loss"),
    NUMBER(distill.lambda_ce, NUMBERS, "1.0", FROM(0), "", "weight of the cross-entropy loss"),
    NUMBER(distill.label_smoothing, NUMBERS, "0", IN_BELOW(0, 1), "",
           "share of the label that the cross-entropy spreads over all classes"),
    NUMBER(distill.lambda_kd, NUMBERS, "1.0", FROM(0), "", "weight of the distillation loss"),
    NUMBER(distill.lambda_feature, NUMBERS, "1.0", FROM(0), "",
           "weight of the feature loss; methods feature, logit_feature"),
    WORD(distill.feature_loss, NUMBERS, feature_loss_words, "mse",
         "distance of the projected features to the teacher's embedding"),
    WORD(distill.class_weights, NUMBERS, class_weight_words, "none",
         "labelled images of small classes count more in the cross-entropy (docs/method.md)"),
    NUMBER(distill.effective_beta, NUMBERS, "0.999", IN_BELOW(0, 1), "",
           "beta of the effective number; class_weights: effective"),
    NUMBER(distill.logit_adjust, NUMBERS, "0", FROM(0), "",
           "tau: the cross-entropy adds tau log(share of the class) to the logits; 0: off"),
    WORD(distill.divergence, NUMBERS, divergence_words, "kl",
         "of labelled images at the head that learns the labels; methods single_head, logit_feature, dho (docs/method.md)"),
    NUMBER(distill.dkd_alpha, NUMBERS, "1", FROM(0), "", "divergence: dkd: weight of the label's class"),
    NUMBER(distill.dkd_beta, NUMBERS, "8", FROM(0), "", "divergence: dkd: weight of the other classes"),
    NUMBER(distill.wkd_weight, NUMBERS, "30", FROM(0), "", "divergence: wkd: weight of the distance"),
    NUMBER(distill.wkd_sharpen, NUMBERS, "1", ABOVE(0), "", "divergence: wkd: kappa of the cost between classes"),
    NUMBER(distill.wkd_entropy, NUMBERS, "0.05", IN(0.01, 1000), "", "divergence: wkd: eta, the entropy's part in the transport"),
    NUMBER(distill.wkd_iterations, NUMBERS, "10", IN(1, 1000), "iterations", "divergence: wkd: Sinkhorn's"),
    BOOL(distill.unlabelled, NUMBERS, "true",
         "train on unlabelled images; false: none is drawn, in as many steps (train.epochs)"),
    WORD(distill.gradients, NUMBERS, gradient_words, "sum",
         "how the gradients of cross-entropy and teacher become one; pcgrad takes twice the time (docs/method.md)"),
    NUMBER(distill.ce_from, NUMBERS, "0", IN_BELOW(0, 1), "of the steps", "share after which the cross-entropy counts; 0: always"),
    NUMBER(distill.kd_until, NUMBERS, "1", IN_ABOVE(0, 1), "of the steps", "share up to which the teacher's losses count; 1: always"),

    NUMBER(train.shards, NUMBERS, "4", IN(1, 65536), "microbatches a step",
           "virtual shards; ranks share them out"),
    NUMBER(train.batch_labelled, NUMBERS, "64", IN(0, SIDE), "images a step",
           "labelled, over all ranks; a multiple of shards"),
    NUMBER(train.batch_unlabelled, NUMBERS, "64", IN(0, SIDE), "images a step",
           "unlabelled, over all ranks; a multiple of shards"),
    NUMBER(train.epochs, COURSE, "20", IN(0, MANY), "epochs",
           "length of the run, the same number of steps for every method; 0: train.steps says it"),
    WORD(train.epoch_of, NUMBERS, epoch_words, "unlabelled",
         "whose pass is an epoch (of the others where that batch is 0); shorter: of the fewer batches"),
    NUMBER(train.steps, COURSE, "0", IN(0, MANY), "steps", "length of the run; 0: train.epochs says it"),
    WORD(train.batches, NUMBERS, batches_words, "stream",
         "stream: full batches across passes, an epoch is rounded down; loader: as PyTorch's loaders, "
         "each pass ends with a smaller batch, an epoch is rounded up and begins both anew"),
    WORD(train.forward, NUMBERS, forward_words, "stacked",
         "batch statistics of labelled and unlabelled images together, or of each; the same to "
         "students without batch normalisation"),
    WORD(train.optimizer, NUMBERS, optimizer_words, "adamw", "optimizer"),
    NUMBER(train.lr, COURSE, "1e-3", ABOVE(0), "", "learning rate after the warm-up"),
    NUMBER(train.weight_decay, NUMBERS, "0.01", FROM(0), "", "decoupled weight decay"),
    WORD(train.weight_decay_on, NUMBERS, decay_words, "all",
         "matrices: weights of convolutions and linear layers, not biases, normalisations, position embeddings, class tokens, layer scales"),
    NUMBER(train.layer_decay, NUMBERS, "1", IN_ABOVE(0, 1), "a layer",
           "factor of the learning rate for each layer that a parameter lies below the heads; 1: off"),
    NUMBER(train.clip_grad, NUMBERS, "0", FROM(0), "",
           "largest norm of a step's gradient, which is scaled down to it; 0: no clipping"),
    NUMBER(train.beta1, NUMBERS, "0.9", IN_BELOW(0, 1), "", "adamw: decay of the gradient's mean"),
    NUMBER(train.beta2, NUMBERS, "0.999", IN_BELOW(0, 1), "", "adamw: decay of the squared gradient's mean"),
    NUMBER(train.eps, NUMBERS, "1e-8", ABOVE(0), "", "adamw: added to the denominator"),
    NUMBER(train.momentum, NUMBERS, "0.9", IN_BELOW(0, 1), "", "sgd: momentum"),
    WORD(train.schedule, NUMBERS, schedule_words, "cosine",
         "learning rate after the warm-up (warmup_times_cosine: also during it)"),
    NUMBER(train.warmup_steps, NUMBERS, "0", IN(0, MANY), "steps", "linear warm-up"),
    NUMBER(train.warmup_fraction, NUMBERS, "0", IN_BELOW(0, 1), "of all steps", "linear warm-up; not both"),
    NUMBER(train.warmup_start, NUMBERS, "0.01", IN(0, 1), "of lr", "learning rate at step 0 of the warm-up"),
    NUMBER(train.checkpoint_every, LOG, "500", IN(0, MANY), "steps", "0: only at the end"),
    NUMBER(train.checkpoint_keep, LOG, "2", IN(1, MANY), "checkpoints", "the newest ones that are kept"),
    NUMBER(train.checkpoint_keep_every, LOG, "0", IN(0, MANY), "steps",
           "each checkpoint whose step is a multiple of it is kept, too; 0: none"),
    NUMBER(train.checkpoint_failures, LOG, "3", IN(0, MANY), "checkpoints",
           "in a row that cannot be written and do not end the run; 0: the first one ends it"),
    NUMBER(train.log_every, LOG, "10", IN(1, MANY), "steps", "between two lines of the log"),
    NUMBER(train.conflict_every, LOG, "0", IN(0, MANY), "steps",
           "between two measurements of the losses' gradient conflict; 0: never"),
    NUMBER(train.watchdog, LOG, "600", IN(0, 1e9), "s",
           "longest wait for a file or for other ranks; then all say where they are and the run ends; 0: for ever"),
    BOOL(train.tensorboard, LOG, "true", "metrics also as TensorBoard's event files (docs/metrics.md)"),
    WORD(train.on_nonfinite, NUMBERS, policy_words, "fail",
         "what a loss or gradient that is not finite does to the step"),
    NUMBER(train.eval_every, COURSE, "0", IN(0, MANY), "steps", "between two evaluations while training; 0: none"),
    TEXT(train.eval_on, COURSE, "", "set of eval.sets that they are on; empty: eval.select_on"),
    WORD(train.keep_best, COURSE, best_words, "none", "metric of the evaluations whose best checkpoint is kept"),
    NUMBER(train.patience, COURSE, "0", IN(0, MANY), "evaluations",
           "without a better train.keep_best, after which the run ends; 0: it runs to its last step"),
    NUMBER(train.min_delta, COURSE, "0", FROM(0), "", "train.patience: how much better counts as better"),
    NUMBER(train.ema, NUMBERS, "0", IN_BELOW(0, 1), "a step", "decay of an average of the weights, kept beside them; 0: none"),
    BOOL(train.shard_optimizer, HARDWARE, "false",
         "each rank keeps the optimizer's state of its part of the weights, updates it and gives it to all"),

    WORD(compute.backend, HARDWARE, backend_words, "auto", "kernels"),
    WORD(compute.dtype, NUMBERS, dtype_words, "fp32", "activations, and arithmetic of the matrix products; bf16: faster with oneDNN and AVX-512, elsewhere it only saves memory"),
    WORD(compute.recompute, HARDWARE, recompute_words, "none",
         "block: a third more work, and memory for the ends of a model's blocks only"),
    NUMBER(compute.threads, HARDWARE, "0", IN(0, 4096), "threads a rank",
           "0: as OMP_NUM_THREADS says, else a share of the CPUs"),
    NUMBER(compute.microbatch_threads, HARDWARE, "0", IN(0, 4096), "threads a microbatch",
           "0: one; more where a rank has more threads than microbatches (docs/reproducibility.md)"),
    PATH(compute.tuning, HARDWARE, "",
         "table of dho bench tune: which kernel computes which shape in training; a folder: its table for "
         "this processor; empty: by rule (docs/tuning.md)"),

    WORD(comm.dtype, NUMBERS, dtype_words, "fp32",
         "how gradients are added up over microbatches and ranks; bf16: half as much is sent, other weights (docs/reproducibility.md)"),

    SETS(eval.sets, EVALUATION, eval.set_count, "[]", "what is evaluated: a list of mappings"),
    TEXT(eval.select_on, EVALUATION, "", "set on which alpha and beta are chosen; holdout: data.holdout's (the default where there is one); empty: alpha and beta below"),
    NUMBER(eval.resize, EVALUATION, "0", IN(0, 8192), "pixels",
           "short side before the centre crop; 0: image_size * 256 / 224"),
    WORD(eval.interpolation, EVALUATION, interpolation_words, "bicubic", "resampling of that resize"),
    NUMBER(eval.batch, HARDWARE, "64", IN(1, SIDE), "images", "a rank at a time"),
    LIST(eval.alphas, EVALUATION, eval.alpha_count,
         "[0, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5, 0.55, 0.6, 0.65, 0.7, 0.75, "
         "0.8, 0.85, 0.9, 0.95, 1]",
         IN(0, 1), "", "alphas to choose from: the supervised head's part"),
    LIST(eval.betas, EVALUATION, eval.beta_count, "[0.5, 0.75, 1, 1.25, 1.5, 2, 4]", ABOVE(0), "",
         "betas to choose from: the distillation head's temperature"),
    WORD(eval.ties, EVALUATION, ties_words, "middle",
         "equally accurate alphas and betas: the nearest to 0.5 and 1, or the first, beta by beta"),
    NUMBER(eval.alpha, EVALUATION, "0.5", IN(0, 1), "", "alpha when select_on is empty"),
    NUMBER(eval.beta, EVALUATION, "1", ABOVE(0), "", "beta when select_on is empty"),
};
#undef STRUCTURE

#define STRUCTURE dho_config_set
static const dho_field set_fields[] = {
    TEXT(name, EVALUATION, NULL, "unique; letters, digits, _ . -"),
    INHERIT_WORD(format, EVALUATION, format_words, "data.format",
                 "how images and labels lie on disk (docs/datasets.md)"),
    INHERIT_PATH(root, EVALUATION, "data.root", "image folder"),
    INHERIT_PATH(split_file, EVALUATION, "data.split_file", "split JSON, or FGVC-Aircraft's variants.txt; format: coop only"),
    TEXT_WORD(split, EVALUATION, split_words, "", "which split; format: coop only, needed there"),
    PATH(class_file, EVALUATION, "", "list of the class names that must have images, and no others"),
    BOOL(mask_classes, EVALUATION, "true", "mask the logits of classes that the set does not have"),
};
#undef STRUCTURE
/* clang-format on */

const dho_schema dho_schema_config = {config_fields,
                                      sizeof config_fields / sizeof config_fields[0]};
const dho_schema dho_schema_set = {set_fields, sizeof set_fields / sizeof set_fields[0]};
