/* The page: opens the runs, calls the sections, writes the file. */
#include "report/report_page.h"

#include "dho/alloc.h"
#include "dho/file.h"
#include "report/report.h"
#include "report/report_style.h"

#include <string.h>

typedef struct page_section {
    const char *id, *title;
    dho_status (*add)(dho_report_page *page);
} page_section;

static const page_section sections[] = {
    {"accuracy", "Accuracy", dho_report_add_accuracy},
    {"training", "Training", dho_report_add_training},
    {"combination", "Choice of α and β", dho_report_add_combination},
    {"calibration", "Calibration", dho_report_add_calibration},
    {"conflict", "Gradient conflict", dho_report_add_conflict},
    {"classes", "Classes and confusions", dho_report_add_classes},
    {"samples", "Sample predictions", dho_report_add_samples},
    {"setup", "Configuration and machine", dho_report_add_setup},
};
enum { SECTIONS = sizeof sections / sizeof *sections };

void dho_report_open_table(dho_report_page *page, const char *name)
{
    dho_text_add(&page->html,
                 "<div class=\"box\" role=\"region\" tabindex=\"0\" aria-label=\"%s\"><table>\n",
                 name);
}

void dho_report_close_table(dho_report_page *page)
{
    dho_text_add(&page->html, "</table></div>\n");
}

void dho_report_add_missing(dho_report_page *page, const char *html)
{
    dho_text_add(&page->html, "<p class=\"quiet\">%s</p>\n", html);
}

void dho_report_add_run_name(dho_report_page *page, size_t run)
{
    const int style = page->legend[run].style;
    dho_text_add(&page->html,
                 "<svg class=\"swatch\" viewBox=\"0 0 30 12\" aria-hidden=\"true\"><line "
                 "class=\"curve s%d d%d\" x1=\"0\" y1=\"6\" x2=\"30\" y2=\"6\"/></svg><bdi>",
                 style % DHO_SERIES_STYLES, dho_style_dash(style));
    dho_text_escape(&page->html, page->runs[run].name);
    dho_text_add(&page->html, "</bdi>");
}

static dho_status write_svg(const dho_report_page *page, const dho_figure *figure)
{
    char *path = NULL;
    dho_text svg = {0};
    dho_status status;
    dho_figure_write_svg(figure, &svg);
    DHO_TRY_GOTO(svg.status);
    DHO_TRY_GOTO(dho_asprintf(&path, "%s/%s.svg", page->svg_folder, figure->id));
    status = dho_file_write_text(path, svg.data);
fail:
    dho_text_free(&svg);
    dho_free(path);
    return status;
}

dho_status dho_report_add_figure(dho_report_page *page, dho_figure *figure)
{
    dho_status status = dho_figure_status(figure);
    if (status == DHO_OK) dho_figure_write_html(figure, &page->html);
    if (status == DHO_OK && page->svg_folder != NULL && figure->panel_count > 0)
        status = write_svg(page, figure);
    dho_figure_free(figure);
    return status == DHO_OK ? page->html.status : status;
}

size_t dho_report_set_names(const dho_report_page *page, const char **out)
{
    size_t count = 0;
    for (size_t r = 0; r < page->run_count; r++)
        for (size_t s = 0; s < page->runs[r].set_count; s++) {
            const char *name = page->runs[r].sets[s].record->name;
            size_t known = 0;
            while (known < count && strcmp(out[known], name) != 0) known++;
            if (known == count && count < DHO_REPORT_MAX_SETS) out[count++] = name;
        }
    return count;
}

static void add_run_line(dho_report_page *page, size_t r)
{
    const dho_report_run *run = &page->runs[r];
    const dho_columns *training = &run->metrics.training;
    dho_text_add(&page->html, "<tr><td>");
    dho_report_add_run_name(page, r);
    dho_text_add(&page->html, "</td><td class=\"left\">");
    if (run->evaluation.method != NULL)
        dho_text_escape(&page->html, run->evaluation.method);
    else if (run->has_config)
        dho_text_escape(&page->html, dho_method_name(run->config.method));
    dho_text_add(&page->html, "</td><td class=\"left\">");
    if (run->has_config) dho_text_escape(&page->html, run->config.student.model);
    dho_text_add(&page->html, "</td><td>");
    if (training->count > 0)
        dho_text_add(&page->html, "%.0f", training->steps[training->count - 1]);
    dho_text_add(&page->html, "</td><td class=\"left\"><bdi>");
    dho_text_escape(&page->html, run->path);
    dho_text_add(&page->html, "</bdi></td></tr>\n");
}

static void add_notes(dho_report_page *page)
{
    bool any = false;
    for (size_t r = 0; r < page->run_count; r++) any |= page->runs[r].notes.used > 0;
    if (!any) return;
    dho_text_add(&page->html,
                 "<div class=\"notes\"><strong>What these runs do not have</strong>\n");
    for (size_t r = 0; r < page->run_count; r++) {
        if (page->runs[r].notes.used == 0) continue;
        dho_text_add(&page->html, "<div>");
        dho_report_add_run_name(page, r);
        dho_text_add(&page->html, "<ul>\n%s</ul></div>\n", page->runs[r].notes.data);
    }
    dho_text_add(&page->html, "</div>\n");
}

