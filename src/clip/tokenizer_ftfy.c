/* What ftfy.fix_text (ftfy 6) does with its default options, but for its repair of mojibake, text
 * that was decoded with a wrong encoding.
 *
 * Three of its steps cannot be seen in a prompt and are left out: U+3000 and the kinds of line
 * breaks are white space, which is collapsed later, and surrogates cannot come out of UTF-8. */
#include "clip/tokenizer_private.h"
#include "dho/alloc.h"

#include <stdlib.h>
#include <string.h>
#include <unictype.h>
#include <uninorm.h>

/* What one character becomes, in a step or in NFC (UAX 15, "Respecting canonical equivalence"). */
enum { MOST_PARTS = 3 };

typedef struct buffer {
    uint32_t *codes; /* owned */
    size_t count, capacity;
} buffer;

static dho_status reserve(buffer *b, size_t count)
{
    if (count <= b->capacity) return DHO_OK;
    const size_t capacity = count > 2 * b->capacity ? count : 2 * b->capacity;
    DHO_TRY(dho_realloc(&b->codes, capacity, sizeof *b->codes, "tokenizer text"));
    b->capacity = capacity;
    return DHO_OK;
}

/* Ligatures and digraphs of Latin letters. */
static size_t split_ligature(uint32_t code, uint32_t out[MOST_PARTS])
{
    static const struct {
        uint16_t code, parts[MOST_PARTS];
    } ligatures[] = {
        {0x132, {'I', 'J'}},       {0x133, {'i', 'j'}},       {0x149, {0x2bc, 'n'}},
        {0x1c4, {'D', 0x17d}},     {0x1c5, {'D', 0x17e}},     {0x1c6, {'d', 0x17e}},
        {0x1c7, {'L', 'J'}},       {0x1c8, {'L', 'j'}},       {0x1c9, {'l', 'j'}},
        {0x1ca, {'N', 'J'}},       {0x1cb, {'N', 'j'}},       {0x1cc, {'n', 'j'}},
        {0x1f1, {'D', 'Z'}},       {0x1f2, {'D', 'z'}},       {0x1f3, {'d', 'z'}},
        {0xfb00, {'f', 'f'}},      {0xfb01, {'f', 'i'}},      {0xfb02, {'f', 'l'}},
        {0xfb03, {'f', 'f', 'i'}}, {0xfb04, {'f', 'f', 'l'}}, {0xfb05, {0x17f, 't'}},
        {0xfb06, {'s', 't'}},
    };
    size_t count = 0;
    for (size_t i = 0; i < sizeof ligatures / sizeof *ligatures && count == 0; i++)
        if (ligatures[i].code == code)
            for (; count < MOST_PARTS && ligatures[i].parts[count] != 0; count++)
                out[count] = ligatures[i].parts[count];
    return count;
}

/* Curly quotes and the apostrophe that is a letter. */
static uint32_t straighten(uint32_t code)
{
    if (code == 0x2bc || (code >= 0x2018 && code <= 0x201b)) return '\'';
    return code >= 0x201c && code <= 0x201f ? '"' : code;
}

/* The steps that look at one character: C1 controls, ligatures, half and full width, quotes. */
static size_t map_code(uint32_t code, uint32_t out[MOST_PARTS])
{
    size_t count = 0;
    if (code < 0x80) {
        out[0] = code;
        return 1;
    }
    code = dho_text_from_c1(code);
    if (code >= 0xff01 && code <= 0xffef) {
        count = MOST_PARTS;
        u32_normalize(UNINORM_NFKC, &code, 1, out, &count);
    } else {
        count = split_ligature(code, out);
        if (count == 0) out[count++] = code;
    }
    for (size_t i = 0; i < count; i++) out[i] = straighten(out[i]);
    return count;
}

/* ESC [ digits and semicolons, a letter: its length, 0 where there is none. */
static size_t terminal_escape_length(const uint32_t *text, size_t count)
{
    size_t i = 2;
    if (count < 3 || text[0] != 0x1b || text[1] != '[') return 0;
    while (i < count &&
           (text[i] == ';' || uc_is_general_category_withtable(text[i], UC_CATEGORY_MASK_Nd)))
        i++;
    if (i == count) return 0;
    const uint32_t letter = text[i] | 0x20;
    return letter >= 'a' && letter <= 'z' ? i + 1 : 0;
}

