/* Sample predictions with thumbnails. */
#include "report/report_page.h"

static const char *const group_titles[DHO_PICK_GROUPS] = {
    [DHO_PICK_WRONG] = "Wrong, the most certain first (one a class)",
    [DHO_PICK_DISAGREE] = "The heads disagree (drawn at random, one a class)",
    [DHO_PICK_RIGHT] = "Right (drawn at random, one a class)",
};

static void add_prediction(dho_report_page *page, const dho_set_detail *detail, const char *who,
                           const dho_prediction *prediction, int32_t label)
{
    char buffer[24];
    dho_text_add(&page->html, "<div>%s%s<bdi>", prediction->top == label ? "✓ " : "✗ ", who);
    dho_text_escape_cut(&page->html, dho_class_word(detail, prediction->top, buffer), 32);
    dho_text_add(&page->html, "</bdi> %.2f</div>", prediction->probability);
}

static void add_pick(dho_report_page *page, const dho_set_detail *detail, const dho_pick *pick)
{
    char buffer[24];
    const char *label = dho_class_word(detail, pick->label, buffer);
    dho_text_add(&page->html, "<li>");
    if (pick->jpeg.used > 0) {
        dho_text_add(&page->html, "<img width=\"%d\" height=\"%d\" alt=\"", pick->width,
                     pick->height);
        dho_text_escape(&page->html, label);
        dho_text_add(&page->html, "\" title=\"");
        dho_text_escape(&page->html, pick->name != NULL ? pick->name : "");
        dho_text_add(&page->html, "\" src=\"data:image/jpeg;base64,%s\">", pick->jpeg.data);
    }
    dho_text_add(&page->html, "<b><bdi>");
    dho_text_escape_cut(&page->html, label, 40);
    dho_text_add(&page->html, "</bdi></b>");
    add_prediction(page, detail, "", &pick->combined, pick->label);
    if (detail->dual) {
        add_prediction(page, detail, "CE: ", &pick->heads[0], pick->label);
        add_prediction(page, detail, "KD: ", &pick->heads[1], pick->label);
    }
    dho_text_add(&page->html, "</li>\n");
}

static void add_set(dho_report_page *page, size_t r, const dho_report_set *set, bool open)
{
    const dho_set_detail *detail = &set->detail;
    dho_text_add(&page->html, "<details%s><summary>", open ? " open" : "");
    dho_report_add_run_name(page, r);
    dho_text_add(&page->html, " on ");
    dho_text_escape(&page->html, set->record->name);
    dho_text_add(&page->html, "%s</summary>\n", detail->pictures ? "" : " (images not found)");
    for (int g = 0; g < DHO_PICK_GROUPS; g++) {
        if (detail->pick_count[g] == 0) continue;
        dho_text_add(&page->html, "<h3>%s</h3>\n<ul class=\"shots\">\n", group_titles[g]);
        for (size_t i = 0; i < detail->pick_count[g]; i++)
            add_pick(page, detail, &detail->picks[g][i]);
        dho_text_add(&page->html, "</ul>\n");
    }
    dho_text_add(&page->html, "</details>\n");
}

dho_status dho_report_add_samples(dho_report_page *page)
{
    bool any = false;
    for (size_t r = 0; r < page->run_count; r++) {
        for (size_t s = 0; s < page->runs[r].set_count; s++) {
            const dho_report_set *set = &page->runs[r].sets[s];
            size_t picks = 0;
            for (int g = 0; g < DHO_PICK_GROUPS; g++) picks += set->detail.pick_count[g];
            if (picks == 0) continue;
            if (!any)
                dho_report_add_missing(page, "Bold: the label. Below it the combined prediction's "
                                             "first class and its probability, then each head's "
                                             "own (the KD head's at the run's β).");
            add_set(page, r, set, !any);
            any = true;
        }
    }
    if (!any) dho_report_add_missing(page, "None: no stored head outputs, or none were asked for.");
    return page->html.status;
}
