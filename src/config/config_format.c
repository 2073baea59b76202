#define _GNU_SOURCE
#include "base/text.h"
#include "config/config_value.h"
#include "config/plain_numbers.h"
#include "dho/config.h"

#include <string.h>

enum { COMMENT_COLUMN = 40 };

typedef struct writer {
    dho_text text;
    size_t line; /* where the current line starts */
} writer;

static void end_line(writer *w)
{
    dho_text_add(&w->text, "\n");
    w->line = w->text.used;
}

/* --- values ----------------------------------------------------------------------------------- */

/* Text that YAML and the schema read back as it stands. */
static bool is_plain(const char *text)
{
    const size_t length = strlen(text);
    if (strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_./-") !=
        length)
        return false;
    if (length == 0 || text[0] == '-' || text[0] == '.') return false;
    return strcmp(text, "null") != 0 && strcmp(text, "Null") != 0 && strcmp(text, "NULL") != 0;
}

static void put_text(writer *w, const char *text)
{
    if (is_plain(text)) {
        dho_text_add(&w->text, "%s", text);
        return;
    }
    dho_text_add(&w->text, "\"");
    for (; *text != '\0'; text++)
        dho_text_add(&w->text, *text == '"' || *text == '\\' ? "\\%c" : "%c", *text);
    dho_text_add(&w->text, "\"");
}

static void put_numbers(writer *w, const double *values, size_t count)
{
    char number[DHO_NUMBER_BYTES];
    dho_text_add(&w->text, "[");
    for (size_t i = 0; i < count; i++) {
        dho_schema_number(values[i], number);
        dho_text_add(&w->text, "%s%s", i > 0 ? ", " : "", number);
    }
    dho_text_add(&w->text, "]");
}

static void put_value(writer *w, const dho_field *field, const void *structure)
{
    const char *base = structure;
    const void *member = base + field->offset;
    char number[DHO_NUMBER_BYTES];
    switch (field->type) {
    case DHO_FIELD_BOOL:
        dho_text_add(&w->text, "%s", *(const bool *)member ? "true" : "false");
        break;
    case DHO_FIELD_INT:
        dho_text_add(&w->text, "%lld", (long long)*(const int64_t *)member);
        break;
    case DHO_FIELD_UINT:
        dho_text_add(&w->text, "%llu", (unsigned long long)*(const uint64_t *)member);
        break;
    case DHO_FIELD_DOUBLE:
        dho_schema_number(*(const double *)member, number);
        dho_text_add(&w->text, "%s", number);
        break;
    case DHO_FIELD_WORD:
        dho_text_add(&w->text, "%s", field->words[*(const int *)member]);
        break;
    case DHO_FIELD_TEXT:
        put_text(w, *(char *const *)member);
        break;
    case DHO_FIELD_VECTOR:
        put_numbers(w, member, field->size);
        break;
    case DHO_FIELD_LIST:
        put_numbers(w, *(double *const *)member,
                    *(const size_t *)(const void *)(base + field->size));
        break;
    case DHO_FIELD_SETS:
        break;
    }
}

/* --- YAML ------------------------------------------------------------------------------------- */

static void put_comment(writer *w, const dho_field *field)
{
    char range[DHO_SCHEMA_TEXT_BYTES];
    dho_schema_range(field, range);
    const size_t width = w->text.used - w->line;
    const size_t blanks = width + 2 <= COMMENT_COLUMN ? COMMENT_COLUMN - width : 2;
    dho_text_add(&w->text, "%*s# %s", (int)blanks, "", field->help);
    const bool has_unit = field->unit[0] != '\0', has_range = range[0] != '\0';
    if (has_unit || has_range)
        dho_text_add(&w->text, " [%s%s%s]", field->unit, has_unit && has_range ? "; " : "", range);
}

static void put_line(writer *w, const dho_field *field, const char *indent, const char *key,
                     const void *structure, bool comments)
{
    dho_text_add(&w->text, "%s%s:", indent, key);
    if (field->type != DHO_FIELD_SETS) {
        dho_text_add(&w->text, " ");
        put_value(w, field, structure);
    } else if (((const dho_config *)structure)->eval.set_count == 0) {
        dho_text_add(&w->text, " []");
    }
    if (comments) put_comment(w, field);
    end_line(w);
}

