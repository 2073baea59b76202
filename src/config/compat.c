/* compat: reference. What the public code of the method does in its three families of experiments
 * (arXiv 2505.07675 and its repository; docs/method.md names the traps), as one table. */
#include "config/config_value.h"

#include <stdio.h>
#include <string.h>

/* The family follows from the data, as there each has a data set and a program of its own. */
typedef enum family {
    FAMILY_NONE = 0,
    FAMILY_SEMI = 1,  /* ImageNet, 1 % or 10 %: imagefolder, labels: percent, balanced or file */
    FAMILY_SHOTS = 2, /* ImageNet, few shots: imagefolder, labels: shots */
    FAMILY_FINE = 4,  /* ten fine-grained datasets: coop */
    FAMILY_IMAGENET = FAMILY_SEMI | FAMILY_SHOTS,
    FAMILY_FEW = FAMILY_SHOTS | FAMILY_FINE,
    FAMILY_ALL = FAMILY_SEMI | FAMILY_SHOTS | FAMILY_FINE
} family;

typedef struct reference {
    const char *key, *value; /* value NULL: data.image_size */
    family families;
    bool fixed;         /* part of the method: another value is an error, not a choice */
    const char *unless; /* a key that, when given, takes this one's place */
    bool (*holds)(const dho_config *config); /* NULL: always */
} reference;

static bool is_clip(const dho_config *config)
{
    const char *model = config->student.model; /* NULL: its default's turn has not come */
    return model != NULL && strncmp(model, "clip_", 5) == 0;
}

static bool is_not_clip(const dho_config *config)
{
    return !is_clip(config);
}

static bool is_balanced(const dho_config *config)
{
    return config->data.labels == DHO_LABELS_BALANCED;
}

/* The head is another one than the cache's own: a few-shot teacher's. */
static bool has_own_head(const dho_config *config)
{
    return config->teacher.head != NULL && config->teacher.head[0] != '\0';
}

static bool has_cache_head(const dho_config *config)
{
    return !has_own_head(config);
}

/* A choice of alpha and beta is to be made. */
static bool has_choice(const dho_config *config)
{
    return config->method == DHO_METHOD_DHO;
}

