/* Configuration and machine. */
#include "dho/alloc.h"
#include "report/report_page.h"

#include <stdio.h>
#include <string.h>

/* Lines of a formatted configuration with the keys that they stand for. */
typedef struct config_reader {
    const char *at;
    char section[64];
    int set; /* of eval.sets; -1 before the first */
} config_reader;

/* The next "key: value" line: its full key, and its value as a view. The text is
 * dho_config_format's, whose sections are indented by two. */
static bool next_key(config_reader *reader, char key[160], const char **value, int *length)
{
    while (*reader->at != '\0') {
        const char *line = reader->at;
        const int all = (int)strcspn(line, "\n");
        const int indent = (int)strspn(line, " ");
        reader->at += all + (line[all] == '\n');
        const char *colon = memchr(line, ':', (size_t)all);
        if (colon == NULL || indent >= all) continue;
        int start = indent;
        const bool item = indent == 4 && line[start] == '-';
        if (item) start += 2;
        const int name = (int)(colon - line) - start;
        *value = colon + 1;
        *length = all - (int)(*value - line);
        while (*length > 0 && **value == ' ') ++*value, --*length;
        if (name <= 0) continue;
        if (indent == 0) {
            snprintf(reader->section, sizeof reader->section, "%.*s", name, line);
            reader->set = -1;
            if (*length == 0) continue;
            snprintf(key, 160, "%.*s", name, line);
        } else if (indent >= 4) {
            reader->set += item;
            snprintf(key, 160, "%s.sets[%d].%.*s", reader->section, reader->set, name,
                     line + start);
        } else {
            if (*length == 0) continue;
            snprintf(key, 160, "%s.%.*s", reader->section, name, line + start);
        }
        return true;
    }
    return false;
}

static bool find_key(const dho_report_run *run, const char *wanted, const char **value, int *length)
{
    config_reader reader = {.at = run->config_text != NULL ? run->config_text : "", .set = -1};
    char key[160];
    while (next_key(&reader, key, value, length))
        if (strcmp(key, wanted) == 0) return true;
    return false;
}

static dho_status add_value(dho_report_page *page, const char *value, int length)
{
    char *text;
    DHO_TRY(dho_strndup(&text, value, (size_t)length));
    dho_text_escape_cut(&page->html, text, 80);
    dho_free(text);
    return page->html.status;
}

/* A row when the runs do not agree about a key. */
static dho_status add_difference(dho_report_page *page, const char *key, bool *any)
{
    const char *first = NULL, *value;
    int first_length = 0, length;
    bool differs = false;
    for (size_t r = 0; r < page->run_count; r++) {
        if (!find_key(&page->runs[r], key, &value, &length)) {
            differs |= page->runs[r].config_text != NULL;
            continue;
        }
        if (first != NULL && (length != first_length || memcmp(first, value, (size_t)length) != 0))
            differs = true;
        first = value;
        first_length = length;
    }
    if (!differs) return DHO_OK;
    if (!*any) {
        dho_text_add(&page->html, "<h3>Where the runs differ</h3>\n<div class=\"box\"><table>\n"
                                  "<tr><th>key</th>");
        for (size_t r = 0; r < page->run_count; r++) {
            dho_text_add(&page->html, "<th class=\"left\">");
            dho_report_add_run_name(page, r);
            dho_text_add(&page->html, "</th>");
        }
        dho_text_add(&page->html, "</tr>\n");
        *any = true;
    }
    dho_text_add(&page->html, "<tr><td><code>");
    dho_text_escape(&page->html, key);
    dho_text_add(&page->html, "</code></td>");
    for (size_t r = 0; r < page->run_count; r++) {
        dho_text_add(&page->html, "<td class=\"left\">");
        if (find_key(&page->runs[r], key, &value, &length)) DHO_TRY(add_value(page, value, length));
        dho_text_add(&page->html, "</td>");
    }
    dho_text_add(&page->html, "</tr>\n");
    return page->html.status;
}

