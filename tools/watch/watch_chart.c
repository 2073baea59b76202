#include "watch/watch_chart.h"

#include "base/compare.h"

#include <math.h>
#include <string.h>

/* The means of the columns; returns whether there is any value. */
static bool fill_columns(const dho_curve *curve, int columns, double out[DHO_CHART_MAX_COLUMNS])
{
    double sums[DHO_CHART_MAX_COLUMNS] = {0}, counts[DHO_CHART_MAX_COLUMNS] = {0};
    if (curve->count == 0) return false;
    const double first = curve->x[0], range = curve->x[curve->count - 1] - first;
    for (size_t i = 0; i < curve->count; i++) {
        const double y = curve->y[i * curve->stride];
        const int place = range > 0 ? (int)((curve->x[i] - first) / range * columns) : 0;
        const int column = place < columns ? place : columns - 1;
        if (!isfinite(y)) continue;
        sums[column] += y;
        counts[column]++;
    }
    int before = -1; /* the last column with values */
    for (int c = 0; c < columns; c++) {
        out[c] = counts[c] > 0 ? sums[c] / counts[c] : NAN;
        if (counts[c] == 0) continue;
        for (int gap = before + 1; before >= 0 && gap < c; gap++)
            out[gap] = out[before] + (out[c] - out[before]) * (gap - before) / (c - before);
        before = c;
    }
    for (int c = before + 1; before >= 0 && c < columns; c++) out[c] = out[before];
    return before >= 0;
}

dho_chart dho_chart_create(const dho_curve *curve, int columns, int rows)
{
    double values[DHO_CHART_MAX_COLUMNS];
    if (columns > DHO_CHART_MAX_COLUMNS) columns = DHO_CHART_MAX_COLUMNS;
    dho_chart out = {.columns = columns, .rows = rows, .low = NAN, .high = NAN};
    if (columns < 1 || rows < 1 || !fill_columns(curve, columns, values)) return out;
    for (int c = 0; c < columns; c++) {
        if (isnan(values[c])) continue;
        out.low = isnan(out.low) ? values[c] : dho_smaller(out.low, values[c]);
        out.high = isnan(out.high) ? values[c] : dho_larger(out.high, values[c]);
    }
    const bool log = curve->log_if_wide && out.low > 0 && out.high > 30 * out.low;
    double low = curve->from_zero && !log ? dho_smaller(out.low, 0) : out.low, high = out.high;
    if (log) {
        low = log10(low);
        high = log10(high);
    }
    const int most = rows * DHO_CHART_LEVELS;
    for (int c = 0; c < columns; c++) {
        if (isnan(values[c])) continue;
        const double value = log ? log10(values[c]) : values[c];
        const double place = high > low ? (value - low) / (high - low) : 0.5;
        out.heights[c] = 1 + (int)lround(place * (most - 1));
    }
    return out;
}

void dho_chart_put_row(const dho_chart *chart, int row, dho_page *page, dho_style style)
{
    static const char *const blocks[DHO_CHART_LEVELS + 1] = {" ", "▁", "▂", "▃", "▄",
                                                             "▅", "▆", "▇", "█"};
    static const char *const signs[DHO_CHART_LEVELS + 1] = {" ", "_", ".", ":", "-",
                                                            "=", "+", "*", "#"};
    char line[DHO_CHART_MAX_COLUMNS * 3 + 1];
    size_t used = 0;
    const int below = (chart->rows - 1 - row) * DHO_CHART_LEVELS;
    for (int c = 0; c < chart->columns; c++) {
        const int height = chart->heights[c] - below;
        const int level = height < 0 ? 0 : height < DHO_CHART_LEVELS ? height : DHO_CHART_LEVELS;
        const char *glyph = page->utf8 ? blocks[level] : signs[level];
        const size_t bytes = strlen(glyph);
        memcpy(line + used, glyph, bytes);
        used += bytes;
    }
    line[used] = '\0';
    dho_page_put(page, style, "%s", line);
}
