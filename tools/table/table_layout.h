/* What stands where in the grids of a table. Private to tools/table. */
#ifndef DHO_TABLE_TABLE_LAYOUT_H
#define DHO_TABLE_TABLE_LAYOUT_H

#include "table/table_grid.h"
#include "table/table_runs.h"

/* Walks the rows, and in each the columns, that a grid has. */
typedef struct dho_layout {
    const dho_table *table;
    const dho_table_spec *spec;
    size_t *rows, *columns; /* owned: the wanted combinations of row and column axes */
    size_t row_count, column_count;
} dho_layout;

/* With a contrast: only the combinations that have its value `of`. dho_layout_free, also after a
 * failure. */
dho_status dho_layout_create(dho_layout *out, const dho_table *table,
                             const dho_table_contrast *contrast);
void dho_layout_free(dho_layout *layout);
/* Leaves out the columns that have published figures alone. */
void dho_layout_keep_runs(dho_layout *layout);
/* The combination of all axes at a row and a column. */
size_t dho_layout_at(const dho_layout *layout, size_t row, size_t column);

/* "4 shots", "shots 4", "val", "shots 4, val": column and test; without the axis of `less`. */
void dho_layout_head(const dho_layout *layout, size_t column, size_t test,
                     const dho_table_contrast *less, char *out, size_t bytes);
/* The row's labels into the grid's columns from `at` on; without the axis of `less`. */
dho_status dho_layout_labels(const dho_layout *layout, dho_grid *grid, size_t row, size_t grid_row,
                             size_t at, const dho_table_contrast *less);
/* "54.9 [52.3 57.5] (3)", "-" */
dho_status dho_layout_accuracy(dho_grid *grid, size_t row, size_t column,
                               const dho_table_cell *cell);

#endif
