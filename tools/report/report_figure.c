/* Figures: panels, legends, and their two forms. */
#include "dho/alloc.h"
#include "report/report_chart.h"
#include "report/report_style.h"

enum { GAP = 18, COLUMNS = 3, LEGEND_ROW = 20 };

static const double title_room = 24; /* above a panel's own drawing */

void dho_figure_free(dho_figure *figure)
{
    for (size_t i = 0; i < figure->panel_count; i++) {
        dho_text_free(&figure->panels[i].body);
        dho_text_free(&figure->panels[i].title);
        dho_text_free(&figure->panels[i].short_title);
    }
    dho_free(figure->panels);
    dho_text_free(&figure->caption);
    *figure = (dho_figure){0};
}

dho_panel *dho_figure_add(dho_figure *figure, const char *title, double height)
{
    if (figure->status == DHO_OK && figure->panels == NULL)
        figure->status =
            dho_alloc_zero(&figure->panels, DHO_MAX_PANELS, sizeof *figure->panels, "figure");
    if (figure->status != DHO_OK || figure->panel_count == DHO_MAX_PANELS) return NULL;
    dho_panel *panel = &figure->panels[figure->panel_count++];
    panel->height = height;
    dho_text_escape(&panel->title, title);
    dho_text_escape_cut(&panel->short_title, title, DHO_PANEL_COLUMNS);
    return panel;
}

dho_status dho_figure_status(const dho_figure *figure)
{
    if (figure->status != DHO_OK) return figure->status;
    for (size_t i = 0; i < figure->panel_count; i++) {
        if (figure->panels[i].body.status != DHO_OK) return figure->panels[i].body.status;
        if (figure->panels[i].title.status != DHO_OK) return figure->panels[i].title.status;
        if (figure->panels[i].short_title.status != DHO_OK)
            return figure->panels[i].short_title.status;
    }
    return figure->caption.status;
}

static const char *text_of(const dho_text *text)
{
    return text->data != NULL ? text->data : "";
}

void dho_panel_text(dho_panel *panel, double x, double y, const char *anchor, const char *css,
                    const char *value)
{
    dho_text_add(&panel->body, "<text class=\"%s\" x=\"%.1f\" y=\"%.1f\" text-anchor=\"%s\">", css,
                 x, y, anchor);
    dho_text_escape(&panel->body, value);
    dho_text_add(&panel->body, "</text>");
}

void dho_panel_line(dho_panel *panel, double x1, double y1, double x2, double y2, const char *css)
{
    dho_text_add(&panel->body,
                 "<line class=\"%s\" x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\"/>", css, x1,
                 y1, x2, y2);
}

static void draw_marker(dho_text *out, double x, double y, char marker, int style)
{
    char css[16] = "ink";
    if (style >= 0) css[0] = 'f', css[1] = (char)('0' + style % DHO_SERIES_STYLES), css[2] = '\0';
    if (marker == 'o')
        dho_text_add(out, "<circle class=\"%s\" cx=\"%.1f\" cy=\"%.1f\" r=\"4.2\"/>", css, x, y);
    else if (marker == 's')
        dho_text_add(out, "<rect class=\"%s\" x=\"%.1f\" y=\"%.1f\" width=\"6.6\" height=\"6.6\"/>",
                     css, x - 3.3, y - 3.3);
    else
        dho_text_add(out, "<path class=\"%s\" d=\"M%.1f %.1fl4.4 4.4l-4.4 4.4l-4.4 -4.4z\"/>", css,
                     x, y - 4.4);
}

void dho_panel_marker(dho_panel *panel, double x, double y, char marker, int style)
{
    draw_marker(&panel->body, x, y, marker, style);
}

/* The sample of a legend's entry, 30 x 12 units with its left middle at x, y. */
static void draw_sample(dho_text *out, const dho_legend_entry *entry, double x, double y)
{
    if (entry->marker != 'l') {
        draw_marker(out, x + 15, y, entry->marker, entry->style);
        return;
    }
    dho_text_add(out,
                 "<line class=\"curve s%d d%d\" x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\"/>",
                 entry->style % DHO_SERIES_STYLES, dho_style_dash(entry->style), x, y, x + 30, y);
}

static void write_panel_html(const dho_panel *panel, dho_text *out)
{
    dho_text_add(
        out,
        "<div class=\"panel\"><p class=\"heading\"><bdi>%s</bdi></p>"
        "<svg class=\"chart\" role=\"img\" viewBox=\"0 0 %d %.0f\"><title>%s</title>%s</svg>"
        "</div>\n",
        text_of(&panel->title), DHO_PANEL_WIDTH, panel->height, text_of(&panel->title),
        text_of(&panel->body));
}

