/* What the files that read a plan share: table_spec*.c. Private to tools/table. */
#ifndef DHO_TABLE_TABLE_SPEC_READ_H
#define DHO_TABLE_TABLE_SPEC_READ_H

#include "config/yaml_tree.h"
#include "table/table_spec.h"

/* A YAML file. dho_spec_document_free, also after a failure. */
typedef struct dho_spec_document {
    dho_yaml_source source;
    dho_yaml_node *root; /* owned; a mapping */
} dho_spec_document;
/* `path` is borrowed as long as the document lives. Errors: DHO_ERR_CONFIG, DHO_ERR_MEMORY. */
dho_status dho_spec_document_load(dho_spec_document *out, const char *path);
void dho_spec_document_free(dho_spec_document *document);

/* DHO_ERR_CONFIG, naming the place, when the node is no mapping or has a key that is not known. */
dho_status dho_spec_check_keys(const dho_yaml_node *map, const char *const *known);
/* A text that is not empty; a name. *out: owned. */
dho_status dho_spec_text(const dho_yaml_node *node, char **out);
dho_status dho_spec_name(const dho_yaml_node *node, char **out);

/* Letters, digits and the few signs that names may have. */
extern const char dho_spec_name_bytes[];
/* A text at `key`; `fallback` when it is not given (NULL: it must be). */
dho_status dho_spec_text_at(const dho_yaml_node *map, const char *key, const char *fallback,
                            char **out);
/* A list of texts at `key`, patterns if so said; none when it is not given. */
dho_status dho_spec_texts(const dho_table_spec *spec, const dho_yaml_node *map, const char *key,
                          bool patterns, dho_table_texts *out);
/* {name: text, ...} at the key "published" of an axis, a value or a test; none when not given. */
dho_status dho_spec_attributes(const dho_table_spec *spec, const dho_yaml_node *map,
                               dho_table_attributes *out);
void dho_spec_attributes_free(dho_table_attributes *attributes);

/* Every place-holder must be an axis, the seed, or `also` (NULL: nothing else). */
dho_status dho_spec_check_pattern(const dho_table_spec *spec, const dho_yaml_node *node,
                                  const char *also);

/* The pattern of a run's folder, below the table's. *out: owned. */
dho_status dho_spec_run(const dho_table_spec *spec, const dho_yaml_node *node, char **out);

/* The keys "rows" and "columns". */
dho_status dho_spec_axes(dho_table_spec *spec, const dho_yaml_node *root);
/* Where `name` is among the axes, or the values of one; DHO_TABLE_ANY: nowhere. */
size_t dho_spec_find_axis(const dho_table_spec *spec, const char *name);
size_t dho_spec_find_value(const dho_table_axis *axis, const char *name);

/* The keys "tests", "published", "compare" and "prepare" of a plan whose axes are known. */
dho_status dho_spec_tests(dho_table_spec *spec, const dho_yaml_node *root);
dho_status dho_spec_figures(dho_table_spec *spec, const dho_yaml_node *root);
/* The form of "published" that names a file of figures: {file: PATH, select: [...], at: {...}}. */
dho_status dho_spec_figures_of_file(dho_table_spec *spec, const dho_yaml_node *node);
/* A percentage as it is written, and its digits behind the point (at least 1). */
dho_status dho_spec_percent(const dho_yaml_node *node, double *out, int *decimals);
dho_status dho_spec_contrasts(dho_table_spec *spec, const dho_yaml_node *root);
dho_status dho_spec_preparations(dho_table_spec *spec, const dho_yaml_node *root);
/* Leaves out what `only` (NULL: nothing) does not name. */
dho_status dho_spec_only(dho_table_spec *spec, const char *only);

#endif
