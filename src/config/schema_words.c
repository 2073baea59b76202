/* What the schema's rows say, in words; finding a row. */
#include "config/schema.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const dho_field *dho_schema_find(const dho_schema *schema, const char *key)
{
    for (size_t i = 0; i < schema->count; i++)
        if (strcmp(schema->fields[i].key, key) == 0) return &schema->fields[i];
    return NULL;
}

bool dho_schema_is_section(const dho_schema *schema, const char *path)
{
    const size_t length = strlen(path);
    for (size_t i = 0; i < schema->count; i++) {
        const char *key = schema->fields[i].key;
        if (strncmp(key, path, length) == 0 && key[length] == '.') return true;
    }
    return false;
}

void dho_schema_number(double value, char out[DHO_NUMBER_BYTES])
{
    if (fabs(value) < 1e15 && value == floor(value)) {
        snprintf(out, DHO_NUMBER_BYTES, "%.0f", value); /* 20 rather than 2e+01 */
        return;
    }
    for (int digits = 1; digits <= 17; digits++) {
        snprintf(out, DHO_NUMBER_BYTES, "%.*g", digits, value);
        if (strtod(out, NULL) == value) return;
    }
}

static void join_words(const char *const *words, char *out, size_t size)
{
    size_t used = 0;
    out[0] = '\0';
    for (size_t i = 0; words[i] != NULL && used < size; i++)
        used += (size_t)snprintf(out + used, size - used, "%s%s", i > 0 ? ", " : "", words[i]);
}

void dho_schema_range(const dho_field *field, char out[DHO_SCHEMA_TEXT_BYTES])
{
    char low[DHO_NUMBER_BYTES], high[DHO_NUMBER_BYTES];
    out[0] = '\0';
    if (field->words != NULL) {
        join_words(field->words, out, DHO_SCHEMA_TEXT_BYTES);
    } else if (isfinite(field->low) && isfinite(field->high)) {
        dho_schema_number(field->low, low);
        dho_schema_number(field->high, high);
        snprintf(out, DHO_SCHEMA_TEXT_BYTES, "in %c%s, %s%c", field->low_open ? '(' : '[', low,
                 high, field->high_open ? ')' : ']');
    } else if (isfinite(field->low)) {
        dho_schema_number(field->low, low);
        snprintf(out, DHO_SCHEMA_TEXT_BYTES, "%s %s", field->low_open ? ">" : ">=", low);
    }
}

void dho_schema_expected(const dho_field *field, char out[DHO_SCHEMA_TEXT_BYTES])
{
    char range[DHO_SCHEMA_TEXT_BYTES - 64], full[DHO_SCHEMA_TEXT_BYTES];
    dho_schema_range(field, full);
    snprintf(range, sizeof range, "%s%.180s", full[0] != '\0' ? " " : "", full);
    const char *adjective = "";
    if (field->low == 0 && field->low_open && isinf(field->high)) {
        adjective = "positive ";
        range[0] = '\0';
    }
    const bool one = field->type == DHO_FIELD_DOUBLE;
    switch (field->type) {
    case DHO_FIELD_BOOL:
        snprintf(out, DHO_SCHEMA_TEXT_BYTES, "true or false");
        break;
    case DHO_FIELD_INT:
    case DHO_FIELD_UINT:
        snprintf(out, DHO_SCHEMA_TEXT_BYTES, "an integer%s", range);
        break;
    case DHO_FIELD_WORD:
        snprintf(out, DHO_SCHEMA_TEXT_BYTES, "one of%s", range);
        break;
    case DHO_FIELD_TEXT:
        snprintf(out, DHO_SCHEMA_TEXT_BYTES, "%s%s", field->words ? "one of" : "text", range);
        break;
    case DHO_FIELD_DOUBLE:
    case DHO_FIELD_LIST:
        snprintf(out, DHO_SCHEMA_TEXT_BYTES, "%s%snumber%s%s", one ? "a " : "a list of ", adjective,
                 one ? "" : "s", range);
        break;
    case DHO_FIELD_VECTOR:
        snprintf(out, DHO_SCHEMA_TEXT_BYTES, "a list of %zu %snumbers%s", field->size, adjective,
                 range);
        break;
    case DHO_FIELD_SETS:
        snprintf(out, DHO_SCHEMA_TEXT_BYTES, "a list of mappings");
        break;
    }
}
