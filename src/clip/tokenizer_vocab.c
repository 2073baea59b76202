/* Symbols and merges of a byte-pair vocabulary. */
#include "clip/tokenizer_private.h"
#include "dho/alloc.h"

#include <string.h>
#include <unistr.h>

/* A symbol's name: a part of dho_bpe.names. */
typedef struct symbol_name {
    uint32_t offset;
    uint16_t length;
} symbol_name;

typedef struct merge {
    uint32_t left, right;
} merge;

/* Open addressing: an entry is an index + 1, 0 is free. Never more than half full. */
typedef struct table {
    uint32_t *entries; /* [mask + 1], owned */
    size_t mask;
} table;

struct dho_bpe {
    char *names; /* owned */
    size_t names_bytes, names_capacity;
    symbol_name *symbols; /* [symbol_count], owned */
    merge *merges;        /* [symbol_count - DHO_BPE_BASE], owned */
    size_t symbol_count;
    table by_name, by_pair;
    uint8_t byte_symbol[256]; /* byte -> symbol, OpenAI's order */
};

enum { MAX_MERGES = 1 << 20, MAX_NAME = 1 << 10 };

#define WORD_END "</w>"

static dho_status table_create(table *out, size_t items)
{
    size_t size = 16;
    while (size < 2 * items) size *= 2;
    out->mask = size - 1;
    return dho_alloc_zero(&out->entries, size, sizeof *out->entries, "tokenizer table");
}

/* FNV-1a. */
static uint64_t hash_bytes(const char *bytes, size_t count)
{
    uint64_t hash = 0xcbf29ce484222325u;
    for (size_t i = 0; i < count; i++) hash = (hash ^ (uint8_t)bytes[i]) * 0x100000001b3u;
    return hash ^ hash >> 32;
}

static uint64_t hash_pair(uint32_t left, uint32_t right)
{
    const uint64_t hash = ((uint64_t)left << 32 | right) * 0x9e3779b97f4a7c15u;
    return hash ^ hash >> 32;
}

/* The slot where a name is, or would be. */
static uint32_t *find_name(const dho_bpe *bpe, const char *name, size_t length)
{
    const table *t = &bpe->by_name;
    for (size_t i = hash_bytes(name, length) & t->mask;; i = (i + 1) & t->mask) {
        uint32_t *entry = &t->entries[i];
        if (*entry == 0) return entry;
        const symbol_name *s = &bpe->symbols[*entry - 1];
        if (s->length == length && memcmp(bpe->names + s->offset, name, length) == 0) return entry;
    }
}

static uint32_t *find_pair(const dho_bpe *bpe, uint32_t left, uint32_t right)
{
    const table *t = &bpe->by_pair;
    for (size_t i = hash_pair(left, right) & t->mask;; i = (i + 1) & t->mask) {
        uint32_t *entry = &t->entries[i];
        if (*entry == 0) return entry;
        const merge *m = &bpe->merges[*entry - 1];
        if (m->left == left && m->right == right) return entry;
    }
}

/* Appends a symbol named `left``right`. *out_fresh is false when there is one of that name. */
static dho_status add_symbol(dho_bpe *bpe, const char *left, size_t left_bytes, const char *right,
                             size_t right_bytes, bool *out_fresh)
{
    char name[MAX_NAME];
    const size_t length = left_bytes + right_bytes; /* the caller keeps it within MAX_NAME */
    memcpy(name, left, left_bytes);
    memcpy(name + left_bytes, right, right_bytes);
    uint32_t *entry = find_name(bpe, name, length);
    *out_fresh = *entry == 0;
    if (!*out_fresh) return DHO_OK;
    if (bpe->names_capacity - bpe->names_bytes < length) {
        const size_t capacity = 2 * bpe->names_capacity + MAX_NAME;
        DHO_TRY(dho_realloc(&bpe->names, capacity, 1, "tokenizer names"));
        bpe->names_capacity = capacity;
    }
    memcpy(bpe->names + bpe->names_bytes, name, length);
    bpe->symbols[bpe->symbol_count] = (symbol_name){(uint32_t)bpe->names_bytes, (uint16_t)length};
    bpe->names_bytes += length;
    *entry = (uint32_t)++bpe->symbol_count;
    return DHO_OK;
}

/* The 256 bytes in OpenAI's order (printable Latin-1 first, as itself; the others as U+0100 on),
 * then the same as the last byte of a word. */
static dho_status add_bytes(dho_bpe *bpe)
{
    char names[256][3];
    size_t lengths[256];
    int count = 0;
    for (int printable = 1; printable >= 0; printable--) {
        uint32_t next = 256;
        for (int byte = 0; byte < 256; byte++) {
            const int is_printable =
                (byte >= '!' && byte <= '~') || (byte >= 0xa1 && byte <= 0xac) || byte >= 0xae;
            if (is_printable != printable) continue;
            const uint32_t code = printable ? (uint32_t)byte : next++;
            lengths[count] = (size_t)u8_uctomb((uint8_t *)names[count], code, sizeof names[count]);
            bpe->byte_symbol[byte] = (uint8_t)count++;
        }
    }
    bool fresh;
    for (int i = 0; i < DHO_BPE_BASE; i++)
        DHO_TRY(add_symbol(bpe, names[i % 256], lengths[i % 256], WORD_END,
                           i < 256 ? 0 : strlen(WORD_END), &fresh));
    return DHO_OK;
}

