#include "config/config_value.h"

#include "base/text.h"
#include "dho/alloc.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void *member_of(const dho_field *field, void *structure)
{
    return (char *)structure + field->offset;
}

dho_status dho_field_mismatch(const dho_field *field, const dho_yaml_node *node, const char *hint)
{
    char expected[DHO_SCHEMA_TEXT_BYTES], got[DHO_YAML_QUOTE_BYTES + 16];
    dho_schema_expected(field, expected);
    if (node->kind == DHO_YAML_MAP) {
        snprintf(got, sizeof got, "a mapping");
    } else if (node->kind == DHO_YAML_LIST) {
        snprintf(got, sizeof got, "a list");
    } else if (dho_yaml_is_null(node)) {
        snprintf(got, sizeof got, "nothing");
    } else {
        char quoted[DHO_YAML_QUOTE_BYTES];
        dho_yaml_quote(node->text, quoted);
        snprintf(got, sizeof got, "%s%s", node->quoted ? "the text " : "", quoted);
    }
    return dho_yaml_fail(node, "expected %s, got %s%s", expected, got, hint);
}

/* --- numbers -------------------------------------------------------------------------------- */

/* [+-] digits [. digits] [e [+-] digits]; what is an integer has only the first part. */
static bool is_decimal(const char *text, bool integer)
{
    const char *const digits = "0123456789";
    if (*text == '+' || *text == '-') text++;
    const size_t whole = strspn(text, digits);
    text += whole;
    if (integer) return whole > 0 && *text == '\0';
    size_t part = 0;
    if (*text == '.') {
        part = strspn(++text, digits);
        text += part;
    }
    if (whole + part == 0) return false;
    if (*text == 'e' || *text == 'E') {
        text++;
        if (*text == '+' || *text == '-') text++;
        const size_t exponent = strspn(text, digits);
        if (exponent == 0) return false;
        text += exponent;
    }
    return *text == '\0';
}

static bool has_leading_zero(const char *text)
{
    if (*text == '+' || *text == '-') text++;
    return text[0] == '0' && text[1] >= '0' && text[1] <= '9';
}

/* What keeps a text that people do write from being a number; "" if nothing special. */
static const char *number_hint(const dho_yaml_node *node, bool integer, char *buffer, size_t size)
{
    const char *text = node->text;
    if (text == NULL || dho_yaml_is_null(node)) return "";
    if (node->quoted) return is_decimal(text, false) ? " (remove the quotes)" : "";
    if (is_decimal(text, false) && has_leading_zero(text)) return " (remove the leading zero)";
    if (text[0] == '0' && strchr("xXoObB", text[1]) != NULL && text[1] != '\0')
        return " (write it in decimal)";
    if (integer && is_decimal(text, false)) {
        const double value = strtod(text, NULL);
        if (fabs(value) > 1e15 || value != floor(value)) return "";
        snprintf(buffer, size, " (write %.0f)", value);
        return buffer;
    }
    return "";
}

static bool in_range(const dho_field *field, double value)
{
    if (field->low_open ? value <= field->low : value < field->low) return false;
    return field->high_open ? value < field->high : value <= field->high;
}

static dho_status read_double(const dho_field *field, const dho_yaml_node *node, double *out)
{
    char buffer[64];
    if (node->kind != DHO_YAML_SCALAR || node->quoted || !is_decimal(node->text, false) ||
        has_leading_zero(node->text))
        return dho_field_mismatch(field, node, number_hint(node, false, buffer, sizeof buffer));
    const double value = strtod(node->text, NULL);
    if (!isfinite(value)) return dho_field_mismatch(field, node, " (too large)");
    if (!in_range(field, value)) return dho_field_mismatch(field, node, "");
    *out = value;
    return DHO_OK;
}

