/* One value of the configuration: from a YAML node into its member. Private to src/config. */
#ifndef DHO_CONFIG_CONFIG_VALUE_H
#define DHO_CONFIG_CONFIG_VALUE_H

#include "config/schema.h"
#include "config/yaml_tree.h"

/* Checks the node against the row and stores it in `structure` (what was there is not released).
 * Not for DHO_FIELD_SETS. Errors: DHO_ERR_CONFIG "where: key: expected ..., got ...". */
dho_status dho_field_read(const dho_field *field, const dho_yaml_node *node, void *structure);
/* Stores the row's default (nothing for DHO_FIELD_SETS). */
dho_status dho_field_read_default(const dho_field *field, void *structure);
/* A copy of another structure's member of the same type: DHO_FIELD_WORD or DHO_FIELD_TEXT. */
dho_status dho_field_inherit(const dho_field *field, void *structure, const dho_field *from,
                             const void *from_structure);
/* Has the member the same value in both structures? Not for DHO_FIELD_SETS. */
bool dho_field_is_equal(const dho_field *field, const void *a, const void *b);
/* Its value as YAML, in config_format.c. *out: owned text. Not for DHO_FIELD_SETS. */
dho_status dho_field_format(const dho_field *field, const void *structure, char **out);
/* The expectation of `field` was not met by `node`: returns DHO_ERR_CONFIG with `hint` behind. */
dho_status dho_field_mismatch(const dho_field *field, const dho_yaml_node *node, const char *hint);
/* Releases what the member owns (not for DHO_FIELD_SETS). */
void dho_field_free(const dho_field *field, void *structure);

/* How long a run is, once all keys are read: steps or epochs, the other becomes 0. Given both,
 * --set has the word over the file, else it is an error. */
dho_status dho_config_settle_length(dho_config *config, const dho_yaml_node *root,
                                    const dho_yaml_source *file);

/* config_holdout.c: checks data.holdout and writes it in one way; with one, eval.select_on that is
 * not given becomes DHO_HOLDOUT_NAME. */
dho_status dho_config_settle_holdout(dho_config *config, const dho_yaml_node *root);

/* The checks that need more than one key, or the tree. `root` may be NULL. `file` stands in for a
 * key that is not in the tree. */
dho_status dho_config_check(const dho_config *config, const dho_yaml_node *root,
                            const dho_yaml_source *file);

/* compat.c. With compat: reference, the public code's value of a key that is not given, as YAML
 * text
 * (`text` is room for it), NULL where it is the schema's. The rows of the schema in front of the
 * key's have their values already. */
const char *dho_compat_default(const dho_config *config, const dho_yaml_node *root, const char *key,
                               char text[DHO_NUMBER_BYTES]);
/* With compat: reference, a key that is given and contradicts what makes the public code's method
 * is an error, as is a setting that it does not know. */
dho_status dho_compat_check(const dho_config *config, const dho_yaml_node *root,
                            const dho_yaml_source *file);

#endif
