#include "report/report_text.h"

#include "dho/alloc.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void dho_text_free(dho_text *text)
{
    dho_free(text->data);
    *text = (dho_text){0};
}

void dho_text_clear(dho_text *text)
{
    text->used = 0;
    if (text->data != NULL) text->data[0] = '\0';
}

/* Room for `count` more bytes and a NUL; false after a failure. */
static int reserve(dho_text *text, size_t count)
{
    if (text->status != DHO_OK) return 0;
    if (count >= SIZE_MAX / 4 - text->used) {
        text->status = dho_fail(DHO_ERR_MEMORY, "report: the page is too large");
        return 0;
    }
    const size_t needed = text->used + count + 1;
    if (needed <= text->capacity) return 1;
    const size_t capacity = needed < 4096 ? 4096 : 2 * needed;
    text->status = dho_realloc(&text->data, capacity, 1, "report");
    if (text->status != DHO_OK) return 0;
    text->capacity = capacity;
    return 1;
}

void dho_text_append(dho_text *text, const char *bytes, size_t count)
{
    if (!reserve(text, count)) return;
    if (count > 0) memcpy(text->data + text->used, bytes, count);
    text->used += count;
    text->data[text->used] = '\0';
}

void dho_text_add(dho_text *text, const char *format, ...)
{
    va_list arguments, again;
    va_start(arguments, format);
    va_copy(again, arguments);
    const int length = vsnprintf(NULL, 0, format, arguments);
    if (length >= 0 && reserve(text, (size_t)length)) {
        vsnprintf(text->data + text->used, (size_t)length + 1, format, again);
        text->used += (size_t)length;
    }
    va_end(again);
    va_end(arguments);
}

/* One character of UTF-8 (RFC 3629) at `at`: its bytes, or 0 for what is none. */
static size_t decode(const unsigned char *at, uint32_t *out)
{
    static const uint32_t least[5] = {0, 0, 0x80, 0x800, 0x10000};
    const unsigned char first = at[0];
    const size_t length = first < 0x80   ? 1
                          : first < 0xC2 ? 0
                          : first < 0xE0 ? 2
                          : first < 0xF0 ? 3
                          : first < 0xF5 ? 4
                                         : 0;
    if (length == 0) return 0;
    uint32_t code = length == 1 ? first : first & (0x7Fu >> length);
    for (size_t i = 1; i < length; i++) {
        if ((at[i] & 0xC0) != 0x80) return 0; /* the final NUL ends here, too */
        code = code << 6 | (at[i] & 0x3F);
    }
    if (code < least[length] || code > 0x10FFFF || (code >= 0xD800 && code < 0xE000)) return 0;
    *out = code;
    return length;
}

static int is_xml_character(uint32_t code)
{
    if (code < 0x20) return code == '\t' || code == '\n' || code == '\r';
    return code != 0x7F && !(code >= 0x80 && code < 0xA0) && code != 0xFFFE && code != 0xFFFF;
}

static size_t width_of(uint32_t code)
{
    static const uint32_t wide[][2] = {{0x1100, 0x115F},   {0x2E80, 0xA4CF},   {0xAC00, 0xD7A3},
                                       {0xF900, 0xFAFF},   {0xFE30, 0xFE6F},   {0xFF00, 0xFF60},
                                       {0x1F300, 0x1FAFF}, {0x20000, 0x3FFFD}};
    for (size_t i = 0; i < sizeof wide / sizeof *wide; i++)
        if (code >= wide[i][0] && code <= wide[i][1]) return 2;
    return 1;
}

/* The next character of *at as escaped text; returns its width. */
static size_t next(const char **at, const char **out, size_t *out_bytes)
{
    static const char replacement[] = "\xEF\xBF\xBD";
    uint32_t code;
    size_t length = decode((const unsigned char *)*at, &code);
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
