/* Text cleaning of CLIP's tokenizer, on code points. */
#include "clip/tokenizer_private.h"
#include "dho/alloc.h"

#include <unicase.h>
#include <unictype.h>

enum { REPLACEMENT = 0xfffd };

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
    uint32_t *codes = NULL, *fixed = NULL, *lower = NULL;
    dho_status status;
    *out = NULL;
    *out_count = 0;
    DHO_TRY_GOTO(dho_alloc(&codes, bytes, sizeof *codes, "tokenizer text"));
    size_t count = dho_text_decode_utf8(text, bytes, codes);
    DHO_TRY_GOTO(dho_text_fix(codes, count, &fixed, &count));
    count = dho_text_unescape_html(fixed, count);
    count = dho_text_unescape_html(fixed, count);
    count = dho_text_collapse_space(fixed, count);
    DHO_TRY_GOTO(dho_alloc(&lower, count, 2 * sizeof *lower, "tokenizer text"));
    *out_count = lower_case(fixed, count, lower);
    *out = lower;
fail:
    dho_free(codes);
    dho_free(fixed);
    return status;
}
