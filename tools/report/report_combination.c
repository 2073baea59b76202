/* Accuracy as a function of alpha and beta, for each set of each run with two heads. */
#include "base/compare.h"
#include "report/report_page.h"
#include "report/report_style.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* alpha goes up, beta to the right: as narrow as a phone. */
typedef struct accuracy_map {
    const dho_report_run *run;
    const dho_set_detail *detail;
    dho_panel *panel;
    size_t alphas, betas;
    double cell_width, cell_height;
    double low, high; /* least and greatest top-1, % */
    bool words;       /* cells are large enough for their numbers */
} accuracy_map;

static const double left = 40, top = 4, below = 88;

static double top1_at(const accuracy_map *map, size_t a, size_t b)
{
    const dho_accuracy *cell = &map->detail->grid[a * map->betas + b];
    return cell->count > 0 ? 100.0 * (double)cell->top1 / (double)cell->count : 0;
}

/* The middle of a row: the alphas ascend, the first is at the bottom. */
static double row_middle(const accuracy_map *map, size_t a)
{
    return top + ((double)(map->alphas - a) - 0.5) * map->cell_height;
}

/* Where any alpha is between the rows of its neighbours; alphas need not be evenly spaced. */
static double place_alpha(const accuracy_map *map, double alpha)
{
    const double *alphas = map->run->config.eval.alphas;
    if (alpha <= alphas[0]) return row_middle(map, 0);
    for (size_t a = 1; a < map->alphas; a++)
        if (alpha <= alphas[a] && alphas[a] > alphas[a - 1]) {
            const double part = (alpha - alphas[a - 1]) / (alphas[a] - alphas[a - 1]);
            return row_middle(map, a - 1) + part * (row_middle(map, a) - row_middle(map, a - 1));
        }
    return row_middle(map, map->alphas - 1);
}

static void draw_cells(const accuracy_map *map)
{
    char colour[8], word[16];
    for (size_t a = 0; a < map->alphas; a++)
        for (size_t b = 0; b < map->betas; b++) {
            const double value = top1_at(map, a, b);
            const double range = map->high - map->low;
            const int dark =
                dho_style_sequential(range > 0 ? (value - map->low) / range : 0.5, colour);
            const double x = left + (double)b * map->cell_width;
            const double y = row_middle(map, a) - map->cell_height / 2;
            dho_text_add(&map->panel->body,
                         "<rect x=\"%.2f\" y=\"%.2f\" width=\"%.2f\" height=\"%.2f\" "
                         "fill=\"%s\"/>",
                         x, y, map->cell_width + 0.3, map->cell_height + 0.3, colour);
            if (!map->words) continue;
            snprintf(word, sizeof word, "%.1f", value);
            dho_panel_text(map->panel, x + map->cell_width / 2, y + map->cell_height / 2 + 4,
                           "middle", dark ? "num onlight" : "num ondark", word);
        }
}

static void draw_labels(const accuracy_map *map)
{
    const dho_config *config = &map->run->config;
    char word[32];
    const size_t rows = map->alphas > 24 ? map->alphas / 12 : 2;
    for (size_t a = 0; a<map->alphas; a += map->alphas> 12 ? rows : 1) {
        snprintf(word, sizeof word, "%.3g", config->eval.alphas[a]);
        dho_panel_text(map->panel, left - 6, row_middle(map, a) + 4, "end", "num", word);
    }
    const double base = top + (double)map->alphas * map->cell_height;
    const size_t columns = map->betas > 12 ? map->betas / 6 : 1;
    for (size_t b = 0; b < map->betas; b += columns) {
        snprintf(word, sizeof word, "%.3g", config->eval.betas[b]);
        dho_panel_text(map->panel, left + ((double)b + 0.5) * map->cell_width, base + 14, "middle",
                       "num", word);
    }
    dho_panel_text(map->panel, 4, base + 14, "start", "", "α↑ β→");
}

static void draw_frame(const accuracy_map *map, size_t a, size_t b)
{
    dho_text_add(
        &map->panel->body,
        "<rect class=\"halo\" x=\"%.2f\" y=\"%.2f\" width=\"%.2f\" height=\"%.2f\"/>"
        "<rect class=\"frame\" x=\"%.2f\" y=\"%.2f\" width=\"%.2f\" height=\"%.2f\"/>",
        left + (double)b * map->cell_width + 1, row_middle(map, a) - map->cell_height / 2 + 1,
        map->cell_width - 2, map->cell_height - 2, left + (double)b * map->cell_width + 1,
        row_middle(map, a) - map->cell_height / 2 + 1, map->cell_width - 2, map->cell_height - 2);
}

/* The run's alpha and beta, if they are on the grid, and the best plateau of each beta. */
static bool draw_choice(const accuracy_map *map)
{
    const dho_config *config = &map->run->config;
    bool framed = false;
    for (size_t a = 0; a < map->alphas; a++)
        for (size_t b = 0; b < map->betas; b++)
            if (fabs(config->eval.alphas[a] - map->run->evaluation.alpha) < 1e-9 &&
                fabs(config->eval.betas[b] - map->run->evaluation.beta) < 1e-9) {
                draw_frame(map, a, b);
                framed = true;
            }
    const size_t best = dho_plateau_best(map->detail->plateaus, map->betas);
    for (size_t b = 0; b < map->betas; b++) {
        const dho_plateau *plateau = &map->detail->plateaus[b];
        const double x = left + (double)b * map->cell_width + 3.5;
        if (!(plateau->low < plateau->high)) continue;
        double from = place_alpha(map, plateau->low), to = place_alpha(map, plateau->high);
        if (from - to < 3) { /* a narrow one must be seen, too */
            const double middle = (from + to) / 2;
            from = middle + 1.5;
            to = middle - 1.5;
        }
        dho_panel_line(map->panel, x, from + 1, x, to - 1, b == best ? "under best" : "under");
        dho_panel_line(map->panel, x, from, x, to, b == best ? "range best" : "range");
    }
    return framed;
}

