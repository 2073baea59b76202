/* Text cleaning of CLIP's tokenizer, on code points. */
#include "clip/tokenizer_private.h"
#include "dho/alloc.h"

#include <stdlib.h>
#include <unicase.h>
#include <unictype.h>
#include <uninorm.h>

/* What one character becomes in NFC (UAX 15, "Respecting canonical equivalence"). */
enum { MOST_COMPOSED = 3 };

/* str.isspace. */
static bool is_space(uint32_t c)
{
    return (c >= 9 && c <= 13) || (c >= 0x1c && c <= 0x20) || c == 0x85 || c == 0xa0 ||
           c == 0x1680 || (c >= 0x2000 && c <= 0x200a) || c == 0x2028 || c == 0x2029 ||
           c == 0x202f || c == 0x205f || c == 0x3000;
}

/* " ".join(text.split()) as Python does it, in place; returns the new count. */
static size_t collapse_space(uint32_t *text, size_t count)
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

/* Curly quotes, and the apostrophe that is a letter, as ftfy makes them straight. */
static uint32_t straighten(uint32_t code)
{
    if (code == 0x2bc || (code >= 0x2018 && code <= 0x201b)) return '\'';
    return code >= 0x201c && code <= 0x201f ? '"' : code;
}

/* Letters and their marks composed (NFC). out: [MOST_COMPOSED * count + 1]. */
static dho_status compose(const uint32_t *text, size_t count, uint32_t *out, size_t *out_count)
{
    size_t length = MOST_COMPOSED * count + 1;
    uint32_t *result = u32_normalize(UNINORM_NFC, text, count, out, &length);
    if (result != out) { /* NULL: it sorts long runs of marks in memory of its own */
        free(result);
        return dho_fail(DHO_ERR_MEMORY, "tokenizer: cannot normalize %zu characters", count);
    }
    *out_count = length;
    return DHO_OK;
}

dho_status dho_text_clean(const char *text, size_t bytes, uint32_t **out, size_t *out_count)
{
    uint32_t *codes = NULL, *composed = NULL, *lower = NULL;
    size_t count;
    dho_status status;
    *out = NULL;
    *out_count = 0;
    DHO_TRY_GOTO(dho_text_decode(text, bytes, &codes, &count));
    for (size_t i = 0; i < count; i++) codes[i] = straighten(codes[i]);
    DHO_TRY_GOTO(
        dho_alloc(&composed, count + 1, MOST_COMPOSED * sizeof *composed, "tokenizer text"));
    DHO_TRY_GOTO(compose(codes, count, composed, &count));
    count = collapse_space(composed, count);
    DHO_TRY_GOTO(dho_alloc(&lower, count, 2 * sizeof *lower, "tokenizer text"));
    *out_count = lower_case(composed, count, lower);
    *out = lower;
fail:
    dho_free(codes);
    dho_free(composed);
    return status;
}