/* One line "left right". */
static dho_status add_merge(dho_bpe *bpe, const char *line, size_t length, size_t number,
                            const char *name)
{
    const char *space = memchr(line, ' ', length);
    if (space == NULL || length > MAX_NAME)
        return dho_fail(DHO_ERR_FORMAT, "%s: line %zu: expected two symbols with a space between",
                        name, number);
    const size_t left_bytes = (size_t)(space - line), right_bytes = length - left_bytes - 1;
    const uint32_t left = *find_name(bpe, line, left_bytes);
    const uint32_t right = *find_name(bpe, space + 1, right_bytes);
    /* That a part comes before what is made of it lets a word be merged by a queue. */
    if (left == 0 || right == 0)
        return dho_fail(DHO_ERR_FORMAT,
                        "%s: line %zu: the %s symbol is neither a byte nor made by a line above",
                        name, number, left == 0 ? "first" : "second");
    const size_t rank = bpe->symbol_count - DHO_BPE_BASE;
    bool fresh;
    DHO_TRY(add_symbol(bpe, line, left_bytes, space + 1, right_bytes, &fresh));
    if (!fresh)
        return dho_fail(DHO_ERR_FORMAT, "%s: line %zu: makes a symbol that is there already", name,
                        number);
    bpe->merges[rank] = (merge){left - 1, right - 1};
    *find_pair(bpe, left - 1, right - 1) = (uint32_t)rank + 1;
    return DHO_OK;
}

static dho_status add_merges(dho_bpe *bpe, const char *text, size_t bytes, size_t required,
                             const char *name)
{
    const char *const end = text + bytes;
    size_t number = 0, count = 0;
    for (const char *line = text; line < end && (required == 0 || count < required);) {
        const char *newline = memchr(line, '\n', (size_t)(end - line));
        size_t length = (size_t)((newline != NULL ? newline : end) - line);
        if (length > 0 && line[length - 1] == '\r') length--;
        number++;
        if (number > 1 && length == 0 && newline == NULL) break;
        if (number > 1 && length > 0) {
            DHO_TRY(add_merge(bpe, line, length, number, name));
            count++;
        } else if (number > 1 && required > 0) {
            return dho_fail(DHO_ERR_FORMAT, "%s: line %zu is empty", name, number);
        }
        line = newline != NULL ? newline + 1 : end;
    }
    if (count >= required) return DHO_OK;
    return dho_fail(DHO_ERR_FORMAT, "%s: %zu merges, expected %zu: cut short?", name, count,
                    required);
}

dho_status dho_bpe_create(dho_bpe **out, const char *text, size_t bytes, size_t required,
                          const char *name)
{
    size_t lines = 1;
    dho_bpe *bpe = NULL;
    dho_status status;
    *out = NULL;
    for (size_t i = 0; i < bytes; i++) lines += text[i] == '\n';
    if (required > 0 && lines > required) lines = required;
    if (lines > MAX_MERGES)
        return dho_fail(DHO_ERR_FORMAT, "%s: %zu lines, at most %d can be", name, lines,
                        MAX_MERGES);
    const size_t most = lines + DHO_BPE_BASE;
    DHO_TRY_GOTO(dho_alloc_zero(&bpe, 1, sizeof *bpe, "tokenizer"));
    DHO_TRY_GOTO(dho_alloc(&bpe->symbols, most, sizeof *bpe->symbols, "tokenizer symbols"));
    DHO_TRY_GOTO(dho_alloc(&bpe->merges, lines, sizeof *bpe->merges, "tokenizer merges"));
    DHO_TRY_GOTO(table_create(&bpe->by_name, most));
    DHO_TRY_GOTO(table_create(&bpe->by_pair, lines));
    DHO_TRY_GOTO(add_bytes(bpe));
    DHO_TRY_GOTO(add_merges(bpe, text, bytes, required, name));
    *out = bpe;
    bpe = NULL;
fail:
    dho_bpe_destroy(&bpe);
    return status;
}

void dho_bpe_destroy(dho_bpe **bpe)
{
    if (*bpe == NULL) return;
    dho_free((*bpe)->names);
    dho_free((*bpe)->symbols);
    dho_free((*bpe)->merges);
    dho_free((*bpe)->by_name.entries);
    dho_free((*bpe)->by_pair.entries);
    dho_free(*bpe);
    *bpe = NULL;
}

size_t dho_bpe_symbols(const dho_bpe *bpe)
{
    return bpe->symbol_count;
}

const char *dho_bpe_symbol_name(const dho_bpe *bpe, size_t symbol, size_t *out_length)
{
    *out_length = bpe->symbols[symbol].length;
    return bpe->names + bpe->symbols[symbol].offset;
}

bool dho_bpe_rank(const dho_bpe *bpe, uint32_t left, uint32_t right, uint32_t *out_rank)
{
    const uint32_t entry = *find_pair(bpe, left, right);
    *out_rank = entry - 1;
    return entry != 0;
}

uint32_t dho_bpe_byte(const dho_bpe *bpe, uint8_t byte, bool ends_word)
{
    return bpe->byte_symbol[byte] + (ends_word ? 256u : 0u);
}
