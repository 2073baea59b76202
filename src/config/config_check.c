/* The checks that need more than one key. */
#include "config/config_check.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

dho_status dho_check_fail(const dho_config_checker *c, const char *key, const char *other,
                          const char *format, ...)
{
    char text[512];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    const dho_yaml_node *node = dho_yaml_find(c->root, key);
    if (node != NULL) return dho_yaml_fail(node, "%s", text);
    if (other != NULL) node = dho_yaml_find(c->root, other);
    if (node != NULL)
        return dho_yaml_fail_at(node->source, node->line, node->column, "%s: %s", key, text);
    return dho_yaml_fail_at(c->file, 0, 0, "%s: %s", key, text);
}

bool dho_check_is_given(const dho_config_checker *c, const char *key)
{
    return dho_yaml_find(c->root, key) != NULL;
}

static dho_status check_labels(const dho_config_checker *c)
{
    const dho_config *k = c->config;
    if (k->data.labels == DHO_LABELS_SHOTS && k->data.shots == 0)
        return dho_check_fail(c, "data.shots", "data.labels",
                              "needed with data.labels: shots (labelled images per class, from 1)");
    if ((k->data.labels == DHO_LABELS_PERCENT || k->data.labels == DHO_LABELS_BALANCED) &&
        k->data.percent == 0)
        return dho_check_fail(c, "data.percent", "data.labels",
                              "needed with data.labels: %s (above 0, up to 100)",
                              k->data.labels == DHO_LABELS_PERCENT ? "percent" : "balanced");
    if (k->data.labels == DHO_LABELS_FILE && k->data.label_file[0] == '\0')
        return dho_check_fail(c, "data.label_file", "data.labels", "needed with data.labels: file");
    if (dho_check_is_given(c, "data.labels")) return DHO_OK;
    /* Not said at all: then a count without it is a slip, and all labels would be used. */
    if (k->data.shots != 0)
        return dho_check_fail(c, "data.shots", NULL, "has no effect without data.labels: shots");
    if (k->data.percent != 0)
        return dho_check_fail(c, "data.percent", NULL,
                              "has no effect without data.labels: percent or balanced");
    if (k->data.label_file[0] != '\0')
        return dho_check_fail(c, "data.label_file", NULL,
                              "has no effect without data.labels: file");
    return DHO_OK;
}

/* The layouts that take a split: "coop". */
static const char *split_layouts(char out[DHO_SCHEMA_TEXT_BYTES])
{
    const char *const *words = dho_schema_find(&dho_schema_config, "data.format")->words;
    size_t used = 0;
    out[0] = '\0';
    for (int i = 0; words[i] != NULL && used < DHO_SCHEMA_TEXT_BYTES; i++)
        if (dho_dataset_layout_of((dho_format)i)->takes_split)
            used += (size_t)snprintf(out + used, DHO_SCHEMA_TEXT_BYTES - used, "%s%s",
                                     used > 0 ? " or " : "", words[i]);
    return out;
}

static dho_status check_data(const dho_config_checker *c)
{
    const dho_config *k = c->config;
    char splits[DHO_SCHEMA_TEXT_BYTES];
    if (dho_dataset_layout_of(k->data.format)->takes_split && k->data.split_file[0] == '\0')
        return dho_check_fail(c, "data.split_file", "data.format", "needed with data.format: %s",
                              split_layouts(splits));
    if (!dho_check_is_given(c, "data.format") && k->data.split_file[0] != '\0')
        return dho_check_fail(c, "data.split_file", NULL, "has no effect without data.format: %s",
                              split_layouts(splits));
    if (k->data.crop_scale[0] > k->data.crop_scale[1])
        return dho_check_fail(c, "data.crop_scale", NULL,
                              "expected [least, greatest], got [%g, %g]", k->data.crop_scale[0],
                              k->data.crop_scale[1]);
    if (k->data.crop_ratio[0] > k->data.crop_ratio[1])
        return dho_check_fail(c, "data.crop_ratio", NULL,
                              "expected [least, greatest], got [%g, %g]", k->data.crop_ratio[0],
                              k->data.crop_ratio[1]);
    return check_labels(c);
}

