/* The schema's tables in docs/configuration.md and docs/checkpoint.md, as Markdown. */
#ifndef DHO_TESTS_SCHEMA_TABLES_H
#define DHO_TESTS_SCHEMA_TABLES_H

#include "base/text.h"
#include "config/schema.h"

static const char *decides_word(dho_decides decides)
{
    switch (decides) {
    case DHO_DECIDES_NUMBERS:
        return "numbers";
    case DHO_DECIDES_COURSE:
        return "course";
    case DHO_DECIDES_START:
        return "start";
    case DHO_DECIDES_EVALUATION:
        return "evaluation";
    case DHO_DECIDES_PLACE:
        return "place";
    case DHO_DECIDES_HARDWARE:
        return "hardware";
    case DHO_DECIDES_LOG:
        return "log";
    }
    return "?";
}

static const char *type_name(const dho_field *field)
{
    switch (field->type) {
    case DHO_FIELD_BOOL:
        return "boolean";
    case DHO_FIELD_INT:
    case DHO_FIELD_UINT:
        return "integer";
    case DHO_FIELD_DOUBLE:
        return "number";
    case DHO_FIELD_WORD:
        return "word";
    case DHO_FIELD_TEXT:
        return field->words != NULL ? "word" : "text";
    case DHO_FIELD_VECTOR:
        return field->size == 2 ? "2 numbers" : "3 numbers";
    case DHO_FIELD_LIST:
        return "list of numbers";
    case DHO_FIELD_SETS:
        return "list of mappings";
    }
    return "?";
}

static void put_table(dho_text *out, const dho_schema *schema, const char *prefix)
{
    dho_text_add(out, "| Key | Type | Default | Allowed | Unit | Meaning | Decides |\n"
                           "|---|---|---|---|---|---|---|\n");
    for (size_t i = 0; i < schema->count; i++) {
        const dho_field *field = &schema->fields[i];
        char range[DHO_SCHEMA_TEXT_BYTES];
        dho_schema_range(field, range);
        dho_text_add(out, "| `%s%s` | %s | ", prefix, field->key, type_name(field));
        if (field->inherit != NULL)
            dho_text_add(out, "that of `%s`", field->inherit);
        else if (field->fallback == NULL)
            dho_text_add(out, "(must be given)");
        else
            dho_text_add(out, "`%s`", field->fallback[0] != '\0' ? field->fallback : "\"\"");
        dho_text_add(out, " | %s | %s | %s | %s |\n", range, field->unit, field->help,
                     decides_word(field->decides));
    }
}

static dho_status schema_table(char **out)
{
    dho_text text = {0};
    put_table(&text, &dho_schema_config, "");
    dho_text_add(&text, "\nAn entry of `eval.sets`:\n\n");
    put_table(&text, &dho_schema_set, "eval.sets[].");
    *out = text.data;
    return text.status;
}

/* A row for each thing that keys decide. */
static dho_status decides_table(char **out)
{
    dho_text text = {0};
    dho_text_add(&text, "| Decides | Keys |\n|---|---|\n");
    for (unsigned bit = 1; bit <= DHO_DECIDES_ALL; bit *= 2) {
        const char *before = "";
        dho_text_add(&text, "| %s | ", decides_word((dho_decides)bit));
        for (size_t i = 0; i < dho_schema_config.count; i++) {
            if ((dho_schema_config.fields[i].decides & bit) == 0) continue;
            dho_text_add(&text, "%s`%s`", before, dho_schema_config.fields[i].key);
            before = ", ";
        }
        dho_text_add(&text, " |\n");
    }
    *out = text.data;
    return text.status;
}

#endif
