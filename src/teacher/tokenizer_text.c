/* Text cleaning of CLIP's tokenizer, on code points. */
#include "dho/alloc.h"
#include "teacher/tokenizer_private.h"

#include <unicase.h>
#include <unictype.h>

enum { REPLACEMENT = 0xfffd, LAST_CODE = 0x10ffff };

/* The bytes that may follow a lead byte: how many, and the range of the first of them, which keeps
 * out overlong forms, surrogates and codes above U+10FFFF (Unicode, table 3-7). */
typedef struct lead_byte {
    int following;
    uint8_t low, high;
} lead_byte;

static lead_byte classify_lead(uint8_t byte)
{
    if (byte < 0xc2 || byte > 0xf4) return (lead_byte){0, 0, 0};
    if (byte < 0xe0) return (lead_byte){1, 0x80, 0xbf};
    if (byte < 0xf0) return (lead_byte){2, byte == 0xe0 ? 0xa0 : 0x80, byte == 0xed ? 0x9f : 0xbf};
    return (lead_byte){3, byte == 0xf0 ? 0x90 : 0x80, byte == 0xf4 ? 0x8f : 0xbf};
}

size_t dho_text_decode_utf8(const char *text, size_t bytes, uint32_t *out)
{
    const uint8_t *in = (const uint8_t *)text;
    size_t count = 0;
    for (size_t i = 0; i < bytes;) {
        const uint8_t first = in[i++];
        if (first < 0x80) {
            out[count++] = first;
            continue;
        }
        const lead_byte lead = classify_lead(first);
        uint32_t code = first & (0x3fu >> lead.following);
        uint8_t low = lead.low, high = lead.high;
        int left = lead.following;
        for (; left > 0 && i < bytes && in[i] >= low && in[i] <= high; left--) {
            code = code << 6 | (in[i++] & 0x3f);
            low = 0x80;
            high = 0xbf;
        }
        out[count++] = lead.following == 0 || left > 0 ? REPLACEMENT : code;
    }
    return count;
}

size_t dho_text_put_utf8(uint32_t code, uint8_t *out)
{
    if (code < 0x80) {
        out[0] = (uint8_t)code;
        return 1;
    }
    const int following = code < 0x800 ? 1 : code < 0x10000 ? 2 : 3;
    static const uint8_t marks[] = {0, 0xc0, 0xe0, 0xf0};
    out[0] = (uint8_t)(marks[following] | code >> 6 * following);
    for (int i = 1; i <= following; i++)
        out[i] = (uint8_t)(0x80 | (code >> 6 * (following - i) & 0x3f));
    return (size_t)following + 1;
}

static int digit_value(uint32_t c, int base)
{
    int value = -1;
    if (c >= '0' && c <= '9') value = (int)(c - '0');
    if (base == 16 && c >= 'a' && c <= 'f') value = (int)(c - 'a') + 10;
    if (base == 16 && c >= 'A' && c <= 'F') value = (int)(c - 'A') + 10;
    return value;
}

/* What a numeric reference stands for (HTML standard, "numeric character reference end state", as
 * Python reads it): *out is set, or false for nothing at all. */
static bool numeric_code(uint32_t number, uint32_t *out)
{
    /* Windows-1252 at 0x80...0x9f. */
    static const uint16_t windows[32] = {
        0x20ac, 0x81,   0x201a, 0x192,  0x201e, 0x2026, 0x2020, 0x2021, 0x2c6,  0x2030, 0x160,
        0x2039, 0x152,  0x8d,   0x17d,  0x8f,   0x90,   0x2018, 0x2019, 0x201c, 0x201d, 0x2022,
        0x2013, 0x2014, 0x2dc,  0x2122, 0x161,  0x203a, 0x153,  0x9d,   0x17e,  0x178};
    *out = number;
    if (number == 0 || (number >= 0xd800 && number <= 0xdfff) || number > LAST_CODE)
        *out = REPLACEMENT;
    else if (number >= 0x80 && number <= 0x9f)
        *out = windows[number - 0x80];
    else
        return !(number <= 8 || number == 0xb || (number >= 0xe && number <= 0x1f) ||
                 number == 0x7f || (number >= 0xfdd0 && number <= 0xfdef) ||
                 (number & 0xfffe) == 0xfffe);
    return true;
}

/* One reference read: how long it is, and what takes its place. */
typedef struct reference {
    size_t length; /* characters from the & on; 0: there is none */
    uint32_t codes[2];
    size_t count;
} reference;

/* &#123; or &#x7b; with or without the semicolon. */
static reference read_numeric(const uint32_t *text, size_t count)
{
    size_t i = 2;
    int base = 10;
    reference result = {0, {0, 0}, 0};
    if (i < count && (text[i] == 'x' || text[i] == 'X')) {
        base = 16;
        i++;
    }
    const size_t first = i;
    uint32_t number = 0;
    for (int digit; i < count && (digit = digit_value(text[i], base)) >= 0; i++)
        if (number <= LAST_CODE) number = number * (uint32_t)base + (uint32_t)digit;
    if (i == first) return result;
    if (i < count && text[i] == ';') i++;
    result.length = i;
    result.count = numeric_code(number, &result.codes[0]) ? 1 : 0;
    return result;
}

