/* Tables of a paper: many runs of one plan, measured beside published. A plan is a small YAML file
 * (docs/tables.md): axes that become rows and columns, test sets, seeds, published figures. For
 * src/cli. */
#ifndef DHO_TABLE_TABLE_H
#define DHO_TABLE_TABLE_H

#include "dho/status.h"

#include <stddef.h>
#include <stdio.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct dho_table dho_table;

typedef struct dho_table_options {
    const char *runs; /* folder of all tables' runs: RUNS/<folder>/<row and column>/seed-<seed> */
    const char *only; /* NULL, or "axis=value,axis=value,seed=1": the part of the table wanted */
    const char *const *overrides; /* behind the table's own: where things lie on this machine */
    size_t override_count;
} dho_table_options;

/* Reads the plan at `path` and looks at every run it asks for. Runs that are not there, not done,
 * unreadable or made by another configuration are noted, not counted. *out is owned:
 * dho_table_destroy. Local.
 * Errors: DHO_ERR_CONFIG "path:line:column: key: ..." for a plan, or a configuration it names, that
 * cannot be; DHO_ERR_MEMORY. */
dho_status dho_table_open(dho_table **out, const char *path, const dho_table_options *options);
void dho_table_destroy(dho_table **table);

typedef enum dho_table_format {
    DHO_TABLE_TEXT,
    DHO_TABLE_MARKDOWN,
    DHO_TABLE_JSON,
    DHO_TABLE_SVG,   /* the differences as maps; needs "compare" and two axes */
    DHO_TABLE_SCRIPT /* the missing runs as a shell script */
} dho_table_format;

/* Writes the table. `program`: this program's path, for the script. Errors: DHO_ERR_MEMORY,
 * DHO_ERR_IO; DHO_ERR_CONFIG for maps of a table without differences. */
dho_status dho_table_write(const dho_table *table, dho_table_format format, const char *program,
                           FILE *out);

/* The path, owned by the caller, of a plan that is named: "caltech101", or a file. Names are looked
 * for in configs/tables, then beside `program`: installed, or in the source tree. Errors:
 * DHO_ERR_CONFIG, with a name that is like it; DHO_ERR_MEMORY. */
dho_status dho_table_find(char **out, const char *name, const char *program);
/* Writes the names and titles of the plans in the first of these folders that is there. */
dho_status dho_table_list(const char *program, FILE *out);

/* The title of the plan at `path`, owned by the caller; errors as dho_table_open. */
dho_status dho_table_title(char **out, const char *path);

#ifdef __cplusplus
}
#endif

#endif
