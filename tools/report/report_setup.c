/* Configuration and machine. */
#include "dho/alloc.h"
#include "report/report_page.h"

#include <math.h>
#include <string.h>

/* What is read of a run's configuration; NULL: nothing. */
static const dho_config *config_of(const dho_report_run *run)
{
    return run->config_text != NULL ? &run->config : NULL;
}

static void add_difference(dho_report_page *page, const dho_config_difference *difference)
{
    dho_text_add(&page->html, "<tr><td><code>");
    dho_text_escape(&page->html, difference->key);
    dho_text_add(&page->html, "</code></td>");
    for (size_t r = 0; r < page->run_count; r++) {
        dho_text_add(&page->html, "<td class=\"left\">");
        if (difference->values[r] != NULL)
            dho_text_escape_cut(&page->html, difference->values[r], 80);
        dho_text_add(&page->html, "</td>");
    }
    dho_text_add(&page->html, "</tr>\n");
}

static void add_table(dho_report_page *page, const dho_config_differences *differences)
{
    bool any = false;
    for (size_t k = 0; k < differences->count; k++) {
        if (strcmp(differences->keys[k].key, "out") == 0) continue; /* each has its own */
        if (!any) {
            dho_text_add(&page->html, "<h3>Where the runs differ</h3>\n");
            dho_report_open_table(page, "keys in which the runs differ");
            dho_text_add(&page->html, "<tr><th>key</th>");
            for (size_t r = 0; r < page->run_count; r++) {
                dho_text_add(&page->html, "<th class=\"left\">");
                dho_report_add_run_name(page, r);
                dho_text_add(&page->html, "</th>");
            }
            dho_text_add(&page->html, "</tr>\n");
            any = true;
        }
        add_difference(page, &differences->keys[k]);
    }
    if (any) dho_report_close_table(page);
}

static dho_status add_differences(dho_report_page *page)
{
    const dho_config **configs;
    dho_config_differences differences;
    DHO_TRY(dho_alloc(&configs, page->run_count, sizeof *configs, "report"));
    for (size_t r = 0; r < page->run_count; r++) configs[r] = config_of(&page->runs[r]);
    const dho_status status =
        dho_config_diff(&differences, configs, page->run_count, DHO_DECIDES_ALL);
    dho_free(configs);
    DHO_TRY(status);
    add_table(page, &differences);
    dho_config_differences_free(&differences);
    return page->html.status;
}

static void add_text(dho_report_page *page, const char *value)
{
    dho_text_add(&page->html, "<td class=\"left\"><bdi>");
    dho_text_escape_cut(&page->html, value != NULL ? value : "–", 80);
    dho_text_add(&page->html, "</bdi></td>");
}

static void add_number(dho_report_page *page, double value)
{
    char word[40] = "–";
    if (!isnan(value)) dho_number_word(value, 3, word, sizeof word);
    dho_text_add(&page->html, "<td>%s</td>", word);
}

/* In the order of the head that add_machines writes. */
static void add_session(dho_report_page *page, size_t r, const dho_session *session)
{
    dho_text_add(&page->html, "<tr><td>");
    dho_report_add_run_name(page, r);
    dho_text_add(&page->html, "</td>");
    add_text(page, session->started);
    add_number(page, session->step);
    add_text(page, session->host);
    add_text(page, session->cpu);
    add_number(page, session->cores);
    add_number(page, session->memory_gib);
    add_number(page, session->ranks);
    add_number(page, session->threads);
    add_text(page, session->backend);
    add_text(page, session->libraries);
    add_text(page, session->version);
    dho_text_add(&page->html, "</tr>\n");
}

static void add_machines(dho_report_page *page)
{
    size_t count = 0;
    for (size_t r = 0; r < page->run_count; r++) count += page->runs[r].sessions.count;
    dho_text_add(&page->html, "<h3>Machine</h3>\n");
    if (count == 0) {
        dho_report_add_missing(page, "Not stored in these runs (<code>sessions.jsonl</code>).");
        return;
    }
    dho_report_open_table(page, "machines");
    dho_text_add(&page->html,
                 "<tr><th>run</th><th class=\"left\">started (UTC)</th>"
                 "<th>from step</th><th class=\"left\">host of rank 0</th><th class=\"left\">CPU"
                 "</th><th>cores</th><th>memory, GiB</th><th>ranks</th><th>threads a rank</th>"
                 "<th class=\"left\">backend</th><th class=\"left\">libraries</th>"
                 "<th class=\"left\">dho</th></tr>\n");
    for (size_t r = 0; r < page->run_count; r++)
        for (size_t i = 0; i < page->runs[r].sessions.count; i++)
            add_session(page, r, &page->runs[r].sessions.items[i]);
    for (size_t r = 0; r < page->run_count; r++) {
        if (page->runs[r].sessions.count > 0) continue;
        dho_text_add(&page->html, "<tr><td>");
        dho_report_add_run_name(page, r);
        dho_text_add(&page->html, "</td><td class=\"left\">not stored</td></tr>\n");
    }
    dho_report_close_table(page);
}

dho_status dho_report_add_setup(dho_report_page *page)
{
    DHO_TRY(add_differences(page));
    dho_text_add(&page->html, "<h3>All keys</h3>\n");
    for (size_t r = 0; r < page->run_count; r++) {
        dho_text_add(&page->html, "<details><summary>");
        dho_report_add_run_name(page, r);
        if (page->runs[r].evaluation.checkpoint != NULL) {
            dho_text_add(&page->html, " <small>evaluated: <bdi>");
            dho_text_escape(&page->html, page->runs[r].evaluation.checkpoint);
            dho_text_add(&page->html, "</bdi></small>");
        }
        dho_text_add(&page->html, "</summary>\n<pre tabindex=\"0\">");
        dho_text_escape(&page->html, page->runs[r].config_text != NULL
                                         ? page->runs[r].config_text
                                         : "the configuration is not there or cannot be read");
        dho_text_add(&page->html, "</pre></details>\n");
    }
    add_machines(page);
    return page->html.status;
}