static void add_head(dho_report_page *page)
{
    dho_text_add(&page->html,
                 "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
                 "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
                 "<meta name=\"color-scheme\" content=\"light dark\">\n<title>");
    for (size_t r = 0; r < page->run_count && r < 4; r++) {
        dho_text_add(&page->html, r > 0 ? ", " : "");
        dho_text_escape_cut(&page->html, page->runs[r].name, 40);
    }
    dho_text_add(&page->html, " – dho report</title>\n<style>%s%s</style>\n</head>\n<body>\n",
                 dho_style_svg(), dho_style_page());
    dho_text_add(&page->html, "<h1>%zu run%s</h1>\n<nav>", page->run_count,
                 page->run_count == 1 ? "" : "s");
    for (int i = 0; i < SECTIONS; i++)
        dho_text_add(&page->html, "<a href=\"#%s\">%s</a> ", sections[i].id, sections[i].title);
    dho_text_add(&page->html, "</nav>\n");
    dho_report_open_table(page, "runs");
    dho_text_add(&page->html, "<tr><th>run</th><th class=\"left\">method</th><th "
                              "class=\"left\">student</th><th>steps</th><th "
                              "class=\"left\">folder</th></tr>\n");
    for (size_t r = 0; r < page->run_count; r++) add_run_line(page, r);
    dho_report_close_table(page);
    add_notes(page);
}

static dho_status write_page(dho_report_page *page, const char *out)
{
    add_head(page);
    for (int i = 0; i < SECTIONS; i++) {
        dho_text_add(&page->html, "<section id=\"%s\">\n<h2>%s</h2>\n", sections[i].id,
                     sections[i].title);
        DHO_TRY(sections[i].add(page));
        dho_text_add(&page->html, "</section>\n");
    }
    dho_text_add(&page->html, "</body>\n</html>\n");
    DHO_TRY(page->html.status);
    return dho_file_write_text(out, page->html.data);
}

/* How much of a path is its folder's, the slash included; slashes at the end do not count. */
static size_t folder_length(const char *path, size_t length)
{
    while (length > 1 && path[length - 1] == '/') length--;
    while (length > 0 && path[length - 1] != '/') length--;
    return length;
}

/* Folders that all runs share say nothing: what is behind them is the name. */
static size_t shared_length(const dho_report_options *options)
{
    size_t shared = folder_length(options->runs[0], strlen(options->runs[0]));
    for (size_t r = 1; r < options->run_count; r++) {
        const char *path = options->runs[r];
        const size_t own = folder_length(path, strlen(path));
        while (shared > 0 && (shared > own || memcmp(path, options->runs[0], shared) != 0))
            shared = folder_length(options->runs[0], shared - 1);
    }
    return shared;
}

static dho_status open_runs(const dho_report_options *options, dho_report_run *runs,
                            dho_legend_entry *legend)
{
    const size_t shared = shared_length(options);
    const dho_report_reading reading = {.samples = options->samples, .threads = options->threads};
    for (size_t r = 0; r < options->run_count; r++) {
        char *name;
        const char *path = options->runs[r];
        DHO_TRY(dho_strdup(&name, path[shared] != '\0' ? path + shared : path));
        size_t length = strlen(name);
        while (length > 1 && name[length - 1] == '/') name[--length] = '\0';
        const dho_status status = dho_report_run_open(&runs[r], path, name, &reading);
        dho_free(name);
        DHO_TRY(status);
        legend[r] = (dho_legend_entry){.name = runs[r].name, .style = (int)r, .marker = 'l'};
    }
    return DHO_OK;
}

dho_status dho_report_write(const dho_report_options *options)
{
    dho_report_run *runs = NULL;
    dho_legend_entry legend[DHO_REPORT_MAX_RUNS];
    const size_t count = options->run_count;
    dho_status status;
    if (count < 1 || count > DHO_REPORT_MAX_RUNS || options->samples > DHO_REPORT_MAX_SAMPLES)
        return dho_fail(DHO_ERR_CONFIG, "a report is of 1 to %d runs with at most %d samples",
                        DHO_REPORT_MAX_RUNS, DHO_REPORT_MAX_SAMPLES);
    dho_report_page page = {
        .legend = legend, .run_count = count, .svg_folder = options->svg_folder};
    DHO_TRY(dho_alloc_zero(&runs, count, sizeof *runs, "runs"));
    page.runs = runs;
    if (options->svg_folder != NULL) DHO_TRY_GOTO(dho_make_folders(options->svg_folder));
    DHO_TRY_GOTO(open_runs(options, runs, legend));
    status = write_page(&page, options->out);
fail:
    for (size_t r = 0; r < count; r++) dho_report_run_close(&runs[r]);
    dho_free(runs);
    dho_text_free(&page.html);
    return status;
}