static dho_status read_integer(const dho_field *field, const dho_yaml_node *node, void *member)
{
    char buffer[64];
    const char *text = node->text;
    if (node->kind != DHO_YAML_SCALAR || node->quoted || !is_decimal(text, true) ||
        has_leading_zero(text))
        return dho_field_mismatch(field, node, number_hint(node, true, buffer, sizeof buffer));
    errno = 0;
    if (field->type == DHO_FIELD_UINT) {
        if (text[0] == '-') return dho_field_mismatch(field, node, "");
        const unsigned long long value = strtoull(text, NULL, 10);
        if (errno == ERANGE) return dho_field_mismatch(field, node, " (too large for 64 bits)");
        *(uint64_t *)member = value;
        return DHO_OK;
    }
    const long long value = strtoll(text, NULL, 10);
    if (errno == ERANGE) return dho_field_mismatch(field, node, " (too large for 64 bits)");
    if (!in_range(field, (double)value)) return dho_field_mismatch(field, node, "");
    *(int64_t *)member = value;
    return DHO_OK;
}

/* --- the other kinds ------------------------------------------------------------------------ */

static dho_status read_bool(const dho_field *field, const dho_yaml_node *node, bool *out)
{
    /* YAML 1.1's other spellings, by their lower case: a value that looks like one and is
     * taken as text, or the other way round, is a classic trap. */
    static const char *const yes[] = {"yes", "on", "y", "true", "1", NULL};
    static const char *const no[] = {"no", "off", "n", "false", "0", NULL};
    if (node->kind != DHO_YAML_SCALAR) return dho_field_mismatch(field, node, "");
    const char *text = node->text;
    if (!node->quoted && (strcmp(text, "true") == 0 || strcmp(text, "false") == 0)) {
        *out = text[0] == 't';
        return DHO_OK;
    }
    char lower[8] = "";
    for (size_t i = 0; i < sizeof lower - 1 && text[i] != '\0'; i++) {
        lower[i] = text[i];
        if (lower[i] >= 'A' && lower[i] <= 'Z') lower[i] = (char)(lower[i] - 'A' + 'a');
    }
    if (strlen(text) >= sizeof lower) return dho_field_mismatch(field, node, "");
    const bool is_yes = dho_is_one_of(lower, yes), is_no = dho_is_one_of(lower, no);
    return dho_field_mismatch(field, node,
                              is_yes  ? " (write true, without quotes)"
                              : is_no ? " (write false, without quotes)"
                                      : "");
}

static dho_status mismatch_word(const dho_field *field, const dho_yaml_node *node)
{
    char hint[64] = "";
    if (node->kind == DHO_YAML_SCALAR) {
        const char *near = dho_schema_suggest_word(field->words, node->text);
        if (near != NULL) snprintf(hint, sizeof hint, " (did you mean %s?)", near);
    }
    return dho_field_mismatch(field, node, hint);
}

static dho_status read_word(const dho_field *field, const dho_yaml_node *node, int *out)
{
    if (node->kind == DHO_YAML_SCALAR) {
        for (int i = 0; field->words[i] != NULL; i++) {
            if (strcmp(node->text, field->words[i]) != 0) continue;
            *out = i;
            return DHO_OK;
        }
    }
    return mismatch_word(field, node);
}

static dho_status read_text(const dho_field *field, const dho_yaml_node *node, char **out)
{
    /* A text whose default says something cannot be empty; nor can one that must be given. */
    const bool may_be_empty =
        field->inherit != NULL || (field->fallback != NULL && field->fallback[0] == '\0');
    if (node->kind != DHO_YAML_SCALAR || dho_yaml_is_null(node))
        return dho_field_mismatch(
            field, node,
            node->kind == DHO_YAML_SCALAR && may_be_empty ? " (write \"\" for none)" : "");
    if (node->text[0] == '\0' && !may_be_empty) return dho_field_mismatch(field, node, "");
    if (node->text[0] != '\0' && field->words != NULL && !dho_is_one_of(node->text, field->words))
        return mismatch_word(field, node);
    if (field->is_path) DHO_TRY(dho_yaml_check_path(node));
    return dho_strdup(out, node->text);
}

static dho_status read_vector(const dho_field *field, const dho_yaml_node *node, double *out)
{
    if (node->kind != DHO_YAML_LIST) return dho_field_mismatch(field, node, "");
    if (node->count != field->size) {
        char hint[48];
        snprintf(hint, sizeof hint, " of %zu", node->count);
        return dho_field_mismatch(field, node, hint);
    }
    dho_field element = *field;
    element.type = DHO_FIELD_DOUBLE;
    for (const dho_yaml_node *item = node->first; item != NULL; item = item->next)
        DHO_TRY(read_double(&element, item, out++));
    return DHO_OK;
}

