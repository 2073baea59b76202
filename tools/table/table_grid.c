#include "table/table_grid.h"

#include "dho/alloc.h"

#include <stdarg.h>

dho_status dho_grid_create(dho_grid *out, size_t rows, size_t columns, size_t labels)
{
    *out = (dho_grid){.rows = rows, .columns = columns, .labels = labels};
    if (columns != 0 && rows > SIZE_MAX / columns)
        return dho_fail(DHO_ERR_MEMORY, "table: too large");
    return dho_alloc_zero(&out->cells, rows * columns, sizeof *out->cells, "table");
}

dho_status dho_grid_set(dho_grid *grid, size_t row, size_t column, const char *format, ...)
{
    char **cell = &grid->cells[row * grid->columns + column];
    va_list arguments;
    va_start(arguments, format);
    const int length = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    dho_free(*cell);
    *cell = NULL;
    DHO_TRY(dho_alloc(cell, (size_t)length + 1, 1, "table"));
    va_start(arguments, format);
    vsnprintf(*cell, (size_t)length + 1, format, arguments);
    va_end(arguments);
    return DHO_OK;
}

static const char *cell_at(const dho_grid *grid, size_t row, size_t column)
{
    const char *cell = grid->cells[row * grid->columns + column];
    return cell != NULL ? cell : "";
}

static size_t width_of(const char *text)
{
    size_t width = 0;
    for (; *text != '\0'; text++) width += ((unsigned char)*text & 0xc0) != 0x80;
    return width;
}

static void print_text(const dho_grid *grid, FILE *out)
{
    for (size_t r = 0; r < grid->rows; r++) {
        for (size_t c = 0; c < grid->columns; c++) {
            size_t width = 0;
            for (size_t i = 0; i < grid->rows; i++) {
                const size_t own = width_of(cell_at(grid, i, c));
                if (own > width) width = own;
            }
            const char *cell = cell_at(grid, r, c);
            const int blanks = (int)(width - width_of(cell));
            const bool left = c < grid->labels, last = c + 1 == grid->columns;
            fprintf(out, "%*s%s%*s%s", left ? 0 : blanks, "", cell, left && !last ? blanks : 0, "",
                    last ? "\n" : "  ");
        }
    }
}

static void print_markdown(const dho_grid *grid, FILE *out)
{
    for (size_t r = 0; r < grid->rows; r++) {
        for (size_t c = 0; c < grid->columns; c++) {
            fputs("| ", out);
            for (const char *at = cell_at(grid, r, c); *at != '\0'; at++)
                fprintf(out, *at == '|' ? "\\%c" : "%c", *at);
            fputc(' ', out);
        }
        fputs("|\n", out);
        for (size_t c = 0; r == 0 && c < grid->columns; c++)
            fputs(c < grid->labels ? "|---" : "|---:", out);
        if (r == 0) fputs("|\n", out);
    }
}

void dho_grid_print(const dho_grid *grid, bool markdown, FILE *out)
{
    if (markdown)
        print_markdown(grid, out);
    else
        print_text(grid, out);
}

void dho_grid_free(dho_grid *grid)
{
    for (size_t i = 0; grid->cells != NULL && i < grid->rows * grid->columns; i++)
        dho_free(grid->cells[i]);
    dho_free(grid->cells);
    *grid = (dho_grid){0};
}
