#include "predict/predict_page.h"

#include "dho/alloc.h"
#include "dho/file.h"
#include "report/report_style.h"
#include "report/report_text.h"

#include <inttypes.h>
#include <stdlib.h>

enum {
    PICTURE_SIDE = 160,
    NAME_COLUMNS = 40,
    PATH_COLUMNS = 60,
    CARD_CLASSES = 5,
    CLASS_ROWS = 20
};

static const char style[] =
    ".cards{display:grid;gap:14px;padding:0;margin:8px 0;list-style:none;"
    "grid-template-columns:repeat(auto-fill,minmax(min(240px,100%),1fr))}"
    ".cards>li{border:1px solid #d5d5d5;border-radius:6px;padding:10px;min-width:0;font-size:13px}"
    ".cards img{display:block;max-width:100%;height:auto;margin:0 0 6px}"
    ".path{color:#595959;font-size:12px;margin:0 0 6px;overflow-wrap:anywhere}"
    ".likely{list-style:none;padding:0;margin:0}"
    ".likely li{display:grid;grid-template-columns:1fr auto;gap:0 8px;margin:0 0 4px}"
    ".likely li:first-child{font-weight:600}.likely small{grid-column:1/3;font-weight:400}"
    ".bar,.bar i{grid-column:1/3;height:5px;border-radius:2px;background:#e3e3e3}"
    ".bar i{display:block;background:#0072b2}"
    ".none{display:inline-block;background:#b87800;color:#fff;border-radius:4px;padding:0 6px;"
    "margin:0 0 6px}.broken{color:#b0362c}"
    "@media (prefers-color-scheme:dark){.cards>li{border-color:#3a4049}.path{color:#a9b1bc}"
    ".bar{background:#2c3138}.bar i{background:#56b4e9}.none{background:#e5c84a;color:#111}"
    ".broken{color:#ff8a80}}";

/* --- a card --- */

static void add_likely(const dho_result_maker *maker, const dho_likely *likely, dho_text *html)
{
    dho_text_add(html, "<li><bdi>");
    dho_text_escape_cut(html, dho_classifier_title(maker->classifier, likely->class_index),
                        NAME_COLUMNS);
    dho_text_add(html,
                 "</bdi><span class=\"num\">%.1f %%</span><span class=\"bar\" aria-hidden=\"true\">"
                 "<i style=\"width:%.1f%%\"></i></span>",
                 100 * likely->p, 100 * likely->p);
    if (maker->classifier->model.student.head_count == 2)
        dho_text_add(html, "<small>labels %.1f %%, teacher %.1f %%</small>",
                     100 * (double)likely->ce, 100 * (double)likely->kd);
    dho_text_add(html, "</li>\n");
}

static dho_status add_picture(const dho_result *result, dho_picture_memory *memory,
                              const dho_dataset *dataset, int64_t id, dho_text *html)
{
    dho_text jpeg = {0};
    int width, height;
    const dho_status status =
        dho_picture_encode(memory, dataset, id, PICTURE_SIDE, &jpeg, &width, &height);
    if (status == DHO_OK) {
        dho_text_add(html, "<img width=\"%d\" height=\"%d\" alt=\"", width, height);
        dho_text_escape(html, result->path);
        dho_text_add(html, "\" src=\"data:image/jpeg;base64,%s\">\n", jpeg.data);
    }
    dho_text_free(&jpeg);
    return status == DHO_ERR_MEMORY ? status : html->status;
}

dho_status dho_page_add_card(const dho_result_maker *maker, const dho_result *result,
                             dho_picture_memory *memory, const dho_dataset *dataset, int64_t id,
                             dho_text *html)
{
    dho_text_add(html, "<li>");
    if (result->error == NULL) DHO_TRY(add_picture(result, memory, dataset, id, html));
    dho_text_add(html, "<p class=\"path\" title=\"");
    dho_text_escape(html, result->path);
    dho_text_add(html, "\"><bdi>");
    dho_text_escape_cut(html, result->path, PATH_COLUMNS);
    dho_text_add(html, "</bdi></p>\n");
    if (result->error != NULL) {
        dho_text_add(html, "<p class=\"broken\">Not read: ");
        dho_text_escape(html, result->error);
        dho_text_add(html, "</p>");
    }
    if (!result->accepted) dho_text_add(html, "<p class=\"none\">none of these</p>\n");
    if (result->count > 0) dho_text_add(html, "<ul class=\"likely\">\n");
    for (int i = 0; i < result->count && i < CARD_CLASSES; i++)
        add_likely(maker, &result->top[i], html);
    dho_text_add(html, "%s</li>\n", result->count > 0 ? "</ul>" : "");
    return html->status;
}

