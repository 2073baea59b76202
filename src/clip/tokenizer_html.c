/* HTML's character references, as Python's html.unescape and ftfy resolve them. */
#include "clip/tokenizer_private.h"

#include <unicase.h>

enum { REPLACEMENT = 0xfffd, LAST_CODE = 0x10ffff };

uint32_t dho_text_from_c1(uint32_t code)
{
    static const uint16_t windows[32] = {
        0x20ac, 0x81,   0x201a, 0x192,  0x201e, 0x2026, 0x2020, 0x2021, 0x2c6,  0x2030, 0x160,
        0x2039, 0x152,  0x8d,   0x17d,  0x8f,   0x90,   0x2018, 0x2019, 0x201c, 0x201d, 0x2022,
        0x2013, 0x2014, 0x2dc,  0x2122, 0x161,  0x203a, 0x153,  0x9d,   0x17e,  0x178};
    return code >= 0x80 && code <= 0x9f ? windows[code - 0x80] : code;
}

static bool is_alphanumeric(uint32_t c)
{
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
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
    *out = dho_text_from_c1(number);
    if (number == 0 || (number >= 0xd800 && number <= 0xdfff) || number > LAST_CODE)
        *out = REPLACEMENT;
    else if (number < 0x80 || number > 0x9f)
        return !(number <= 8 || number == 0xb || (number >= 0xe && number <= 0x1f) ||
                 number == 0x7f || (number >= 0xfdd0 && number <= 0xfdef) ||
                 (number & 0xfffe) == 0xfffe);
    return true;
}

/* One reference read: how long it is, and what takes its place. */
typedef struct reference {
    size_t length; /* characters from the & on; 0: there is none */
    uint32_t codes[3];
    size_t count;
} reference;

/* &#123; or &#x7b; with or without the semicolon. */
static reference read_numeric(const uint32_t *text, size_t count)
{
    size_t i = 2;
    int base = 10;
    reference result = {0};
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
    reference result = {0};
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

/* At an &. */
static reference read_any(const uint32_t *text, size_t count)
{
    if (count < 2) return (reference){0};
    return text[1] == '#' ? read_numeric(text, count) : read_named(text, count);
}

/* At an &, the references that ftfy resolves: with a semicolon, at most 24 letters and digits; also
 * names in capitals, for the character in capitals ("&EACUTE;"), where HTML has no such name. */
static reference read_closed(const uint32_t *text, size_t count)
{
    enum { MOST = 24 };
    char name[MOST + 1];
    size_t length = 0;
    bool capitals = true;
    const size_t first = count > 1 && text[1] == '#' ? 2 : 1;
    for (size_t i = first; i < count && length < MOST && is_alphanumeric(text[i]); i++) {
        if (text[i] >= 'a') capitals = false;
        name[length++] = (char)text[i];
    }
    const size_t end = first + length;
    if (length == 0 || end == count || text[end] != ';') return (reference){0};
    reference found = read_any(text, end + 1);
    if (first == 2) /* a reference to the semicolon itself is left alone */
        return found.length == end + 1 && found.codes[0] != ';' ? found : (reference){0};
    if (found.length == end + 1) return found;
    if (found.length > 0 || !capitals) return (reference){0};
    for (size_t i = 0; i < length; i++)
        if (name[i] >= 'A') name[i] = (char)(name[i] + 'a' - 'A');
    name[length] = ';';
    const uint32_t *codes = dho_html_entity(name, length + 1);
    if (codes == NULL) return (reference){0};
    found = (reference){end + 1, {0}, sizeof found.codes / sizeof *found.codes};
    u32_toupper(codes, codes[1] != 0 ? 2 : 1, NULL, NULL, found.codes, &found.count);
    return found;
}

static size_t unescape(uint32_t *text, size_t count,
                       reference (*read)(const uint32_t *text, size_t count))
{
    size_t used = 0;
    for (size_t i = 0; i < count;) {
        reference found = {0};
        if (text[i] == '&') found = read(text + i, count - i);
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

size_t dho_text_unescape_html(uint32_t *text, size_t count)
{
    return unescape(text, count, read_any);
}

size_t dho_text_unescape_closed(uint32_t *text, size_t count)
{
    return unescape(text, count, read_closed);
}