static dho_status check_multiple(const dho_config_checker *c, const char *key, int64_t batch)
{
    const int64_t shards = c->config->train.shards;
    if (batch % shards == 0) return DHO_OK;
    return dho_check_fail(c, key, "train.shards",
                          "expected a multiple of train.shards (%lld), got %lld", (long long)shards,
                          (long long)batch);
}

/* A file's head is one layer. */
static dho_status check_hidden(const dho_config_checker *c)
{
    const dho_config *k = c->config;
    const char *key = k->student.head_ce_hidden > 0   ? "student.head_ce_hidden"
                      : k->student.head_kd_hidden > 0 ? "student.head_kd_hidden"
                                                      : NULL;
    if (key == NULL || !(k->student.init_head || k->student.head_init[0] != '\0')) return DHO_OK;
    return dho_check_fail(c, key, NULL, "a head with a hidden layer cannot start from %s",
                          k->student.init_head ? "student.init_head" : "student.head_init");
}

static dho_status check_heads(const dho_config_checker *c)
{
    const dho_config *k = c->config;
    const bool dual =
        k->method == DHO_METHOD_DHO || k->method == DHO_METHOD_SSKD || k->method == DHO_METHOD_DHKD;
    if (!dual && k->student.head_kd != DHO_HEAD_AUTO)
        return dho_check_fail(c, "student.head_kd", "method",
                              "has no effect with method: %s, which has one head (student.head_ce)",
                              dho_method_name(k->method));
    if (!dual && k->student.head_kd_hidden > 0)
        return dho_check_fail(c, "student.head_kd_hidden", "method",
                              "has no effect with method: %s, which has one head "
                              "(student.head_ce_hidden)",
                              dho_method_name(k->method));
    return check_hidden(c);
}

static dho_status check_train(const dho_config_checker *c)
{
    const dho_config *k = c->config;
    DHO_TRY(dho_check_pretrained(c));
    if (k->compute.dtype == DHO_DTYPE_BF16 && k->compute.backend == DHO_BACKEND_REF)
        return dho_check_fail(c, "compute.dtype", "compute.backend",
                              "bf16 needs another compute.backend than ref");
    DHO_TRY(check_heads(c));
    if (k->student.init_head && k->student.head_init[0] != '\0')
        return dho_check_fail(c, "student.head_init", "student.init_head",
                              "student.init_head and student.head_init cannot both be set");
    DHO_TRY(check_multiple(c, "train.batch_labelled", k->train.batch_labelled));
    DHO_TRY(check_multiple(c, "train.batch_unlabelled", k->train.batch_unlabelled));
    if (k->train.warmup_steps > 0 && k->train.warmup_fraction > 0)
        return dho_check_fail(c, "train.warmup_fraction", NULL,
                              "train.warmup_steps and train.warmup_fraction cannot both be set");
    if (k->train.steps > 0 && k->train.warmup_steps >= k->train.steps)
        return dho_check_fail(c, "train.warmup_steps", "train.steps",
                              "expected fewer than train.steps (%lld), got %lld",
                              (long long)k->train.steps, (long long)k->train.warmup_steps);
    return DHO_OK;
}