/* --- the page --- */

typedef struct class_row {
    int64_t count;
    int class_index;
} class_row;

/* The most frequent first, then by their place. */
static int compare_rows(const void *a, const void *b)
{
    const class_row *x = a, *y = b;
    if (x->count != y->count) return x->count > y->count ? -1 : 1;
    return (x->class_index > y->class_index) - (x->class_index < y->class_index);
}

static void add_row(const dho_result_maker *maker, const class_row *row, int64_t of, dho_text *html)
{
    const double share = of > 0 ? 100.0 * (double)row->count / (double)of : 0;
    dho_text_add(html, "<tr><td><bdi>");
    dho_text_escape_cut(html, dho_classifier_title(maker->classifier, row->class_index),
                        NAME_COLUMNS);
    dho_text_add(html, "</bdi></td><td>%" PRId64 "</td><td>%.1f %%</td></tr>\n", row->count, share);
}

static dho_status add_classes(const dho_result_maker *maker, const dho_totals *totals,
                              dho_text *html)
{
    const int classes = maker->classifier->model.student.classes;
    class_row *rows;
    int used = 0;
    DHO_TRY(dho_alloc(&rows, (size_t)classes, sizeof *rows, "classes"));
    for (int c = 0; c < classes; c++)
        if (totals->of_class[c] > 0) rows[used++] = (class_row){totals->of_class[c], c};
    if (used > 0) {
        qsort(rows, (size_t)used, sizeof *rows, compare_rows);
        dho_text_add(html, "<h2>Classes</h2>\n<div class=\"box\"><table>\n<tr><th>class</th>"
                           "<th>images</th><th>share</th></tr>\n");
        for (int i = 0; i < used && i < CLASS_ROWS; i++)
            add_row(maker, &rows[i], totals->images, html);
        dho_text_add(html, "</table></div>\n");
    }
    if (used > CLASS_ROWS)
        dho_text_add(html, "<p class=\"quiet\">The %d most frequent of %d classes.</p>\n",
                     CLASS_ROWS, used);
    dho_free(rows);
    return html->status;
}

static void add_head(const dho_result_maker *maker, const dho_totals *totals, dho_text *html)
{
    const dho_classifier *classifier = maker->classifier;
    const dho_student *student = &classifier->model.student;
    dho_text_add(html,
                 "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
                 "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
                 "<meta name=\"color-scheme\" content=\"light dark\">\n"
                 "<title>Predictions – dho</title>\n<style>%s%s</style>\n</head>\n<body>\n"
                 "<h1>Predictions for %" PRId64 " image%s</h1>\n<p>Model: <bdi>",
                 dho_style_page(), style, totals->images, totals->images == 1 ? "" : "s");
    dho_text_escape(html, classifier->source);
    dho_text_add(html, "</bdi>, %s with %d classes, %d × %d pixels.", student->model,
                 student->classes, student->image_size, student->image_size);
    if (student->head_count == 2)
        dho_text_add(html,
                     " The percentage is %g of the labels' head and %g of the teacher's head.",
                     classifier->alpha, 1 - classifier->alpha);
    if (classifier->temperature != 1)
        dho_text_add(html, " It is taken at temperature %.3g.", classifier->temperature);
    dho_text_add(html, "</p>\n");
    if (maker->reject != DHO_REJECT_NEVER)
        dho_text_add(html, "<p>%" PRId64 " images are <b>none of these</b> classes.</p>\n",
                     totals->rejected);
    if (totals->errors > 0)
        dho_text_add(html, "<p class=\"broken\">%" PRId64 " could not be read.</p>\n",
                     totals->errors);
}

dho_status dho_page_write(const char *path, const dho_result_maker *maker, const dho_totals *totals,
                          const dho_text *cards, int64_t shown)
{
    dho_text html = {0};
    dho_status status;
    add_head(maker, totals, &html);
    DHO_TRY_GOTO(add_classes(maker, totals, &html));
    if (cards->used > 0) {
        dho_text_add(&html, "<h2>Images</h2>\n");
        if (shown < totals->images)
            dho_text_add(&html, "<p class=\"quiet\">The first %" PRId64 " of %" PRId64 ".</p>\n",
                         shown, totals->images);
        dho_text_add(&html, "<ul class=\"cards\">\n");
        dho_text_append(&html, cards->data, cards->used);
        dho_text_add(&html, "</ul>\n");
    }
    dho_text_add(&html, "</body>\n</html>\n");
    DHO_TRY_GOTO(html.status);
    status = dho_file_write_text(path, html.data);
fail:
    dho_text_free(&html);
    return status;
}
