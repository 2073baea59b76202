/* Two or more configurations, compared field by field. */
#include "config/config_value.h"
#include "config/schema.h"
#include "dho/alloc.h"

#include <stdio.h>

/* The structures that hold one key, one of each configuration. */
typedef struct columns {
    const dho_config *const *configs;
    const void **structures; /* owned, [count]; NULL: no such structure in that configuration */
    size_t count;
} columns;

/* Do all configurations that there are have the field's structure, and one value in it? */
static bool agree(const columns *c, const dho_field *field)
{
    const void *first = NULL;
    bool lacks = false;
    for (size_t i = 0; i < c->count; i++) {
        const void *structure = c->structures[i];
        if (structure == NULL) {
            lacks |= c->configs[i] != NULL;
            continue;
        }
        if (first != NULL && !dho_field_is_equal(field, first, structure)) return false;
        first = structure;
    }
    return first == NULL || !lacks;
}

static dho_status add_key(dho_config_differences *out, const columns *c, const dho_field *field,
                          const char *prefix)
{
    DHO_TRY(dho_realloc(&out->keys, out->count + 1, sizeof *out->keys, "differences"));
    dho_config_difference *key = &out->keys[out->count];
    *key = (dho_config_difference){0};
    DHO_TRY(dho_alloc_zero(&key->values, c->count, sizeof *key->values, "differences"));
    out->count++;
    snprintf(key->key, sizeof key->key, "%s%s", prefix, field->key);
    for (size_t i = 0; i < c->count; i++)
        if (c->structures[i] != NULL)
            DHO_TRY(dho_field_format(field, c->structures[i], &key->values[i]));
    return DHO_OK;
}

/* The keys of entry `set` of eval.sets. */
static dho_status add_set(dho_config_differences *out, const columns *c, size_t set,
                          unsigned decides)
{
    char prefix[40];
    snprintf(prefix, sizeof prefix, "eval.sets[%zu].", set);
    for (size_t i = 0; i < c->count; i++) {
        const dho_config *config = c->configs[i];
        const bool has_it = config != NULL && set < config->eval.set_count;
        c->structures[i] = has_it ? &config->eval.sets[set] : NULL;
    }
    for (size_t k = 0; k < dho_schema_set.count; k++) {
        const dho_field *field = &dho_schema_set.fields[k];
        if ((field->decides & decides) != 0 && !agree(c, field))
            DHO_TRY(add_key(out, c, field, prefix));
    }
    return DHO_OK;
}

static dho_status add_sets(dho_config_differences *out, const columns *c, unsigned decides)
{
    size_t most = 0;
    for (size_t i = 0; i < c->count; i++)
        if (c->configs[i] != NULL && c->configs[i]->eval.set_count > most)
            most = c->configs[i]->eval.set_count;
    for (size_t set = 0; set < most; set++) DHO_TRY(add_set(out, c, set, decides));
    return DHO_OK;
}

static dho_status add_all(dho_config_differences *out, const columns *c, unsigned decides)
{
    for (size_t k = 0; k < dho_schema_config.count; k++) {
        const dho_field *field = &dho_schema_config.fields[k];
        if ((field->decides & decides) == 0) continue;
        if (field->type == DHO_FIELD_SETS) {
            DHO_TRY(add_sets(out, c, decides));
            continue;
        }
        for (size_t i = 0; i < c->count; i++) c->structures[i] = c->configs[i];
        if (!agree(c, field)) DHO_TRY(add_key(out, c, field, ""));
    }
    return DHO_OK;
}

dho_status dho_config_diff(dho_config_differences *out, const dho_config *const *configs,
                           size_t count, unsigned decides)
{
    columns c = {.configs = configs, .count = count};
    *out = (dho_config_differences){.configs = count};
    DHO_TRY(dho_alloc(&c.structures, count, sizeof *c.structures, "differences"));
    const dho_status status = add_all(out, &c, decides);
    dho_free(c.structures);
    if (status != DHO_OK) dho_config_differences_free(out);
    return status;
}

void dho_config_differences_free(dho_config_differences *differences)
{
    for (size_t k = 0; k < differences->count; k++) {
        for (size_t i = 0; i < differences->configs; i++) dho_free(differences->keys[k].values[i]);
        dho_free(differences->keys[k].values);
    }
    dho_free(differences->keys);
    *differences = (dho_config_differences){0};
}
