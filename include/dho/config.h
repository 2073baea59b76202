/* The configuration: YAML text, checked against one schema, into one typed structure. Local.
 *
 * The schema (src/config/schema.c) is the single list of keys with type, default, range and a
 * one-line description; --print-config, the checks and the README's table come from it. */
#ifndef DHO_CONFIG_H
#define DHO_CONFIG_H

#include "dho/config_words.h"
#include "dho/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

typedef struct dho_dataset_layout {
    const char *what; /* its short name in messages */
    bool takes_split; /* split_file and split must be given; elsewhere they have no effect */
} dho_dataset_layout;

/* What the value of a key decides: a column of the schema. Resuming, tables and the documentation
 * select keys by it. Bits, so that several can be asked for at once. */
typedef enum dho_decides {
    DHO_DECIDES_NUMBERS = 1,    /* the weights: a run goes on only with the same value */
    DHO_DECIDES_COURSE = 2,     /* the weights from here on: a run may go on with another value */
    DHO_DECIDES_START = 4,      /* the weights at step 0; later ones are in the checkpoint */
    DHO_DECIDES_EVALUATION = 8, /* the numbers of an evaluation */
    DHO_DECIDES_PLACE = 16,     /* where images and teacher lie: resuming compares their content */
    DHO_DECIDES_HARDWARE = 32,  /* threads, memory, kernels: how fast the same numbers are made */
    DHO_DECIDES_LOG = 64        /* what is written, where and how often */
} dho_decides;

enum { DHO_DECIDES_ALL = 127 };

/* One evaluation set: an entry of eval.sets. */
typedef struct dho_config_set {
    char *name;        /* eval.sets[i].name: unique, [A-Za-z0-9_.-]+ */
    dho_format format; /* default: data.format */
    char *root;        /* image folder; default: data.root */
    char *split_file;  /* CoOp only; default: data.split_file */
    char *split;       /* CoOp only: train | val | test */
    char *class_file;  /* "" or a list of the class names that must have images */
    bool mask_classes; /* default true: logits of classes that the set does not have are masked */
} dho_config_set;

