#include "train/metrics_read.h"

#include "base/json.h"
#include "dho/alloc.h"
#include "dho/file.h"

#include <math.h>
#include <string.h>

#define MAX_METRICS_BYTES ((size_t)1 << 30)
enum { MAX_BLOCKS = 512 };
/* Beyond it a number says only that something broke, and an axis cannot be drawn. */
#define MOST 1e30

static void free_columns(dho_columns *columns)
{
    dho_free(columns->steps);
    dho_free(columns->values);
    *columns = (dho_columns){0};
}

/* Appends a row of NaN and returns it in *row; a step that is not above the last one takes the
 * place of the rows from it on, as a run that resumed wrote them again. */
static dho_status add_row(dho_columns *columns, double step, double **row)
{
    while (columns->count > 0 && columns->steps[columns->count - 1] >= step) columns->count--;
    size_t rows = columns->capacity;
    DHO_TRY(dho_grow(&columns->steps, columns->count, &rows, sizeof *columns->steps, "metrics"));
    DHO_TRY(dho_grow(&columns->values, columns->count, &columns->capacity,
                     columns->width * sizeof *columns->values, "metrics"));
    *row = columns->values + columns->count * columns->width;
    for (size_t i = 0; i < columns->width; i++) (*row)[i] = NAN;
    columns->steps[columns->count++] = step;
    return DHO_OK;
}

void dho_metrics_free(dho_metrics *metrics)
{
    free_columns(&metrics->training);
    free_columns(&metrics->evaluation);
    free_columns(&metrics->conflict);
    for (size_t b = 0; b < metrics->block_count; b++) dho_free(metrics->blocks[b]);
    dho_free(metrics->blocks);
    *metrics = (dho_metrics){0};
}

static double number_of(const json_t *value)
{
    const double number = json_is_number(value) ? json_number_value(value) : NAN;
    return fabs(number) < MOST ? number : NAN;
}

/* The blocks are those of the first line. */
static dho_status name_blocks(dho_metrics *metrics, const json_t *conflict)
{
    size_t count = json_object_size(conflict);
    if (count > MAX_BLOCKS) count = MAX_BLOCKS;
    DHO_TRY(dho_alloc_zero(&metrics->blocks, count, sizeof *metrics->blocks, "conflict"));
    for (void *i = json_object_iter((json_t *)conflict); i != NULL && metrics->block_count < count;
         i = json_object_iter_next((json_t *)conflict, i))
        DHO_TRY(dho_strdup(&metrics->blocks[metrics->block_count++], json_object_iter_key(i)));
    metrics->conflict.width = 2 * count;
    return DHO_OK;
}

static dho_status add_conflict(dho_metrics *metrics, double step, const json_t *conflict)
{
    double *row;
    if (json_object_size(conflict) == 0) return DHO_OK;
    if (metrics->block_count == 0) DHO_TRY(name_blocks(metrics, conflict));
    DHO_TRY(add_row(&metrics->conflict, step, &row));
    for (size_t b = 0; b < metrics->block_count; b++) {
        const json_t *block = json_object_get(conflict, metrics->blocks[b]);
        row[2 * b] = number_of(json_object_get(block, "cosine"));
        row[2 * b + 1] = number_of(json_object_get(block, "ratio"));
    }
    return DHO_OK;
}

static dho_status add_line(dho_metrics *metrics, const json_t *line)
{
    double *row;
    const double step = number_of(json_object_get(line, "step"));
    if (!(step >= 0)) {
        metrics->bad_lines++;
        return DHO_OK;
    }
    const json_t *conflict = json_object_get(line, "conflict");
    if (json_object_get(line, "event") != NULL) return DHO_OK;
    if (json_is_object(conflict)) return add_conflict(metrics, step, conflict);
    const bool evaluation = json_object_get(line, "evaluated") != NULL;
    DHO_TRY(add_row(evaluation ? &metrics->evaluation : &metrics->training, step, &row));
    for (int m = 0; m < DHO_METRIC_COUNT; m++) {
        if (dho_metric_table[m].evaluation != evaluation) continue;
        row[m] = number_of(json_object_get(line, dho_metric_table[m].name));
        if (dho_metric_table[m].may_break && row[m] < 0) row[m] = NAN;
    }
    return DHO_OK;
}

dho_status dho_metrics_parse(dho_metrics *out, const char *text, size_t bytes)
{
    const char *line = text, *end = text + bytes;
    dho_status status = DHO_OK;
    *out = (dho_metrics){.training = {.width = DHO_METRIC_COUNT},
                         .evaluation = {.width = DHO_METRIC_COUNT}};
    while (line < end && status == DHO_OK) {
        const char *newline = memchr(line, '\n', (size_t)(end - line));
        out->torn = newline == NULL;
        if (out->torn) break;
        json_t *entry = json_loadb(line, (size_t)(newline - line), 0, NULL);
        if (json_is_object(entry))
            status = add_line(out, entry);
        else
            out->bad_lines++;
        json_decref(entry);
        line = newline + 1;
    }
    if (status != DHO_OK) dho_metrics_free(out);
    return status;
}

dho_status dho_metrics_load(dho_metrics *out, const char *path)
{
    uint8_t *data = NULL;
    size_t capacity = 0, size;
    *out = (dho_metrics){0};
    dho_status status = dho_file_read_text(path, MAX_METRICS_BYTES, &data, &capacity, &size);
    if (status == DHO_OK) status = dho_metrics_parse(out, (const char *)data, size);
    dho_free(data);
    return status;
}
