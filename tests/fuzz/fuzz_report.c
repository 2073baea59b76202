/* libFuzzer: hostile metrics.jsonl through the reader, the charts and the escaping. What is drawn
 * must be an SVG without a raw name and without a number that is not finite.
 *
 *   cmake --preset fuzz && cmake --build --preset fuzz --target fuzz_report
 *   build/fuzz/tests/fuzz_report -max_total_time=300 build/fuzz/corpus tests/fuzz/seeds/report */
#include "dho/alloc.h"
#include "report/report_chart.h"
#include "report/report_run.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(int condition)
{
    if (!condition) abort();
}

/* One column of each of the tables; the fuzzer's bytes choose the look. */
static void draw(const dho_columns *columns, size_t column, const char *title, uint8_t look)
{
    dho_text svg = {0};
    dho_figure figure = {.id = "fuzz", .title = title};
    const dho_series series = {.x = columns->steps,
                               .y = columns->values + column,
                               .count = columns->count,
                               .stride = columns->width,
                               .style = look % 64};
    const dho_line_chart chart = {.title = title,
                                  .x_label = "step",
                                  .series = &series,
                                  .series_count = 1,
                                  .smooth = look & 1,
                                  .log = look & 2,
                                  .log_if_wide = look & 4,
                                  .from_zero = look & 8,
                                  .reference = look & 16 ? 1 : 0};
    dho_chart_lines(&figure, &chart);
    dho_figure_write_svg(&figure, &svg);
    require(dho_figure_status(&figure) == DHO_OK && svg.status == DHO_OK);
    if (svg.data != NULL)
        require(strstr(svg.data, "\"nan") == NULL && strstr(svg.data, "\"-nan") == NULL &&
                strstr(svg.data, "\"inf") == NULL && strstr(svg.data, "<script") == NULL);
    dho_figure_free(&figure);
    dho_text_free(&svg);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const int64_t before = dho_alloc_get_stats().live_blocks;
    dho_metrics metrics;
    if (size == 0) return 0;
    require(dho_metrics_parse(&metrics, (const char *)data + 1, size - 1) == DHO_OK);
    if (metrics.training.count > 0) draw(&metrics.training, data[0] % DHO_METRIC_COUNT, "loss", data[0]);
    for (size_t b = 0; b < metrics.block_count && b < 4; b++)
        draw(&metrics.conflict, 2 * b + (data[0] & 1), metrics.blocks[b], data[0]);
    dho_metrics_free(&metrics);
    require(dho_alloc_get_stats().live_blocks == before);
    return 0;
}
