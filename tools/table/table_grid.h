/* A table of texts, for people or as Markdown. Private to tools/table. */
#ifndef DHO_TABLE_TABLE_GRID_H
#define DHO_TABLE_TABLE_GRID_H

#include "dho/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

typedef struct dho_grid {
    size_t rows, columns; /* row 0 is the head */
    size_t labels;        /* the first columns, which are words and stand to the left */
    char **cells;         /* owned, [rows][columns]; NULL: empty */
} dho_grid;

dho_status dho_grid_create(dho_grid *out, size_t rows, size_t columns, size_t labels);
/* Replaces what was there. */
dho_status dho_grid_set(dho_grid *grid, size_t row, size_t column, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
/* Columns as wide as their widest cell (UTF-8: a code point is one wide), or "| a | b |". */
void dho_grid_print(const dho_grid *grid, bool markdown, FILE *out);
void dho_grid_free(dho_grid *grid);

#endif
