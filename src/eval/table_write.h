/* The forms of a table. Private to src/eval. */
#ifndef DHO_EVAL_TABLE_WRITE_H
#define DHO_EVAL_TABLE_WRITE_H

#include "eval/table_runs.h"

#include <stdbool.h>
#include <stdio.h>

/* Text or Markdown: measured beside published, each head alone, paired differences, what is
 * missing. */
dho_status dho_table_write_text(const dho_table *table, bool markdown, FILE *out);
dho_status dho_table_write_json(const dho_table *table, FILE *out);
/* A shell script that trains and evaluates what is missing or unfinished. */
void dho_table_write_script(const dho_table *table, const char *program, FILE *out);
/* " -c CONFIG --out FOLDER --set ...", quoted for a shell: the same for train and eval. */
void dho_table_write_arguments(const dho_table_run *run, FILE *out);

#endif