static void draw_words(const accuracy_map *map, bool framed)
{
    char line[200];
    const double base = top + (double)map->alphas * map->cell_height + 32;
    const dho_accuracy *any = &map->detail->grid[0];
    const dho_plateau *best =
        &map->detail->plateaus[dho_plateau_best(map->detail->plateaus, map->betas)];
    snprintf(line, sizeof line, "grid: %.1f to %.1f %%; %s: the run's α %.3g, β %.3g", map->low,
             map->high, framed ? "frame" : "not on it", map->run->evaluation.alpha,
             map->run->evaluation.beta);
    dho_panel_text(map->panel, 4, base, "start", "", line);
    const int digits = dho_plateau_digits(best);
    const double percent = any->count > 0 ? 100.0 * (double)best->top1 / (double)any->count : 0;
    snprintf(line, sizeof line, "exact: %.2f %% at β %.3g and", percent, best->beta);
    dho_panel_text(map->panel, 4, base + 16, "start", "", line);
    if (best->low < best->high)
        snprintf(line, sizeof line, "%.*g < α < %.*g", digits, best->low, digits, best->high);
    else
        snprintf(line, sizeof line, "α %.4g", best->low);
    dho_panel_text(map->panel, 40, base + 32, "start", "", line);
}

static void add_map(dho_figure *figure, const dho_report_run *run, const dho_report_set *set)
{
    char title[160];
    accuracy_map map = {.run = run,
                        .detail = &set->detail,
                        .alphas = run->config.eval.alpha_count,
                        .betas = run->config.eval.beta_count,
                        .low = INFINITY,
                        .high = -INFINITY};
    map.cell_width = (DHO_PANEL_WIDTH - left - 4) / (double)map.betas;
    map.cell_height = map.alphas > 24 ? 400 / (double)map.alphas : 16;
    map.words = map.cell_height >= 14 && map.cell_width >= 28;
    for (size_t a = 0; a < map.alphas; a++)
        for (size_t b = 0; b < map.betas; b++) {
            map.low = dho_smaller(map.low, top1_at(&map, a, b));
            map.high = dho_larger(map.high, top1_at(&map, a, b));
        }
    snprintf(title, sizeof title, "%.60s (top-1, %%)%s", set->record->name,
             set->record->chosen_here ? " – chosen here" : "");
    map.panel = dho_figure_add(figure, title, top + (double)map.alphas * map.cell_height + below);
    if (map.panel == NULL) return;
    draw_cells(&map);
    draw_labels(&map);
    draw_words(&map, draw_choice(&map));
}

/* Behind the name of the set of the choice: what it is, when it is no test set. */
static void add_holdout(dho_report_page *page, const dho_evaluation *evaluation)
{
    if (evaluation->holdout == NULL || strcmp(evaluation->chosen_on, DHO_HOLDOUT_NAME) != 0) return;
    dho_text_add(&page->html, " (");
    dho_text_escape(&page->html, evaluation->holdout);
    dho_text_add(&page->html, ")");
}

static dho_status add_run(dho_report_page *page, size_t r)
{
    const dho_report_run *run = &page->runs[r];
    char id[32], title[200];
    snprintf(id, sizeof id, "alpha-beta-%zu", r + 1);
    snprintf(title, sizeof title, "Accuracy over α and β: %.150s", run->name);
    dho_figure figure = {.id = id, .title = title};
    for (size_t s = 0; s < run->set_count; s++)
        if (run->sets[s].has_detail && run->sets[s].detail.grid != NULL)
            add_map(&figure, run, &run->sets[s]);
    if (figure.panel_count > 0) {
        dho_text_add(&page->html, "<h3>");
        dho_report_add_run_name(page, r);
        dho_text_add(&page->html, "</h3>\n<p>α = %g, β = %g", run->evaluation.alpha,
                     run->evaluation.beta);
        if (run->evaluation.chosen_on != NULL && run->evaluation.chosen_on[0] != '\0') {
            dho_text_add(&page->html, ", the grid's best on ");
            dho_text_escape(&page->html, run->evaluation.chosen_on);
            add_holdout(page, &run->evaluation);
        } else {
            dho_text_add(&page->html, ", from the configuration");
        }
        dho_text_add(&page->html, ".</p>\n");
    }
    dho_text_add(
        &figure.caption,
        "p = α softmax(CE head) + (1 − α) softmax(KD head / β). Bars: the best range of α at "
        "each β, found exactly, without a grid; the thick one is the best of all. A set on "
        "which nothing was chosen shows what another choice would have given, not what may "
        "be reported.");
    return dho_report_add_figure(page, &figure);
}

dho_status dho_report_add_combination(dho_report_page *page)
{
    bool any = false;
    for (size_t r = 0; r < page->run_count; r++) {
        for (size_t s = 0; s < page->runs[r].set_count; s++)
            any |= page->runs[r].sets[s].detail.grid != NULL;
        DHO_TRY(add_run(page, r));
    }
    if (!any)
        dho_report_add_missing(page, "No run has two heads with stored outputs "
                                     "(<code>RUN/eval/SET.safetensors</code>).");
    return page->html.status;
}
