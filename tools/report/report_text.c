#include "report/report_text.h"

#include "base/utf8.h"

#include <string.h>

static int is_xml_character(uint32_t code)
{
    if (code < 0x20) return code == '\t' || code == '\n' || code == '\r';
    return code != 0x7F && !(code >= 0x80 && code < 0xA0) && code != 0xFFFE && code != 0xFFFF;
}

/* What a terminal does not show, as a line's end, is a blank on a page. */
static size_t width_of(uint32_t code)
{
    const int columns = dho_utf8_columns(code);
    return columns < 0 ? 1 : (size_t)columns;
}

/* The next character of *at as escaped text; returns its width. */
static size_t next(const char **at, const char **out, size_t *out_bytes)
{
    static const char replacement[] = "\xEF\xBF\xBD";
    uint32_t code;
    const char *end = memchr(*at, '\0', 4); /* a character has at most 4 bytes */
    size_t length = dho_utf8_decode(*at, end != NULL ? (size_t)(end - *at) : 4, &code);
    *out = *at;
    *out_bytes = length;
    if (length == 0 || !is_xml_character(code)) {
        if (length == 0) length = 1;
        code = 0xFFFD;
        *out = replacement;
        *out_bytes = sizeof replacement - 1;
    }
    const char *reference = code == '&'    ? "&amp;"
                            : code == '<'  ? "&lt;"
                            : code == '>'  ? "&gt;"
                            : code == '"'  ? "&quot;"
                            : code == '\'' ? "&#39;"
                                           : NULL;
    if (reference != NULL) {
        *out = reference;
        *out_bytes = strlen(reference);
    }
    *at += length;
    return width_of(code);
}

size_t dho_text_columns(const char *value)
{
    const char *escaped;
    size_t bytes, columns = 0;
    while (*value != '\0') columns += next(&value, &escaped, &bytes);
    return columns;
}

void dho_text_escape_cut(dho_text *text, const char *value, size_t columns)
{
    const char *escaped;
    size_t bytes, used = 0;
    const int cut = dho_text_columns(value) > columns;
    while (*value != '\0') {
        const size_t width = next(&value, &escaped, &bytes);
        if (cut && used + width + 1 > columns) break;
        dho_text_append(text, escaped, bytes);
        used += width;
    }
    if (cut) dho_text_append(text, "\xE2\x80\xA6", 3);
}

void dho_text_escape(dho_text *text, const char *value)
{
    dho_text_escape_cut(text, value, SIZE_MAX);
}

void dho_text_base64(dho_text *text, const uint8_t *bytes, size_t count)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (size_t i = 0; i < count; i += 3) {
        const size_t left = count - i;
        const uint32_t group = (uint32_t)bytes[i] << 16 |
                               (left > 1 ? (uint32_t)bytes[i + 1] << 8 : 0) |
                               (left > 2 ? bytes[i + 2] : 0);
        const char four[4] = {digits[group >> 18], digits[group >> 12 & 63],
                              left > 1 ? digits[group >> 6 & 63] : '=',
                              left > 2 ? digits[group & 63] : '='};
        dho_text_append(text, four, sizeof four);
    }
}