static void put_sets(writer *w, const dho_config *config, bool comments)
{
    for (size_t i = 0; i < config->eval.set_count; i++) {
        for (size_t k = 0; k < dho_schema_set.count; k++) {
            const dho_field *field = &dho_schema_set.fields[k];
            put_line(w, field, k == 0 ? "    - " : "      ", field->key, &config->eval.sets[i],
                     comments && i == 0);
        }
    }
}

static void put_config(writer *w, const dho_config *config, unsigned decides, bool comments)
{
    const char *section = "";
    size_t section_length = 0;
    for (size_t i = 0; i < dho_schema_config.count; i++) {
        const dho_field *field = &dho_schema_config.fields[i];
        const char *dot = strchr(field->key, '.');
        const size_t length = dot != NULL ? (size_t)(dot - field->key) : 0;
        if ((field->decides & decides) == 0) continue;
        if (length != section_length || strncmp(field->key, section, length) != 0) {
            section = field->key;
            section_length = length;
            if (length > 0) {
                dho_text_add(&w->text, "\n%.*s:", (int)length, section);
                end_line(w);
            }
        }
        const bool nested = dot != NULL;
        put_line(w, field, nested ? "  " : "", nested ? dot + 1 : field->key, config, comments);
        if (field->type == DHO_FIELD_SETS) put_sets(w, config, comments);
    }
    dho_text_add(&w->text, "%s", ""); /* also without a key there is a text, and it ends here */
}

/* One line of each key that has another value than in `defaults`. */
static void put_changes(writer *w, const dho_config *config, const dho_config *defaults)
{
    for (size_t i = 0; i < dho_schema_config.count; i++) {
        const dho_field *field = &dho_schema_config.fields[i];
        const bool sets = field->type == DHO_FIELD_SETS;
        if (sets ? config->eval.set_count == 0 : dho_field_is_equal(field, config, defaults))
            continue;
        put_line(w, field, "", field->key, config, false);
        if (sets) put_sets(w, config, false);
    }
    dho_text_add(&w->text, "%s", "");
}

/* --- the public functions --------------------------------------------------------------------- */

static dho_status finish(writer *w, const dho_plain_numbers *numbers, char **out)
{
    dho_plain_numbers_end(numbers);
    const dho_status status = w->text.status;
    if (status != DHO_OK) dho_text_free(&w->text);
    *out = w->text.data;
    return status;
}

static dho_status format_config(const dho_config *config, unsigned decides, bool comments,
                                char **out)
{
    writer w = {0};
    dho_plain_numbers numbers;
    *out = NULL;
    DHO_TRY(dho_plain_numbers_begin(&numbers));
    put_config(&w, config, decides, comments);
    return finish(&w, &numbers, out);
}

dho_status dho_config_format(const dho_config *config, bool comments, char **out)
{
    return format_config(config, DHO_DECIDES_ALL, comments, out);
}

dho_status dho_config_format_keys(const dho_config *config, unsigned decides, char **out)
{
    return format_config(config, decides, false, out);
}

dho_status dho_field_format(const dho_field *field, const void *structure, char **out)
{
    writer w = {0};
    dho_plain_numbers numbers;
    *out = NULL;
    DHO_TRY(dho_plain_numbers_begin(&numbers));
    put_value(&w, field, structure);
    return finish(&w, &numbers, out);
}

dho_status dho_config_format_changes(const dho_config *config, char **out)
{
    static const char nothing[] = "{}";
    dho_config defaults;
    writer w = {0};
    dho_plain_numbers numbers;
    *out = NULL;
    DHO_TRY(dho_config_parse(&defaults, nothing, sizeof nothing - 1, "defaults", NULL, 0));
    dho_status status = dho_plain_numbers_begin(&numbers);
    if (status == DHO_OK) {
        put_changes(&w, config, &defaults);
        status = finish(&w, &numbers, out);
    }
    dho_config_free(&defaults);
    return status;
}
