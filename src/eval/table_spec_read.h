/* What table_spec.c and table_spec_figures.c share. Private to these two. */
#ifndef DHO_EVAL_TABLE_SPEC_READ_H
#define DHO_EVAL_TABLE_SPEC_READ_H

#include "config/yaml_tree.h"
#include "eval/table_spec.h"

/* DHO_ERR_CONFIG, naming the place, when the node is no mapping or has a key that is not known. */
dho_status dho_spec_check_keys(const dho_yaml_node *map, const char *const *known);
/* A text that is not empty; a name. *out: owned. */
dho_status dho_spec_text(const dho_yaml_node *node, char **out);
dho_status dho_spec_name(const dho_yaml_node *node, char **out);

/* Every place-holder must be an axis, the seed, or `also` (NULL: nothing else). */
dho_status dho_spec_check_pattern(const dho_table_spec *spec, const dho_yaml_node *node,
                                  const char *also);

/* The keys "tests", "published", "compare" and "prepare" of a plan whose axes are known. */
dho_status dho_spec_tests(dho_table_spec *spec, const dho_yaml_node *root);
dho_status dho_spec_figures(dho_table_spec *spec, const dho_yaml_node *root);
dho_status dho_spec_contrasts(dho_table_spec *spec, const dho_yaml_node *root);
dho_status dho_spec_preparations(dho_table_spec *spec, const dho_yaml_node *root);
/* Leaves out what `only` (NULL: nothing) does not name. */
dho_status dho_spec_only(dho_table_spec *spec, const char *only);

#endif