static dho_status read_list(const dho_field *field, const dho_yaml_node *node, void *structure)
{
    if (node->kind != DHO_YAML_LIST) return dho_field_mismatch(field, node, "");
    if (node->count == 0) return dho_field_mismatch(field, node, " without entries");
    double *values;
    DHO_TRY(dho_alloc(&values, node->count, sizeof *values, field->key));
    *(double **)member_of(field, structure) = values;
    *(size_t *)(void *)((char *)structure + field->size) = node->count;
    dho_field vector = *field;
    vector.type = DHO_FIELD_VECTOR;
    vector.size = node->count;
    return read_vector(&vector, node, values);
}

dho_status dho_field_read(const dho_field *field, const dho_yaml_node *node, void *structure)
{
    void *member = member_of(field, structure);
    switch (field->type) {
    case DHO_FIELD_BOOL:
        return read_bool(field, node, member);
    case DHO_FIELD_INT:
    case DHO_FIELD_UINT:
        return read_integer(field, node, member);
    case DHO_FIELD_DOUBLE:
        return read_double(field, node, member);
    case DHO_FIELD_WORD:
        return read_word(field, node, member);
    case DHO_FIELD_TEXT:
        return read_text(field, node, member);
    case DHO_FIELD_VECTOR:
        return read_vector(field, node, member);
    case DHO_FIELD_LIST:
        return read_list(field, node, structure);
    case DHO_FIELD_SETS:
        break;
    }
    return dho_fail(DHO_ERR_INTERNAL, "%s: not a single value", field->key);
}

dho_status dho_field_read_default(const dho_field *field, void *structure)
{
    if (field->type == DHO_FIELD_SETS) return DHO_OK;
    const dho_yaml_source source = {.name = field->key};
    if (field->fallback[0] != '[') {
        char *text;
        DHO_TRY(dho_strdup(&text, field->fallback));
        const dho_yaml_node node = {
            .text = text, .source = &source, .quoted = field->type == DHO_FIELD_TEXT};
        const dho_status status = dho_field_read(field, &node, structure);
        dho_free(text);
        return status;
    }
    dho_yaml_node *list;
    DHO_TRY(dho_yaml_parse(&list, field->fallback, strlen(field->fallback), &source));
    const dho_status status = dho_field_read(field, list, structure);
    dho_yaml_free(&list);
    return status;
}

dho_status dho_field_inherit(const dho_field *field, void *structure, const dho_field *from,
                             const void *from_structure)
{
    void *member = member_of(field, structure);
    const void *source = (const char *)from_structure + from->offset;
    if (field->type == DHO_FIELD_TEXT) return dho_strdup(member, *(char *const *)source);
    memcpy(member, source, sizeof(int));
    return DHO_OK;
}

bool dho_field_is_equal(const dho_field *field, const void *a, const void *b)
{
    const char *x = (const char *)a + field->offset, *y = (const char *)b + field->offset;
    size_t bytes = sizeof(double);
    switch (field->type) {
    case DHO_FIELD_TEXT:
        return strcmp(*(char *const *)(const void *)x, *(char *const *)(const void *)y) == 0;
    case DHO_FIELD_BOOL:
        bytes = sizeof(bool);
        break;
    case DHO_FIELD_WORD:
        bytes = sizeof(int);
        break;
    case DHO_FIELD_INT:
    case DHO_FIELD_UINT:
    case DHO_FIELD_DOUBLE:
        break;
    case DHO_FIELD_VECTOR:
        bytes = field->size * sizeof(double);
        break;
    case DHO_FIELD_LIST:
        bytes = *(const size_t *)(const void *)((const char *)a + field->size);
        if (*(const size_t *)(const void *)((const char *)b + field->size) != bytes) return false;
        bytes *= sizeof(double);
        x = *(char *const *)(const void *)x;
        y = *(char *const *)(const void *)y;
        break;
    case DHO_FIELD_SETS:
        return false;
    }
    return memcmp(x, y, bytes) == 0;
}

void dho_field_free(const dho_field *field, void *structure)
{
    if (field->type != DHO_FIELD_TEXT && field->type != DHO_FIELD_LIST) return;
    void **member = member_of(field, structure);
    dho_free(*member);
    *member = NULL;
}