typedef struct dho_config {
    uint64_t seed;     /* seed: 0 */
    dho_method method; /* method: dho */
    dho_compat compat; /* compat: none | reference */
    char *out;         /* out: runs/default; the run's folder */

    struct {
        dho_format format; /* data.format: imagefolder */
        char *root; /* data.root: required to train; ImageFolder: the folder of class folders */
        char *unlabelled;        /* data.unlabelled: "" or further images, without classes */
        char *split_file;        /* data.split_file: CoOp only */
        char *split;             /* data.split: train; CoOp only, which split to train on */
        dho_label_source labels; /* data.labels: all | shots | percent | file | balanced */
        int64_t shots;           /* data.shots: 1 .. ; with labels: shots */
        dho_small_classes small_classes; /* data.small_classes: once | repeat; with labels: shots */
        double percent;        /* data.percent: (0, 100]; with labels: percent or balanced */
        char *label_file;      /* data.label_file: with labels: file */
        char *class_file;      /* data.class_file: "" or a list of the class names */
        char *holdout;         /* data.holdout: "", "10 %" or "2": dho_config_holdout */
        char *class_names;     /* data.class_names: "" or a file of lines "class name" */
        uint64_t label_seed;   /* data.label_seed: 1 */
        bool exclude_labelled; /* data.exclude_labelled: false; from the unlabelled images */
        int64_t image_size;    /* data.image_size: 224; 32 .. 1024 */
        double crop_scale[2];  /* data.crop_scale: [0.5, 1.0] */
        double crop_ratio[2];  /* data.crop_ratio: [0.75, 1.3333333333333333] */
        bool flip;             /* data.flip: true */
        int64_t randaugment;   /* data.randaugment: 0; operations an image */
        int64_t randaugment_magnitude; /* data.randaugment_magnitude: 9; 0 .. 30 */
        double colour_jitter[4];  /* data.colour_jitter: zeros; brightness .. saturation, hue */
        dho_filter interpolation; /* data.interpolation: bicubic */
        double mean[3], std[3];   /* data.mean, data.std: ImageNet's .485 .456 .406 / .229 .. */
        int64_t loader_threads;   /* data.loader_threads: 0 = as many as the rank has cores */
        int64_t prefetch;         /* data.prefetch: 4 microbatches */
        dho_skip_policy on_error; /* data.on_error: fail */
    } data;

    struct {
        char *model;     /* student.model: resnet18 */
        int64_t width;   /* student.width: 0 (as published); channels of the first stage */
        int64_t layers;  /* student.layers: 0 (as published); blocks of a transformer */
        char *init;      /* student.init: "" or a safetensors or PyTorch file of weights */
        char *init_key;  /* student.init_key: ""; where in that file: "state_dict_ema" */
        bool init_head;  /* student.init_head: false; take the file's classifier for the heads */
        char *head_init; /* student.head_init: "" or a head file that the heads start from */
        dho_head_form head_ce;  /* student.head_ce: auto; of the supervised or the only head */
        dho_head_form head_kd;  /* student.head_kd: auto; of the distillation head (dho) */
        double head_scale;      /* student.head_scale: 100; of cosine heads, > 0 */
        int64_t head_ce_hidden; /* student.head_ce_hidden: 0 = none; channels of a hidden layer */
        int64_t head_kd_hidden; /* student.head_kd_hidden: 0 = none */
        dho_freeze freeze;      /* student.freeze: none | backbone */
        dho_batch_norm batch_norm; /* student.batch_norm: batch | frozen */
        double drop_path;          /* student.drop_path: 0, [0, 1); of the last block */
    } student;

    struct {
        char *cache; /* teacher.cache: folder of a teacher cache; needed unless method: ce */
        char *head;  /* teacher.head: "" = the cache's own, or a head file for its embeddings */
    } teacher;

    struct {
        double temperature;              /* distill.temperature: 2.0, > 0 */
        double lambda_ce;                /* distill.lambda_ce: 1.0, >= 0 */
        double label_smoothing;          /* distill.label_smoothing: 0, [0, 1) */
        double lambda_kd;                /* distill.lambda_kd: 1.0, >= 0 */
        double lambda_feature;           /* distill.lambda_feature: 1.0, >= 0 */
        dho_feature_loss feature_loss;   /* distill.feature_loss: mse | cosine */
        dho_class_weights class_weights; /* distill.class_weights: none | inverse | effective */
        double effective_beta;           /* distill.effective_beta: 0.999, [0, 1) */
        double logit_adjust;             /* distill.logit_adjust: 0, >= 0; tau */
        dho_divergence divergence;       /* distill.divergence: kl | dkd | wkd */
        double dkd_alpha, dkd_beta;      /* distill.dkd_alpha: 1, distill.dkd_beta: 8; >= 0 */
        double wkd_weight;               /* distill.wkd_weight: 30, >= 0 */
        double wkd_sharpen;              /* distill.wkd_sharpen: 1, > 0 */
        double wkd_entropy;              /* distill.wkd_entropy: 0.05, >= 0.01 */
        int64_t wkd_iterations;          /* distill.wkd_iterations: 10; 1 .. 1000 */
        bool unlabelled;                 /* distill.unlabelled: true; false: none is drawn */
        dho_gradient_rule gradients;     /* distill.gradients: sum | pcgrad */
        double ce_from;                  /* distill.ce_from: 0, [0, 1); share of the steps */
        double kd_until;                 /* distill.kd_until: 1, (0, 1]; share of the steps */
    } distill;

    struct {
        int64_t shards;           /* train.shards: 4; V, the virtual shards = microbatches a step */
        int64_t batch_labelled;   /* train.batch_labelled: 64; global, a multiple of shards */
        int64_t batch_unlabelled; /* train.batch_unlabelled: 64; global, a multiple of shards */
        double epochs;            /* train.epochs: 20; 0 = from steps: exactly one of them is */
        dho_epoch_of epoch_of;    /* train.epoch_of: unlabelled | labelled | shorter */
        int64_t steps;            /* train.steps: 0 = from epochs */
        dho_batches batches;      /* train.batches: stream | loader */
        dho_forward forward;      /* train.forward: stacked | separate */
        dho_optimizer_kind optimizer; /* train.optimizer: adamw */
        double lr;                    /* train.lr: 1e-3 */
        double weight_decay;          /* train.weight_decay: 0.01 */
        dho_decay_on weight_decay_on; /* train.weight_decay_on: all | matrices */
        double layer_decay;           /* train.layer_decay: 1; (0, 1] */
        double clip_grad;             /* train.clip_grad: 0 = no clipping; >= 0 */
        double beta1, beta2;          /* train.beta1 0.9, train.beta2 0.999 */
        double eps;                   /* train.eps: 1e-8 */
        double momentum;              /* train.momentum: 0.9 (sgd) */
        dho_schedule_kind schedule;   /* train.schedule: cosine */
        int64_t warmup_steps;         /* train.warmup_steps: 0 */
        double warmup_fraction;       /* train.warmup_fraction: 0; of all steps, [0, 1); not both */
        double warmup_start;          /* train.warmup_start: 0.01; factor of lr at step 0 */
        int64_t checkpoint_every;     /* train.checkpoint_every: 500 steps; 0 = only at the end */
        int64_t checkpoint_keep;      /* train.checkpoint_keep: 2; >= 1 */
        int64_t checkpoint_keep_every; /* train.checkpoint_keep_every: 0 = none; steps */
        int64_t
            checkpoint_failures; /* train.checkpoint_failures: 3; in a row, do not end the run */
        int64_t log_every;       /* train.log_every: 10 steps */
        int64_t conflict_every;  /* train.conflict_every: 0 = never; steps */
        double watchdog;         /* train.watchdog: 600 s; 0 = none */
        bool tensorboard;        /* train.tensorboard: true; metrics as event files as well */
        dho_skip_policy on_nonfinite; /* train.on_nonfinite: fail | skip (the step) */
        int64_t eval_every;           /* train.eval_every: 0 = never; steps */
        char *eval_on;                /* train.eval_on: "" = eval.select_on; a set of eval.sets */
        dho_keep_best keep_best;      /* train.keep_best: none | top1 | top5 | nll | ... */
        int64_t patience;             /* train.patience: 0 = never stops early; evaluations */
        double min_delta;             /* train.min_delta: 0; in units of keep_best */
        bool shard_optimizer;         /* train.shard_optimizer: each rank updates its part */
        double ema; /* train.ema: 0 = none; decay of the weights' average a step */
    } train;

    struct {
        dho_backend backend;        /* compute.backend: auto */
        dho_compute_dtype dtype;    /* compute.dtype: fp32 */
        dho_recompute recompute;    /* compute.recompute: none */
        int64_t threads;            /* compute.threads: 0 = as OMP_NUM_THREADS says, or a share */
        int64_t microbatch_threads; /* compute.microbatch_threads: 0 = one, or more that are left */
        char *tuning; /* compute.tuning: "" or a file, or folder of files, of dho bench tune */
    } compute;

    struct {
        dho_compute_dtype dtype; /* comm.dtype: fp32; of the sum of gradients */
    } comm;

    struct {
        dho_config_set *sets; /* eval.sets: [] */
        size_t set_count;
        char *select_on; /* eval.select_on: name of the set alpha and beta are chosen on,
                            or DHO_HOLDOUT_NAME with data.holdout; "" = none */
        int64_t resize;  /* eval.resize: 0 = round(image_size * 256 / 224); the short side */
        dho_filter interpolation; /* eval.interpolation: bicubic */
        int64_t batch;            /* eval.batch: 64 images a rank at a time */
        double *alphas;           /* eval.alphas: [0, .05, ... 1]; each in [0, 1] */
        size_t alpha_count;
        double *betas; /* eval.betas: [.5, .75, 1, 1.25, 1.5, 2, 4]; each > 0 */
        size_t beta_count;
        dho_ties ties;      /* eval.ties: middle | first */
        double alpha, beta; /* eval.alpha 0.5, eval.beta 1: used when select_on is "" */
    } eval;
} dho_config;

