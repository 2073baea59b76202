/* What missing runs need, and what makes it. Private to tools/table. Local. */
#ifndef DHO_TABLE_TABLE_PREPARE_H
#define DHO_TABLE_TABLE_PREPARE_H

#include "table/table_runs.h"

/* Adds what runs[run], at `values` of the axes, needs and is not there to table->steps. */
dho_status dho_table_prepare(dho_table *table, size_t run, const size_t *values,
                             const dho_config *wanted);
void dho_table_step_free(dho_table_step *step);

#endif