void dho_figure_write_html(const dho_figure *figure, dho_text *out)
{
    if (figure->panel_count == 0) return;
    dho_text_add(out, "<figure id=\"figure-%s\">\n", figure->id);
    if (figure->legend_count > 0) {
        dho_text_add(out, "<ul class=\"legend\">\n");
        for (size_t i = 0; i < figure->legend_count; i++) {
            dho_text_add(out,
                         "<li><svg class=\"sample\" viewBox=\"0 0 30 12\" aria-hidden=\"true\">");
            draw_sample(out, &figure->legend[i], 0, 6);
            dho_text_add(out, "</svg><bdi>");
            dho_text_escape(out, figure->legend[i].name);
            dho_text_add(out, "</bdi></li>\n");
        }
        dho_text_add(out, "</ul>\n");
    }
    dho_text_add(out, "<div class=\"panels\">\n");
    for (size_t i = 0; i < figure->panel_count; i++) write_panel_html(&figure->panels[i], out);
    dho_text_add(out, "</div>\n<figcaption>%s</figcaption>\n</figure>\n",
                 text_of(&figure->caption));
}

/* Places the legend's entries in rows; draws them when `out` is there. Returns the height. */
static double lay_out_legend(const dho_figure *figure, double width, double top, dho_text *out)
{
    double x = GAP, y = top;
    for (size_t i = 0; i < figure->legend_count; i++) {
        size_t columns = dho_text_columns(figure->legend[i].name);
        if (columns > 60) columns = 60;
        const double own = 36 + 6.8 * (double)columns + 20;
        if (x > GAP && x + own > width) {
            x = GAP;
            y += LEGEND_ROW;
        }
        if (out != NULL) {
            draw_sample(out, &figure->legend[i], x, y);
            dho_text_add(out, "<text class=\"name\" x=\"%.1f\" y=\"%.1f\">", x + 36, y + 4);
            dho_text_escape_cut(out, figure->legend[i].name, 60);
            dho_text_add(out, "</text>\n");
        }
        x += own;
    }
    return figure->legend_count > 0 ? y + LEGEND_ROW - top : 0;
}

/* The height of the row of panels that starts with `first`. */
static double row_height(const dho_figure *figure, size_t first, size_t columns)
{
    double height = 0;
    for (size_t i = first; i < figure->panel_count && i < first + columns; i++)
        if (figure->panels[i].height > height) height = figure->panels[i].height;
    return height + title_room + GAP;
}

void dho_figure_write_svg(const dho_figure *figure, dho_text *out)
{
    if (figure->panel_count == 0) return;
    const size_t columns = figure->panel_count < COLUMNS ? figure->panel_count : COLUMNS;
    const double width = (double)columns * (DHO_PANEL_WIDTH + GAP) + GAP, head = 44;
    const double top = head + lay_out_legend(figure, width, head, NULL);
    double height = top, y = top;
    for (size_t i = 0; i < figure->panel_count; i += columns)
        height += row_height(figure, i, columns);
    dho_text_add(
        out,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %.0f %.0f\" width=\"%.0f\" "
        "height=\"%.0f\" role=\"img\">\n<title>",
        width, height, width, height);
    dho_text_escape(out, figure->title);
    dho_text_add(out, "</title>\n<style>%s</style>\n", dho_style_svg());
    dho_text_add(out, "<rect class=\"page\" width=\"%.0f\" height=\"%.0f\"/>\n", width, height);
    dho_text_add(out, "<text class=\"heading\" x=\"%d\" y=\"24\">", GAP);
    dho_text_escape_cut(out, figure->title, (size_t)(width / 8));
    dho_text_add(out, "</text>\n");
    lay_out_legend(figure, width, head, out);
    for (size_t i = 0; i < figure->panel_count; i++) {
        const dho_panel *panel = &figure->panels[i];
        if (i > 0 && i % columns == 0) y += row_height(figure, i - columns, columns);
        dho_text_add(out,
                     "<g transform=\"translate(%.0f,%.0f)\"><text class=\"title\" x=\"4\" y=\"15\">"
                     "%s</text><g transform=\"translate(0,%g)\">%s</g></g>\n",
                     GAP + (double)(i % columns) * (DHO_PANEL_WIDTH + GAP), y,
                     text_of(&panel->short_title), title_room, text_of(&panel->body));
    }
    dho_text_add(out, "</svg>\n");
}