/* clang-format off */
static const reference references[] = {
    {"distill.temperature", "2", FAMILY_ALL, true, NULL, NULL},
    {"distill.lambda_ce", "1", FAMILY_SEMI, true, NULL, NULL},
    {"distill.lambda_kd", "1", FAMILY_SEMI, true, NULL, NULL},
    {"distill.lambda_ce", "0.5", FAMILY_FEW, true, NULL, NULL},
    {"distill.lambda_kd", "0.5", FAMILY_FEW, true, NULL, NULL},
    {"distill.class_weights", "none", FAMILY_ALL, true, NULL, NULL},
    {"distill.label_smoothing", "0", FAMILY_ALL, true, NULL, NULL},
    {"distill.logit_adjust", "0", FAMILY_ALL, true, NULL, NULL},
    {"train.optimizer", "adamw", FAMILY_ALL, true, NULL, NULL},
    {"train.weight_decay_on", "all", FAMILY_ALL, true, NULL, NULL},
    {"train.layer_decay", "1", FAMILY_ALL, true, NULL, NULL},
    {"train.clip_grad", "0", FAMILY_ALL, true, NULL, NULL},
    {"student.batch_norm", "batch", FAMILY_ALL, true, NULL, NULL},
    {"student.drop_path", "0", FAMILY_ALL, true, NULL, NULL},
    {"data.randaugment", "0", FAMILY_ALL, true, NULL, NULL},
    {"data.colour_jitter", "[0, 0, 0, 0]", FAMILY_ALL, true, NULL, NULL},
    {"train.schedule", "warmup_times_cosine", FAMILY_SEMI, true, NULL, NULL},
    {"train.schedule", "cosine", FAMILY_SHOTS, true, NULL, NULL},
    {"train.schedule", "linear", FAMILY_FINE, true, NULL, NULL},
    {"train.forward", "stacked", FAMILY_IMAGENET, true, NULL, NULL},
    {"train.forward", "separate", FAMILY_FINE, true, NULL, NULL},
    {"train.epoch_of", "unlabelled", FAMILY_IMAGENET, true, NULL, NULL},
    {"train.epoch_of", "shorter", FAMILY_FINE, true, NULL, NULL},
    {"train.batches", "loader", FAMILY_ALL, true, NULL, NULL},
    {"train.warmup_start", "0.01", FAMILY_SEMI, true, NULL, NULL},
    {"train.warmup_start", "0", FAMILY_FINE, true, NULL, NULL},
    /* auto is a head's default, and means these. */
    {"student.head_ce", "linear", FAMILY_ALL, true, NULL, NULL},
    {"student.head_kd", "cosine", FAMILY_ALL, true, NULL, is_clip},
    {"student.head_kd", "linear", FAMILY_ALL, true, NULL, is_not_clip},
    {"student.head_scale", "100", FAMILY_ALL, true, NULL, NULL},
    /* Sizes of the experiment: defaults. */
    {"train.warmup_steps", "5000", FAMILY_SEMI, false, "train.warmup_fraction", NULL},
    {"train.warmup_fraction", "0.1", FAMILY_FINE, false, "train.warmup_steps", NULL},
    {"train.lr", "5e-5", FAMILY_SEMI, false, NULL, NULL},
    {"train.lr", "1e-3", FAMILY_FEW, false, NULL, NULL},
    {"train.weight_decay", "0.05", FAMILY_SEMI, false, NULL, NULL},
    {"train.weight_decay", "0.01", FAMILY_FEW, false, NULL, NULL},
    {"train.epochs", "32", FAMILY_SEMI, false, NULL, NULL},
    {"train.epochs", "20", FAMILY_SHOTS, false, NULL, NULL},
    {"train.epochs", "200", FAMILY_FINE, false, NULL, NULL},
    {"train.batch_labelled", "256", FAMILY_IMAGENET, false, NULL, NULL},
    {"train.batch_unlabelled", "256", FAMILY_IMAGENET, false, NULL, NULL},
    {"train.batch_labelled", "64", FAMILY_FINE, false, NULL, NULL},
    {"train.batch_unlabelled", "64", FAMILY_FINE, false, NULL, NULL},
    {"data.crop_scale", "[0.5, 1.0]", FAMILY_ALL, false, NULL, NULL},
    {"data.interpolation", "bicubic", FAMILY_IMAGENET, false, NULL, NULL},
    {"data.interpolation", "bilinear", FAMILY_FINE, false, NULL, NULL},
    {"data.mean", "[0.48145466, 0.4578275, 0.40821073]", FAMILY_ALL, false, NULL, is_clip},
    {"data.std", "[0.26862954, 0.26130258, 0.27577711]", FAMILY_ALL, false, NULL, is_clip},
    {"data.label_seed", "13", FAMILY_SEMI, false, NULL, is_balanced},
    {"data.exclude_labelled", "true", FAMILY_ALL, false, NULL, NULL},
    {"data.small_classes", "repeat", FAMILY_FEW, false, NULL, NULL},
    {"eval.resize", NULL, FAMILY_ALL, false, NULL, NULL},
    {"eval.interpolation", "bicubic", FAMILY_SEMI, false, NULL, NULL},
    {"eval.interpolation", "bilinear", FAMILY_FEW, false, NULL, NULL},
    {"eval.ties", "first", FAMILY_ALL, false, NULL, NULL},
    {"eval.beta", "0.5", FAMILY_IMAGENET, false, NULL, NULL},
    /* The paper's table 1; its 1 % and 10 % have 0.5, the schema's default. */
    {"eval.alpha", "0.4", FAMILY_SHOTS, false, NULL, has_cache_head},
    {"eval.alpha", "0.2", FAMILY_SHOTS, false, NULL, has_own_head},
};

/* What no default can say: the file must, if only that it is "". */
static const struct {
    const char *key, *needs; /* needs: a key without which nothing is asked; NULL: none */
    family families;
    bool (*holds)(const dho_config *config);
    const char *why;
} said[] = {
    {"student.init", NULL, FAMILY_ALL, NULL, "its students start from published weights"},
    {"student.head_init", "student.init", FAMILY_SEMI, is_clip,
     "both heads start from the student's own text means (dho teacher zero-shot)"},
    {"eval.select_on", "eval.sets", FAMILY_FINE, has_choice,
     "its fine-grained code chooses alpha and beta on val"},
};
/* clang-format on */

