#include "eval/class_table.h"

#include "base/text.h"
#include "dho/file.h"

#include <string.h>

/* In quotes, with those inside doubled. */
static void add_quoted(dho_text *text, const char *value)
{
    dho_text_append(text, "\"", 1);
    for (; *value != '\0'; value++) {
        if (*value == '"') dho_text_append(text, "\"", 1);
        dho_text_append(text, value, 1);
    }
    dho_text_append(text, "\"", 1);
}

static void add_share(dho_text *text, int64_t part, int64_t whole)
{
    if (whole > 0)
        dho_text_add(text, ",%.4f", 100.0 * (double)part / (double)whole);
    else
        dho_text_append(text, ",", 1);
}

dho_status dho_class_table_save(const dho_head_outputs *outputs, const dho_class_count *counts,
                                const char *path)
{
    dho_text text = {0};
    const char *name = outputs->class_names;
    dho_text_add(&text, "class,images,right,predicted,recall_percent,precision_percent\n");
    for (int c = 0; c < outputs->classes; c++) {
        const dho_class_count *count = &counts[c];
        if (count->images + count->predicted > 0) {
            if (name != NULL)
                add_quoted(&text, name);
            else
                dho_text_add(&text, "%d", c);
            dho_text_add(&text, ",%lld,%lld,%lld", (long long)count->images,
                         (long long)count->right, (long long)count->predicted);
            add_share(&text, count->right, count->images);
            add_share(&text, count->right, count->predicted);
            dho_text_append(&text, "\n", 1);
        }
        if (name != NULL) name += strlen(name) + 1;
    }
    dho_status status = text.status;
    if (status == DHO_OK) status = dho_file_write_text(path, text.data);
    dho_text_free(&text);
    return status;
}