/* Controls without an effect that is seen. */
static bool is_removed(uint32_t c)
{
    return c <= 8 || c == 0xb || (c >= 0xe && c <= 0x1f) || c == 0x7f ||
           (c >= 0x206a && c <= 0x206f) || c == 0xfeff || (c >= 0xfff9 && c <= 0xfffc);
}

static size_t remove_controls(uint32_t *text, size_t count)
{
    size_t used = 0;
    for (size_t i = 0; i < count;) {
        const size_t escape = terminal_escape_length(text + i, count - i);
        if (escape == 0 && !is_removed(text[i])) text[used++] = text[i];
        i += escape > 0 ? escape : 1;
    }
    return used;
}

static dho_status normalize(const buffer *text, buffer *out)
{
    DHO_TRY(reserve(out, MOST_PARTS * text->count));
    size_t length = out->capacity;
    uint32_t *result = u32_normalize(UNINORM_NFC, text->codes, text->count, out->codes, &length);
    if (result != out->codes) { /* NULL: it sorts long runs of marks in memory of its own */
        free(result);
        return dho_fail(DHO_ERR_MEMORY, "tokenizer: cannot normalize %zu characters", text->count);
    }
    out->count = length;
    return DHO_OK;
}

static void swap(buffer *a, buffer *b)
{
    const buffer other = *a;
    *a = *b;
    *b = other;
}

/* All steps once; `spare` is memory. */
static dho_status fix_once(buffer *text, bool html, buffer *spare)
{
    bool composes = false;
    if (html) text->count = dho_text_unescape_closed(text->codes, text->count);
    DHO_TRY(reserve(spare, MOST_PARTS * text->count));
    spare->count = 0;
    for (size_t i = 0; i < text->count; i++)
        spare->count += map_code(text->codes[i], spare->codes + spare->count);
    spare->count = remove_controls(spare->codes, spare->count);
    swap(text, spare);
    for (size_t i = 0; i < text->count && !composes; i++) composes = text->codes[i] >= 0x300;
    if (!composes) return DHO_OK; /* NFC has nothing to do */
    DHO_TRY(normalize(text, spare));
    swap(text, spare);
    return DHO_OK;
}

static dho_status append(buffer *out, const uint32_t *codes, size_t count)
{
    DHO_TRY(reserve(out, out->count + count));
    memcpy(out->codes + out->count, codes, count * sizeof *codes);
    out->count += count;
    return DHO_OK;
}

/* Repeats the steps until they change nothing: one may make what another looks for. */
static dho_status fix_segment(buffer *text, bool html, buffer *before, buffer *spare)
{
    do {
        before->count = 0;
        DHO_TRY(append(before, text->codes, text->count));
        DHO_TRY(fix_once(text, html, spare));
    } while (text->count != before->count ||
             memcmp(text->codes, before->codes, text->count * sizeof *text->codes) != 0);
    return DHO_OK;
}

dho_status dho_text_fix(const uint32_t *text, size_t count, uint32_t **out, size_t *out_count)
{
    buffer segment = {0}, before = {0}, spare = {0}, fixed = {0};
    bool html = true; /* until a < says that the text is HTML itself */
    dho_status status;
    *out = NULL;
    *out_count = 0;
    DHO_TRY_GOTO(reserve(&fixed, count + 1));
    for (size_t at = 0; at < count;) {
        size_t length = 0;
        do {
            if (text[at + length] == '<') html = false;
            length++;
        } while (at + length < count && text[at + length - 1] != '\n');
        segment.count = 0;
        DHO_TRY_GOTO(append(&segment, text + at, length));
        DHO_TRY_GOTO(fix_segment(&segment, html, &before, &spare));
        DHO_TRY_GOTO(append(&fixed, segment.codes, segment.count));
        at += length;
    }
    *out_count = fixed.count;
    *out = fixed.codes;
    fixed.codes = NULL;
fail:
    dho_free(segment.codes);
    dho_free(before.codes);
    dho_free(spare.codes);
    dho_free(fixed.codes);
    return status;
}