static family family_of(const dho_config *config)
{
    if (config->compat != DHO_COMPAT_REFERENCE) return FAMILY_NONE;
    if (config->data.format == DHO_FORMAT_COOP) return FAMILY_FINE;
    switch (config->data.labels) {
    case DHO_LABELS_SHOTS:
        return FAMILY_SHOTS;
    case DHO_LABELS_PERCENT:
    case DHO_LABELS_FILE:
    case DHO_LABELS_BALANCED:
        return FAMILY_SEMI;
    case DHO_LABELS_ALL:
        break;
    }
    return FAMILY_NONE;
}

static bool applies(const reference *r, const dho_config *config, family own)
{
    return (r->families & own) != 0 && (r->holds == NULL || r->holds(config));
}

/* Forms of heads are auto where they are not given, which tables and other methods rely on. */
static bool is_head_form(const char *key)
{
    return strcmp(key, "student.head_ce") == 0 || strcmp(key, "student.head_kd") == 0;
}

const char *dho_compat_default(const dho_config *config, const dho_yaml_node *root, const char *key,
                               char text[DHO_NUMBER_BYTES])
{
    const family own = family_of(config);
    if (is_head_form(key)) return NULL;
    for (size_t i = 0; i < sizeof references / sizeof *references; i++) {
        const reference *r = &references[i];
        if (strcmp(r->key, key) != 0 || !applies(r, config, own)) continue;
        if (r->unless != NULL && dho_yaml_find(root, r->unless) != NULL) return NULL;
        if (r->value != NULL) return r->value;
        snprintf(text, DHO_NUMBER_BYTES, "%lld", (long long)config->data.image_size);
        return text;
    }
    return NULL;
}

static dho_status check_fixed(const reference *r, const dho_config *config,
                              const dho_yaml_node *node)
{
    dho_field field = *dho_schema_find(&dho_schema_config, r->key);
    dho_config wanted = {0};
    if (is_head_form(r->key) && strcmp(node->text, "auto") == 0) return DHO_OK;
    field.fallback = r->value;
    DHO_TRY(dho_field_read_default(&field, &wanted));
    if (dho_field_is_equal(&field, config, &wanted)) return DHO_OK;
    return dho_yaml_fail(node, "expected %s, as compat: reference has it (leave one out)",
                         r->value);
}

static dho_status fail_at(const dho_yaml_node *node, const dho_yaml_source *file, const char *text)
{
    return dho_yaml_fail_at(node != NULL ? node->source : file, node != NULL ? node->line : 0,
                            node != NULL ? node->column : 0, "%s", text);
}

dho_status dho_compat_check(const dho_config *config, const dho_yaml_node *root,
                            const dho_yaml_source *file)
{
    const family own = family_of(config);
    const dho_yaml_node *compat = dho_yaml_find(root, "compat");
    if (config->compat != DHO_COMPAT_REFERENCE) return DHO_OK;
    if (own == FAMILY_NONE)
        return fail_at(compat, file,
                       "compat: reference needs data.labels: percent, balanced or file (its "
                       "ImageNet code), shots (its few-shot code) or data.format: coop (its "
                       "fine-grained code)");
    for (size_t i = 0; i < sizeof references / sizeof *references; i++) {
        const dho_yaml_node *node = dho_yaml_find(root, references[i].key);
        if (references[i].fixed && node != NULL && applies(&references[i], config, own))
            DHO_TRY(check_fixed(&references[i], config, node));
    }
    for (size_t i = 0; i < sizeof said / sizeof *said; i++) {
        const dho_yaml_node *needed =
            said[i].needs != NULL ? dho_yaml_find(root, said[i].needs) : root;
        if ((said[i].families & own) == 0 || (said[i].holds != NULL && !said[i].holds(config)))
            continue;
        if (needed == NULL || dho_yaml_find(root, said[i].key) != NULL) continue;
        if (needed->kind == DHO_YAML_LIST && needed->count == 0) continue;
        char text[256];
        snprintf(text, sizeof text, "compat: reference needs %s: %s (\"\": none)", said[i].key,
                 said[i].why);
        return fail_at(compat, file, text);
    }
    return DHO_OK;
}
