/* compat: reference. What the public code of the method does in its three families of experiments
 * (arXiv 2505.07675 and its repository; docs/method.md names the traps), as one table. */
#include "config/config_value.h"

#include <stdio.h>
#include <string.h>

/* The family follows from the data, as there each has a data set and a program of its own. */
typedef enum family {
    FAMILY_NONE = 0,
    FAMILY_SEMI = 1,  /* ImageNet, 1 % or 10 %: imagefolder, labels: percent or file */
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
} reference;

/* clang-format off */
static const reference references[] = {
    {"distill.temperature", "2", FAMILY_ALL, true, NULL},
    {"distill.lambda_ce", "1", FAMILY_SEMI, true, NULL},
    {"distill.lambda_kd", "1", FAMILY_SEMI, true, NULL},
    {"distill.lambda_ce", "0.5", FAMILY_FEW, true, NULL},
    {"distill.lambda_kd", "0.5", FAMILY_FEW, true, NULL},
    {"train.optimizer", "adamw", FAMILY_ALL, true, NULL},
    {"train.schedule", "warmup_times_cosine", FAMILY_SEMI, true, NULL},
    {"train.schedule", "cosine", FAMILY_SHOTS, true, NULL},
    {"train.schedule", "linear", FAMILY_FINE, true, NULL},
    {"train.forward", "stacked", FAMILY_IMAGENET, true, NULL},
    {"train.forward", "separate", FAMILY_FINE, true, NULL},
    {"train.epoch_of", "unlabelled", FAMILY_IMAGENET, true, NULL},
    {"train.epoch_of", "shorter", FAMILY_FINE, true, NULL},
    {"train.warmup_start", "0.01", FAMILY_SEMI, true, NULL},
    {"train.warmup_start", "0", FAMILY_FINE, true, NULL},
    /* Sizes of the experiment: defaults. */
    {"train.warmup_steps", "5000", FAMILY_SEMI, false, "train.warmup_fraction"},
    {"train.warmup_fraction", "0.1", FAMILY_FINE, false, "train.warmup_steps"},
    {"train.lr", "5e-5", FAMILY_SEMI, false, NULL},
    {"train.lr", "1e-3", FAMILY_FEW, false, NULL},
    {"train.weight_decay", "0.05", FAMILY_SEMI, false, NULL},
    {"train.weight_decay", "0.01", FAMILY_FEW, false, NULL},
    {"train.epochs", "32", FAMILY_SEMI, false, NULL},
    {"train.epochs", "20", FAMILY_SHOTS, false, NULL},
    {"train.epochs", "200", FAMILY_FINE, false, NULL},
    {"train.batch_labelled", "256", FAMILY_IMAGENET, false, NULL},
    {"train.batch_unlabelled", "256", FAMILY_IMAGENET, false, NULL},
    {"train.batch_labelled", "64", FAMILY_FINE, false, NULL},
    {"train.batch_unlabelled", "64", FAMILY_FINE, false, NULL},
    {"data.crop_scale", "[0.5, 1.0]", FAMILY_ALL, false, NULL},
    {"eval.resize", NULL, FAMILY_SEMI, false, NULL},
    {"eval.beta", "0.5", FAMILY_SEMI, false, NULL},
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

const char *dho_compat_default(const dho_config *config, const dho_yaml_node *root, const char *key,
                               char text[DHO_NUMBER_BYTES])
{
    const family own = family_of(config);
    for (size_t i = 0; i < sizeof references / sizeof *references; i++) {
        const reference *r = &references[i];
        if ((r->families & own) == 0 || strcmp(r->key, key) != 0) continue;
        if (r->unless != NULL && dho_yaml_find(root, r->unless) != NULL) return NULL;
        if (r->value != NULL) return r->value;
        snprintf(text, DHO_NUMBER_BYTES, "%lld", (long long)config->data.image_size);
        return text;
    }
    return NULL;
}

/* Only words and numbers are fixed. */
static bool is_equal(const dho_field *field, const dho_config *a, const dho_config *b)
{
    const char *x = (const char *)a + field->offset, *y = (const char *)b + field->offset;
    return memcmp(x, y, field->type == DHO_FIELD_WORD ? sizeof(int) : sizeof(double)) == 0;
}

dho_status dho_compat_check(const dho_config *config, const dho_yaml_node *root,
                            const dho_yaml_source *file)
{
    const family own = family_of(config);
    if (config->compat != DHO_COMPAT_REFERENCE) return DHO_OK;
    if (own == FAMILY_NONE) {
        const dho_yaml_node *node = dho_yaml_find(root, "compat");
        return dho_yaml_fail_at(node != NULL ? node->source : file, node != NULL ? node->line : 0,
                                node != NULL ? node->column : 0,
                                "compat: reference needs data.labels: percent or file (its "
                                "ImageNet code), shots (its few-shot code) or data.format: coop "
                                "(its fine-grained code)");
    }
    for (size_t i = 0; i < sizeof references / sizeof *references; i++) {
        const reference *r = &references[i];
        const dho_yaml_node *node = dho_yaml_find(root, r->key);
        if ((r->families & own) == 0 || !r->fixed || node == NULL) continue;
        dho_field field = *dho_schema_find(&dho_schema_config, r->key);
        dho_config wanted = {0};
        field.fallback = r->value;
        DHO_TRY(dho_field_read_default(&field, &wanted));
        if (!is_equal(&field, config, &wanted))
            return dho_yaml_fail(node, "expected %s, as compat: reference has it (leave one out)",
                                 r->value);
    }
    return DHO_OK;
}