static bool is_set_name(const char *name)
{
    return name[strspn(
               name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-")] == '\0';
}

/* Fails at `key` of entry i, or at the entry itself. */
static dho_status fail_set(const dho_config_checker *c, size_t i, const char *key, const char *text)
{
    const dho_yaml_node *entry = dho_yaml_item(dho_yaml_find(c->root, "eval.sets"), i);
    const dho_yaml_node *node = dho_yaml_find(entry, key);
    if (node != NULL) return dho_yaml_fail(node, "%s", text);
    return dho_yaml_fail_at(entry->source, entry->line, entry->column, "eval.sets[%zu].%s: %s", i,
                            key, text);
}

/* split_file and split of entry i: both with a layout that takes them, neither with another. */
static dho_status check_split(const dho_config_checker *c, size_t i, const dho_yaml_node *entry)
{
    const dho_config_set *set = &c->config->eval.sets[i];
    char splits[DHO_SCHEMA_TEXT_BYTES], text[DHO_SCHEMA_TEXT_BYTES + 64];
    split_layouts(splits);
    if (dho_dataset_layout_of(set->format)->takes_split) {
        snprintf(text, sizeof text, "needed with format: %s", splits);
        if (set->split_file[0] == '\0') return fail_set(c, i, "split_file", text);
        snprintf(text, sizeof text, "needed with format: %s (train, val or test)", splits);
        if (set->split[0] == '\0') return fail_set(c, i, "split", text);
    } else if (dho_yaml_find(entry, "format") == NULL) {
        snprintf(text, sizeof text, "has no effect without format: %s", splits);
        if (dho_yaml_find(entry, "split_file") != NULL && set->split_file[0] != '\0')
            return fail_set(c, i, "split_file", text);
        if (set->split[0] != '\0') return fail_set(c, i, "split", text);
    }
    return DHO_OK;
}

static dho_status check_set(const dho_config_checker *c, size_t i)
{
    const dho_config_set *set = &c->config->eval.sets[i];
    const dho_yaml_node *entry = dho_yaml_item(dho_yaml_find(c->root, "eval.sets"), i);
    char quoted[DHO_YAML_QUOTE_BYTES], text[DHO_YAML_QUOTE_BYTES + 96];
    dho_yaml_quote(set->name, quoted);
    if (!is_set_name(set->name)) {
        snprintf(text, sizeof text, "expected letters, digits, '_', '.', '-' only, got %s", quoted);
        return fail_set(c, i, "name", text);
    }
    for (size_t j = 0; j < i; j++) {
        if (strcmp(c->config->eval.sets[j].name, set->name) != 0) continue;
        snprintf(text, sizeof text, "%s is also the name of eval.sets[%zu]", quoted, j);
        return fail_set(c, i, "name", text);
    }
    if (c->config->data.holdout[0] != '\0' && strcmp(set->name, DHO_HOLDOUT_NAME) == 0)
        return fail_set(c, i, "name",
                        "\"holdout\" is the name of data.holdout's images: take another");
    if (set->root[0] == '\0') return fail_set(c, i, "root", "needed, because data.root is not set");
    return check_split(c, i, entry);
}

/* The value of a key is empty or the name of a set. */
static dho_status check_set_name(const dho_config_checker *c, const char *key, const char *value)
{
    const dho_config *k = c->config;
    char names[256] = "", quoted[DHO_YAML_QUOTE_BYTES];
    const bool holdout = strcmp(value, DHO_HOLDOUT_NAME) == 0;
    if (value[0] == '\0' || (holdout && k->data.holdout[0] != '\0')) return DHO_OK;
    for (size_t i = 0; i < k->eval.set_count; i++) {
        if (strcmp(k->eval.sets[i].name, value) == 0) return DHO_OK;
        const size_t used = strlen(names);
        snprintf(names + used, sizeof names - used, "%s%s", i > 0 ? ", " : "",
                 k->eval.sets[i].name);
    }
    dho_yaml_quote(value, quoted);
    if (holdout)
        return dho_check_fail(
            c, key, NULL,
            "holdout needs data.holdout (10 %%, say), or a set of that name in eval.sets");
    if (k->eval.set_count == 0)
        return dho_check_fail(c, key, NULL, "no set has the name %s: eval.sets is empty", quoted);
    return dho_check_fail(c, key, NULL, "expected the name of a set in eval.sets (%s), got %s",
                          names, quoted);
}

static dho_status check_eval(const dho_config_checker *c)
{
    const dho_config *k = c->config;
    for (size_t i = 0; i < k->eval.set_count; i++) DHO_TRY(check_set(c, i));
    if (k->eval.resize > 0 && k->eval.resize < k->data.image_size)
        return dho_check_fail(c, "eval.resize", NULL,
                              "expected 0 or at least data.image_size (%lld), got %lld",
                              (long long)k->data.image_size, (long long)k->eval.resize);
    return check_set_name(c, "eval.select_on", k->eval.select_on);
}

/* Evaluations while training, and what follows from them. */
static dho_status check_during(const dho_config_checker *c)
{
    const dho_config *k = c->config;
    if (k->train.eval_every > 0 && dho_config_eval_on(k)[0] == '\0')
        return dho_check_fail(
            c, "train.eval_on", "train.eval_every",
            "needed with train.eval_every where eval.select_on is empty: the name of a "
            "set in eval.sets");
    DHO_TRY(check_set_name(c, "train.eval_on", k->train.eval_on));
    if (k->train.keep_best != DHO_BEST_NONE && k->train.eval_every == 0)
        return dho_check_fail(c, "train.keep_best", NULL, "needs train.eval_every");
    if (k->train.patience > 0 && k->train.keep_best == DHO_BEST_NONE)
        return dho_check_fail(c, "train.patience", NULL,
                              "needs train.keep_best: the metric that has to become better");
    if (k->train.min_delta > 0 && k->train.patience == 0)
        return dho_check_fail(c, "train.min_delta", NULL, "has no effect without train.patience");
    return DHO_OK;
}

/* Written by a dho that knew no train.batches: its runs' config.yaml have every key that there was,
 * up to train.on_nonfinite, epochs beside steps, and steps had the word. */
static bool is_older_run(const dho_yaml_node *root)
{
    static const char section[] = "train.", since[] = "train.batches";
    static const char last[] = "train.on_nonfinite";
    for (size_t i = 0; i == 0 || strcmp(dho_schema_config.fields[i - 1].key, last) != 0; i++) {
        const char *key = dho_schema_config.fields[i].key;
        if (strncmp(key, section, strlen(section)) == 0 &&
            (dho_yaml_find(root, key) != NULL) != (strcmp(key, since) != 0))
            return false;
    }
    return true;
}

dho_status dho_config_settle_length(dho_config *config, const dho_yaml_node *root,
                                    const dho_yaml_source *file)
{
    const dho_config_checker c = {.config = config, .root = root, .file = file};
    const dho_yaml_node *epochs = dho_yaml_find(root, "train.epochs");
    const dho_yaml_node *steps = dho_yaml_find(root, "train.steps");
    if (config->train.steps > 0 && epochs == NULL) config->train.epochs = 0;
    if (config->train.steps == 0 && config->train.epochs == 0)
        return dho_check_fail(&c, "train.epochs", "train.steps",
                              "train.epochs and train.steps are both 0: nothing would be trained");
    if (config->train.steps == 0 || config->train.epochs == 0) return DHO_OK;
    const bool same_source = steps->source->is_override == epochs->source->is_override;
    if (same_source && !is_older_run(root))
        return dho_check_fail(&c, "train.steps", NULL,
                              "train.steps and train.epochs cannot both be set: leave one out");
    if (same_source ||
        steps->source->is_override) /* --set train.steps=10 for a file that has epochs */
        config->train.epochs = 0;
    else
        config->train.steps = 0;
    return DHO_OK;
}

dho_status dho_config_check(const dho_config *config, const dho_yaml_node *root,
                            const dho_yaml_source *file)
{
    const dho_config_checker c = {.config = config, .root = root, .file = file};
    DHO_TRY(check_data(&c));
    DHO_TRY(dho_check_losses(&c));
    DHO_TRY(check_train(&c));
    DHO_TRY(check_eval(&c));
    return check_during(&c);
}

dho_status dho_config_check_train(const dho_config *config, const char *name)
{
    const dho_yaml_source file = {.name = name};
    const dho_config_checker c = {.config = config, .file = &file};
    if (config->data.root[0] == '\0')
        return dho_check_fail(&c, "data.root", NULL, "needed to train: the folder of the images");
    if (config->method != DHO_METHOD_CE && config->teacher.cache[0] == '\0')
        return dho_check_fail(&c, "teacher.cache", NULL,
                              "needed to train with method: %s (the folder of a teacher cache)",
                              dho_method_name(config->method));
    return DHO_OK;
}