/* Reads `path`, applies overrides "key.path=value" (the value is YAML; sets of eval.sets are
 * addressed as eval.sets[0].root), fills defaults and checks everything that needs no file.
 * Strings are never NULL ("" when unset). *out is owned: dho_config_free.
 * Errors: DHO_ERR_CONFIG "path:line:col: key: what was expected, what was got" (for an override
 * "--set key=value: ..."); an unknown key names the nearest valid one. */
dho_status dho_config_load(dho_config *out, const char *path, const char *const *overrides,
                           size_t override_count);

/* The same from memory; `name` stands for the path. */
dho_status dho_config_parse(dho_config *out, const char *text, size_t bytes, const char *name,
                            const char *const *overrides, size_t override_count);

/* Reads the text of dho_config_format_keys: keys that `decides` does not name are passed over,
 * those that are not there have the schema's defaults, and nothing is checked across keys. Errors:
 * those of dho_config_parse. */
dho_status dho_config_parse_keys(dho_config *out, const char *text, const char *name,
                                 unsigned decides);

/* All keys with their resolved values as YAML that loads back to the same configuration; with
 * `comments`, each key's description stands behind it. *out: owned text (dho_free). */
dho_status dho_config_format(const dho_config *config, bool comments, char **out);

/* The keys alone that decide one of `decides` (bits of dho_decides). *out: owned text (dho_free).
 */
