/* The forms of a table. Private to tools/table. */
#ifndef DHO_TABLE_TABLE_WRITE_H
#define DHO_TABLE_TABLE_WRITE_H

#include "table/table_runs.h"

#include <stdbool.h>
#include <stdio.h>

/* Each head alone of the runs that have two; the differences, seed by seed. Nothing is written
 * where there are none. */
dho_status dho_table_write_heads(const dho_table *table, bool markdown, FILE *out);
dho_status dho_table_write_contrasts(const dho_table *table, bool markdown, FILE *out);
/* A map of each difference and test as SVG. */
dho_status dho_table_write_maps(const dho_table *table, FILE *out);
dho_status dho_table_write_json(const dho_table *table, FILE *out);
/* How many runs are not counted, and in the text which, with their commands. */
void dho_table_write_missing(const dho_table *table, bool markdown, FILE *out);
/* A shell script that trains and evaluates what is missing or unfinished, and before that makes
 * what they need. */
void dho_table_write_script(const dho_table *table, const char *program, FILE *out);
/* " -c CONFIG --out FOLDER --set ...", quoted for a shell: the same for train and eval. */
void dho_table_write_arguments(const dho_table_run *run, FILE *out);
/* The command of a preparation, written out. */
void dho_table_write_step(const dho_table *table, const dho_table_step *step, FILE *out);

#endif