/* &name; or the longest name in front of other letters ("&notit" is "&not" and "it"). */
static reference read_named(const uint32_t *text, size_t count)
{
    enum { MOST = 32 };
    char name[MOST + 1];
    size_t length = 0, ascii = 0;
    reference result = {0, {0, 0}, 0};
    while (length < MOST && length + 1 < count) {
        const uint32_t c = text[length + 1];
        if (c == '\t' || c == '\n' || c == '\f' || c == ' ' || c == '<' || c == '&' || c == '#' ||
            c == ';')
            break;
        if (ascii == length && c > 0 && c < 0x80) name[ascii++] = (char)c;
        length++;
    }
    if (length == 0) return result;
    if (ascii == length && length + 1 < count && text[length + 1] == ';') name[ascii++] = ';';
    for (size_t n = ascii; n > 1; n--) {
        const uint32_t *codes = dho_html_entity(name, n);
        if (codes == NULL) continue;
        result = (reference){n + 1, {codes[0], codes[1]}, codes[1] != 0 ? 2 : 1};
        break;
    }
    return result;
}

size_t dho_text_unescape_html(uint32_t *text, size_t count)
{
    size_t used = 0;
    for (size_t i = 0; i < count;) {
        reference found = {0, {0, 0}, 0};
        if (text[i] == '&' && i + 1 < count)
            found = text[i + 1] == '#' ? read_numeric(text + i, count - i)
                                       : read_named(text + i, count - i);
        if (found.length == 0) {
            text[used++] = text[i++];
            continue;
        }
        /* A reference is longer than what it stands for, so that reading stays in front. */
        for (size_t k = 0; k < found.count; k++) text[used++] = found.codes[k];
        i += found.length;
    }
    return used;
}

/* str.isspace. */
static bool is_space(uint32_t c)
{
    return (c >= 9 && c <= 13) || (c >= 0x1c && c <= 0x20) || c == 0x85 || c == 0xa0 ||
           c == 0x1680 || (c >= 0x2000 && c <= 0x200a) || c == 0x2028 || c == 0x2029 ||
           c == 0x202f || c == 0x205f || c == 0x3000;
}

size_t dho_text_collapse_space(uint32_t *text, size_t count)
{
    size_t used = 0;
    for (size_t i = 0; i < count; i++) {
        if (!is_space(text[i]))
            text[used++] = text[i];
        else if (used > 0 && text[used - 1] != ' ')
            text[used++] = ' ';
    }
    return used > 0 && text[used - 1] == ' ' ? used - 1 : used;
}

/* Whether a capital sigma ends a word as Python sees it (Unicode, table 3-17, Final_Sigma).
 * u32_tolower sees it otherwise before an apostrophe. */
static bool is_final_sigma(const uint32_t *text, size_t count, size_t at)
{
    size_t before = at, after = at + 1;
    while (before > 0 && uc_is_property_case_ignorable(text[before - 1])) before--;
    if (before == 0 || !uc_is_property_cased(text[before - 1])) return false;
    while (after < count && uc_is_property_case_ignorable(text[after])) after++;
    return after == count || !uc_is_property_cased(text[after]);
}

/* str.lower; out holds at least 2 * count. Returns how many were written. */
static size_t lower_case(const uint32_t *text, size_t count, uint32_t *out)
{
    size_t used = 0;
    for (size_t i = 0; i < count; i++) {
        if (text[i] == 0x130) { /* I with a dot: the one letter that becomes two */
            out[used++] = 'i';
            out[used++] = 0x307;
        } else if (text[i] == 0x3a3 && is_final_sigma(text, count, i)) {
            out[used++] = 0x3c2;
        } else {
            out[used++] = uc_tolower(text[i]);
        }
    }
    return used;
}

dho_status dho_text_clean(const char *text, size_t bytes, uint32_t **out, size_t *out_count)
{
    uint32_t *codes = NULL, *lower = NULL;
    dho_status status;
    *out = NULL;
    *out_count = 0;
    DHO_TRY_GOTO(dho_alloc(&codes, bytes, sizeof *codes, "tokenizer text"));
    size_t count = dho_text_decode_utf8(text, bytes, codes);
    count = dho_text_unescape_html(codes, count);
    count = dho_text_unescape_html(codes, count);
    count = dho_text_collapse_space(codes, count);
    DHO_TRY_GOTO(dho_alloc(&lower, count, 2 * sizeof *lower, "tokenizer text"));
    *out_count = lower_case(codes, count, lower);
    *out = lower;
fail:
    dho_free(codes);
    return status;
}