dho_status dho_config_format_keys(const dho_config *config, unsigned decides, char **out);

/* The keys whose values are not the defaults, one "key: value" a line, sets with all their keys; ""
 * when there are none. *out: owned text (dho_free). */
dho_status dho_config_format_changes(const dho_config *config, char **out);

/* A key in which configurations differ. */
typedef struct dho_config_difference {
    char key[64]; /* "train.lr", "eval.sets[0].root" */
    char *
        *values; /* owned, [configs]: of each as YAML; NULL where it has no such set, or is NULL */
} dho_config_difference;

typedef struct dho_config_differences {
    dho_config_difference *keys; /* owned, [count]; in the schema's order */
    size_t count;
    size_t configs;
} dho_config_differences;

/* Compares configurations field by field: the keys that decide one of `decides` and have not the
 * same value in all of configs[count]. A NULL among them agrees with everything. *out is owned
 * (dho_config_differences_free), all zero on error. Errors: DHO_ERR_MEMORY. */
dho_status dho_config_diff(dho_config_differences *out, const dho_config *const *configs,
                           size_t count, unsigned decides);
void dho_config_differences_free(dho_config_differences *differences);

/* What training needs beyond what dho_config_load checks for every command: data.root, and
 * teacher.cache unless method: ce. `name` (the file's) starts the message.
 * Errors: DHO_ERR_CONFIG "name: key: ...". */
dho_status dho_config_check_train(const dho_config *config, const char *name);

/* The set of data.holdout among the evaluation sets. */
#define DHO_HOLDOUT_NAME "holdout"

/* data.holdout: a percentage of each class's labelled images, or a number of them; both 0: none. */
typedef struct dho_holdout {
    double percent; /* in (0, 100) */
    int64_t images; /* >= 1 where percent is 0 */
} dho_holdout;

dho_holdout dho_config_holdout(const dho_config *config);
/* "10 % of each class's labelled training images, held out of training"; "" when nothing is. */
void dho_config_describe_holdout(const dho_config *config, char *out, size_t bytes);

void dho_config_free(dho_config *config);

/* "dho" for DHO_METHOD_DHO, ...: the words of the YAML file. */
const char *dho_method_name(dho_method method);
const dho_dataset_layout *dho_dataset_layout_of(dho_format format);
const char *dho_filter_name(dho_filter filter);                /* "bilinear", "bicubic" */
const char *dho_keep_best_name(dho_keep_best metric);          /* "none", "top1", ... */
bool dho_keep_best_find(const char *name, dho_keep_best *out); /* false when none has this name */
/* The set that is evaluated while training: train.eval_on, or eval.select_on. Borrowed. */
const char *dho_config_eval_on(const dho_config *config);
/* False when no method has this name. */
bool dho_method_find(const char *name, dho_method *out);

/* The i-th key, "train.lr"; NULL behind the last. */
const char *dho_config_key(size_t i);

/* --- suggestions for a slip --- */

enum { DHO_CONFIG_KEY_BYTES = 256 };

/* The key, or section, that `path` most likely means; false if none is near. */
bool dho_config_suggest_key(const char *path, char out[DHO_CONFIG_KEY_BYTES]);
/* Of names of commands, options or files, the last of them NULL: the nearest, or one that begins as
 * `text` does or that `text` begins with ("evaluate" and "eval"); NULL when there is none. */
const char *dho_suggest_name(const char *const *names, const char *text);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif

#endif