/* Keys of any run; each is handled where it occurs first. */
static dho_status add_differences(dho_report_page *page)
{
    bool any = false;
    char key[160];
    const char *value;
    int length;
    for (size_t r = 0; r < page->run_count && page->run_count > 1; r++) {
        if (page->runs[r].config_text == NULL) continue;
        config_reader reader = {.at = page->runs[r].config_text, .set = -1};
        while (next_key(&reader, key, &value, &length)) {
            bool earlier = strcmp(key, "out") == 0; /* each has its own */
            for (size_t before = 0; before < r && !earlier; before++)
                earlier = find_key(&page->runs[before], key, &(const char *){NULL}, &(int){0});
            if (!earlier) DHO_TRY(add_difference(page, key, &any));
        }
    }
    if (any) dho_text_add(&page->html, "</table></div>\n");
    return page->html.status;
}

static void add_text(dho_report_page *page, const json_t *session, const char *key)
{
    const char *value = json_string_value(json_object_get(session, key));
    dho_text_add(&page->html, "<td class=\"left\"><bdi>");
    dho_text_escape_cut(&page->html, value != NULL ? value : "–", 80);
    dho_text_add(&page->html, "</bdi></td>");
}

static void add_number(dho_report_page *page, const json_t *session, const char *key)
{
    char word[40];
    const json_t *value = json_object_get(session, key);
    if (json_is_number(value))
        dho_number_word(json_number_value(value), 3, word, sizeof word);
    else
        snprintf(word, sizeof word, "–");
    dho_text_add(&page->html, "<td>%s</td>", word);
}

static void add_session(dho_report_page *page, size_t r, const json_t *session)
{
    static const char *const texts[] = {"host", "cpu"}, *const after[] = {"backend", "libraries",
                                                                          "version"};
    static const char *const numbers[] = {"cores", "memory_gib", "ranks", "threads"};
    dho_text_add(&page->html, "<tr><td>");
    dho_report_add_run_name(page, r);
    dho_text_add(&page->html, "</td>");
    add_text(page, session, "started");
    add_number(page, session, "step");
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) add_text(page, session, texts[i]);
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        add_number(page, session, numbers[i]);
    for (size_t i = 0; i < sizeof after / sizeof *after; i++) add_text(page, session, after[i]);
    dho_text_add(&page->html, "</tr>\n");
}

static void add_machines(dho_report_page *page)
{
    size_t count = 0;
    for (size_t r = 0; r < page->run_count; r++) count += json_array_size(page->runs[r].sessions);
    dho_text_add(&page->html, "<h3>Machine</h3>\n");
    if (count == 0) {
        dho_report_add_missing(page, "Not stored in these runs (<code>sessions.jsonl</code>).");
        return;
    }
    dho_text_add(&page->html,
                 "<div class=\"box\"><table>\n<tr><th>run</th><th class=\"left\">started (UTC)</th>"
                 "<th>from step</th><th class=\"left\">host of rank 0</th><th class=\"left\">CPU"
                 "</th><th>cores</th><th>memory, GiB</th><th>ranks</th><th>threads a rank</th>"
                 "<th class=\"left\">backend</th><th class=\"left\">libraries</th>"
                 "<th class=\"left\">dho</th></tr>\n");
    for (size_t r = 0; r < page->run_count; r++)
        for (size_t i = 0; i < json_array_size(page->runs[r].sessions); i++)
            add_session(page, r, json_array_get(page->runs[r].sessions, i));
    for (size_t r = 0; r < page->run_count; r++) {
        if (json_array_size(page->runs[r].sessions) > 0) continue;
        dho_text_add(&page->html, "<tr><td>");
        dho_report_add_run_name(page, r);
        dho_text_add(&page->html, "</td><td class=\"left\">not stored</td></tr>\n");
    }
    dho_text_add(&page->html, "</table></div>\n");
}

dho_status dho_report_add_setup(dho_report_page *page)
{
    DHO_TRY(add_differences(page));
    dho_text_add(&page->html, "<h3>All keys</h3>\n");
    for (size_t r = 0; r < page->run_count; r++) {
        dho_text_add(&page->html, "<details><summary>");
        dho_report_add_run_name(page, r);
        if (page->runs[r].checkpoint != NULL) {
            dho_text_add(&page->html, " <small>evaluated: <bdi>");
            dho_text_escape(&page->html, page->runs[r].checkpoint);
            dho_text_add(&page->html, "</bdi></small>");
        }
        dho_text_add(&page->html, "</summary>\n<pre>");
        dho_text_escape(&page->html, page->runs[r].config_text != NULL
                                         ? page->runs[r].config_text
                                         : "the configuration is not there or cannot be read");
        dho_text_add(&page->html, "</pre></details>\n");
    }
    add_machines(page);
    return page->html.status;
}
