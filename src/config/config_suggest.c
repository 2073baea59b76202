#include "config/schema.h"

#include <stdio.h>
#include <string.h>

enum { LONGEST = 63, NEVER = 1000 };

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Optimal string alignment distance: insertions, deletions, substitutions and swaps of
 * neighbours, each 1. */
static size_t distance(const char *a, const char *b)
{
    const size_t n = strlen(a), m = strlen(b);
    if (n > LONGEST || m > LONGEST) return NEVER;
    size_t rows[3][LONGEST + 1]; /* row i of the table is rows[i % 3] */
    for (size_t j = 0; j <= m; j++) rows[0][j] = j;
    for (size_t i = 1; i <= n; i++) {
        size_t *row = rows[i % 3];
        const size_t *above = rows[(i - 1) % 3], *second = rows[(i + 1) % 3];
        row[0] = i;
        for (size_t j = 1; j <= m; j++) {
            const size_t change = above[j - 1] + (a[i - 1] != b[j - 1]);
            row[j] = least(change, least(above[j], row[j - 1]) + 1);
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                row[j] = least(row[j], second[j - 2] + 1);
        }
    }
    return rows[n % 3][m];
}

/* "learning_rate" and "lr": one is made of the first letters of the other's words. */
static bool are_initials(const char *words, const char *initials)
{
    size_t used = 0, count = 1;
    for (const char *at = words; *at != '\0'; at++) {
        if (at != words && at[-1] != '_') continue;
        if (initials[used] == '\0' || initials[used] != *at) return false;
        used++;
        count += at != words;
    }
    return count > 1 && initials[used] == '\0';
}

static const char *last_part(const char *path)
{
    const char *dot = strrchr(path, '.');
    return dot != NULL ? dot + 1 : path;
}

/* How far `path` is from `key`, in edits; NEVER when they have nothing to do with each other. */
static size_t measure(const char *path, const char *key)
{
    const char *from = last_part(path), *to = last_part(key);
    const bool same_section =
        from - path == to - key && strncmp(path, key, (size_t)(from - path)) == 0;
    const size_t elsewhere = same_section ? 0 : 1; /* the same word in another section */
    if (are_initials(from, to) || are_initials(to, from)) return 1 + elsewhere;
    const size_t whole = distance(path, key), part = distance(from, to);
    const size_t limit = strlen(from) <= 2 ? 1 : strlen(from) <= 5 ? 2 : strlen(from) / 3 + 1;
    size_t best = NEVER;
    if (part <= limit && (same_section || part <= limit / 2)) best = part + elsewhere;
    if (whole <= limit) best = least(best, whole);
    /* All letters replaced is no likeness. */
    return part >= strlen(to) ? NEVER : best;
}

bool dho_schema_suggest(const dho_schema *schema, const char *path, char out[DHO_SCHEMA_TEXT_BYTES])
{
    size_t best = NEVER;
    for (size_t i = 0; i < schema->count; i++) {
        /* The key and the sections in front of it. */
        char name[DHO_SCHEMA_TEXT_BYTES];
        snprintf(name, sizeof name, "%s", schema->fields[i].key);
        for (;;) {
            const size_t here = measure(path, name);
            if (here < best) {
                best = here;
                memcpy(out, name, sizeof name);
            }
            char *dot = strrchr(name, '.');
            if (dot == NULL) break;
            *dot = '\0';
        }
    }
    return best < NEVER;
}

/* "fp16" and "fp32" are two things, not a slip of the other. */
static bool differ_in_digits(const char *a, const char *b)
{
    static const char digits[] = "0123456789";
    for (;;) {
        a += strspn(a, digits);
        b += strspn(b, digits);
        if (*a != *b) return false;
        if (*a == '\0') return true;
        a++, b++;
    }
}

const char *dho_schema_suggest_word(const char *const *words, const char *text)
{
    const char *found = NULL;
    size_t best = strlen(text) <= 5 ? 3 : strlen(text) / 3 + 2;
    for (size_t i = 0; words[i] != NULL; i++) {
        const size_t here = distance(text, words[i]);
        if (differ_in_digits(text, words[i])) return NULL;
        if (here < best && here < strlen(words[i])) {
            best = here;
            found = words[i];
        }
    }
    return found;
}

const char *dho_suggest_name(const char *const *names, const char *text)
{
    const char *found = dho_schema_suggest_word(names, text);
    for (size_t i = 0; names[i] != NULL && found == NULL; i++) {
        const size_t a = strlen(names[i]), b = strlen(text), shorter = a < b ? a : b;
        if (shorter < 5 && (shorter < 3 || text[0] == '-')) continue;
        if (strncmp(names[i], text, shorter) == 0) found = names[i];
    }
    return found;
}

bool dho_config_suggest_key(const char *path, char out[DHO_CONFIG_KEY_BYTES])
{
    return dho_schema_suggest(&dho_schema_config, path, out);
}

const char *dho_config_key(size_t i)
{
    return i < dho_schema_config.count ? dho_schema_config.fields[i].key : NULL;
}
