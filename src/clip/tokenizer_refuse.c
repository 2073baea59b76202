/* From UTF-8 to code points, and the texts that the tokenizer refuses: OpenAI's cleaning (ftfy and
 * html.unescape) would replace a part of them. Such a text was copied from a web page, or decoded
 * wrongly. The tokenizer does not guess what was meant; its author mends it. */
#include "base/utf8.h"
#include "clip/tokenizer_private.h"
#include "dho/alloc.h"

#include <stdio.h>

#include <unistr.h>

enum { QUOTED = 80 /* bytes of a text in a message */, MOST_QUOTED = 4 * QUOTED + 1 };
enum { FIRST_C1 = 0x80, LAST_C1 = 0x9f };

/* Windows-1252 from FIRST_C1 on; a control where it has no character. */
static const uint16_t windows[] = {0x20ac, 0x81,   0x201a, 0x192,  0x201e, 0x2026, 0x2020, 0x2021,
                                   0x2c6,  0x2030, 0x160,  0x2039, 0x152,  0x8d,   0x17d,  0x8f,
                                   0x90,   0x2018, 0x2019, 0x201c, 0x201d, 0x2022, 0x2013, 0x2014,
                                   0x2dc,  0x2122, 0x161,  0x203a, 0x153,  0x9d,   0x17e,  0x178};

/* The byte of a character in Windows-1252; -1: it has none. */
static int windows_byte(uint32_t code)
{
    if (code < FIRST_C1 || (code > LAST_C1 && code <= 0xff)) return (int)code;
    for (int i = 0; i <= LAST_C1 - FIRST_C1; i++)
        if (windows[i] == code) return FIRST_C1 + i;
    return -1;
}

/* Is the text UTF-8 that was decoded as Windows-1252? So it is if its bytes there are UTF-8 again.
 * bytes: [count + 1], what it was, NUL-terminated. */
static bool is_mojibake(const uint32_t *codes, size_t count, uint8_t *bytes)
{
    bool ascii = true;
    for (size_t i = 0; i < count; i++) {
        const int byte = windows_byte(codes[i]);
        if (byte < 0) return false;
        if (byte >= FIRST_C1) ascii = false;
        bytes[i] = (uint8_t)byte;
    }
    bytes[count] = '\0';
    return !ascii && u8_check(bytes, count) == NULL;
}

/* Would ftfy replace or remove this character? Controls that are no white space, ligatures and
 * digraphs of Latin letters, forms of half and full width. Curly quotes are not among them. */
static bool is_replaced(uint32_t c)
{
    static const struct {
        uint32_t first, last;
    } ranges[] = {
        {0x00, 0x08},     {0x0b, 0x0b},     {0x0e, 0x1f},     {0x7f, 0x9f},     {0x132, 0x133},
        {0x149, 0x149},   {0x1c4, 0x1cc},   {0x1f1, 0x1f3},   {0x206a, 0x206f}, {0xfb00, 0xfb06},
        {0xfeff, 0xfeff}, {0xff01, 0xffef}, {0xfff9, 0xfffc},
    };
    for (size_t i = 0; i < sizeof ranges / sizeof *ranges; i++)
        if (c >= ranges[i].first && c <= ranges[i].last) return true;
    return false;
}

static bool is_alphanumeric(uint32_t c)
{
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

/* The length of what may be an HTML reference: &#, or & in front of two letters or more ("&lt" is
 * the shortest), up to its semicolon. 0: none. "AT&T" and "a & b" hold none. */
static size_t reference_length(const uint32_t *codes, size_t count)
{
    size_t i = 1;
    if (codes[0] != '&') return 0;
    const bool number = count > 1 && codes[1] == '#';
    if (number) i++;
    while (i < count && is_alphanumeric(codes[i])) i++;
    if (i < 3) return number ? 2 : 0;
    return i < count && codes[i] == ';' ? i + 1 : i;
}

static const char *quote(const char *text, size_t bytes, char out[MOST_QUOTED])
{
    char start[QUOTED + 1];
    snprintf(start, sizeof start, "%.*s", bytes < QUOTED ? (int)bytes : QUOTED, text);
    dho_utf8_print(start, out, MOST_QUOTED);
    return out;
}

static dho_status refuse(const char *text, size_t bytes, const uint32_t *codes, size_t count,
                         uint8_t *spare)
{
    char shown[MOST_QUOTED], better[MOST_QUOTED];
    for (size_t i = 0; i < count; i++) {
        if (is_replaced(codes[i]))
            return dho_fail(DHO_ERR_CONFIG,
                            "\"%s\": character %zu is U+%04X, which CLIP's cleaning of texts would "
                            "replace: write plain letters",
                            quote(text, bytes, shown), i + 1, (unsigned)codes[i]);
        const size_t length = reference_length(codes + i, count - i);
        if (length == 0) continue;
        for (size_t k = 0; k < length; k++) spare[k] = (uint8_t)codes[i + k];
        return dho_fail(DHO_ERR_CONFIG,
                        "\"%s\": \"%s\" looks like an HTML reference: write the character that it "
                        "stands for, or a blank behind the &",
                        quote(text, bytes, shown), quote((const char *)spare, length, better));
    }
    if (!is_mojibake(codes, count, spare)) return DHO_OK;
    return dho_fail(DHO_ERR_CONFIG,
                    "\"%s\" looks like UTF-8 that was decoded as Windows-1252: write \"%s\"",
                    quote(text, bytes, shown), quote((const char *)spare, count, better));
}

dho_status dho_text_decode(const char *text, size_t bytes, uint32_t **out, size_t *out_count)
{
    char shown[MOST_QUOTED];
    uint32_t *codes = NULL;
    uint8_t *spare = NULL;
    size_t count = bytes + 1;
    dho_status status;
    *out = NULL;
    *out_count = 0;
    const uint8_t *start = (const uint8_t *)text, *bad = dho_utf8_first_bad(start, bytes);
    if (bad != NULL)
        return dho_fail(DHO_ERR_CONFIG, "\"%s\": byte %td is not UTF-8: save the text as UTF-8",
                        quote(text, bytes, shown), bad - start + 1);
    DHO_TRY_GOTO(dho_alloc(&codes, count, sizeof *codes, "tokenizer text"));
    DHO_TRY_GOTO(dho_alloc(&spare, count, 1, "tokenizer text"));
    u8_to_u32(start, bytes, codes, &count); /* fits: a code point has at least one byte */
    DHO_TRY_GOTO(refuse(text, bytes, codes, count, spare));
    *out = codes;
    *out_count = count;
    codes = NULL;
fail:
    dho_free(spare);
    dho_free(codes);
    return status;
}
