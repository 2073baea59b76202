/* The text of a tuning table (docs/tuning.md): four lines about where it was measured, and a line a
 * site. A line is taken only if it is what dho_tuning_format would write, notes aside. */
#include "base/text.h"
#include "compute/core/choice.h"
#include "compute/core/tuning.h"
#include "dho/alloc.h"
#include "dho/file.h"

#include <stdio.h>
#include <string.h>

enum { LINE_BYTES = 600, MOST_BYTES = 1 << 23 };

static const char first_line[] = "dho tuning 1";

typedef struct reader {
    dho_tuning *tuning;
    const char *name;
    char line[LINE_BYTES];
    int number;
    int heads; /* lines of the head so far */
} reader;

static dho_status fail_line(const reader *r, const char *why)
{
    return dho_fail(DHO_ERR_CONFIG, "%s:%d: %s, got \"%.60s\"", r->name, r->number, why, r->line);
}

/* A printable text behind its word; false: too long, empty, or not printable. */
static bool take_text(const char *from, char *to, size_t bytes)
{
    const size_t length = strlen(from);
    if (length == 0 || length >= bytes) return false;
    for (size_t i = 0; i < length; i++)
        if (from[i] < ' ' || from[i] > '~') return false;
    memcpy(to, from, length + 1);
    return true;
}

static dho_status read_head(reader *r)
{
    dho_tuning *t = r->tuning;
    const char *rest;
    bool good = false;
    char again[40];
    switch (r->heads++) {
    case 0:
        if (strcmp(r->line, first_line) == 0) return DHO_OK;
        return fail_line(r, "expected \"dho tuning 1\" (a table of dho bench tune)");
    case 1:
        rest = dho_after(r->line, "processor: ");
        good = rest != NULL && take_text(rest, t->processor, sizeof t->processor);
        return good ? DHO_OK : fail_line(r, "expected \"processor: FEATURES\"");
    case 2:
        rest = dho_after(r->line, "caches: ");
        good = rest != NULL && take_text(rest, t->caches, sizeof t->caches);
        return good ? DHO_OK : fail_line(r, "expected \"caches: SIZES\"");
    default:
        good = sscanf(r->line, "threads: %5d", &t->threads) == 1 && t->threads > 0;
        snprintf(again, sizeof again, "threads: %d", t->threads);
        good = good && strcmp(again, r->line) == 0;
        return good ? DHO_OK : fail_line(r, "expected \"threads: N\"");
    }
}

/* The site of the words before the colon; false: they are none. Numbers have at most 9 digits. */
static bool read_site(const char *words, dho_kernel_site *out)
{
    char operation[24], dtype[8], again[LINE_BYTES];
    dho_conv_shape s = {0};
    dho_linear_shape l = {0};
    long long rows = 0;
    int at = 0, i = 0;
    if (sscanf(words, "%23s %7s %n", operation, dtype, &at) != 2 || at == 0) return false;
    while (i < DHO_TUNED_COUNT && strcmp(dho_choice_word((dho_tuned_operation)i), operation) != 0)
        i++;
    if (i == DHO_TUNED_COUNT) return false;
    *out = (dho_kernel_site){.operation = (dho_tuned_operation)i,
                             .dtype = strcmp(dtype, "bf16") == 0 ? DHO_DTYPE_BF16 : DHO_DTYPE_FP32};
    const bool complete =
        dho_choice_is_conv(out->operation)
            ? sscanf(
                  words + at,
                  "%9dx%9dx%9dx%9d to %9dx%9dx%9d kernel %9dx%9d stride %9d padding %9d groups %9d",
                  &s.batch, &s.in_h, &s.in_w, &s.in_c, &s.out_h, &s.out_w, &s.out_c, &s.kernel_h,
                  &s.kernel_w, &s.stride, &s.padding, &s.groups) == 12
            : sscanf(words + at, "%12lldx%9d to %9d", &rows, &l.in, &l.out) == 3;
    l.rows = rows;
    out->conv = s;
    out->linear = l;
    dho_kernel_site_describe(out, again, sizeof again);
    return complete && strcmp(again, words) == 0;
}

static dho_status read_row(reader *r)
{
    dho_kernel_site site;
    char choice[DHO_CHOICE_BYTES];
    char *colon = strstr(r->line, ": ");
    if (colon == NULL || !take_text(colon + 2, choice, sizeof choice))
        return fail_line(r, "expected \"OPERATION DTYPE SHAPE: KERNEL\"");
    *colon = '\0';
    if (!read_site(r->line, &site))
        return fail_line(r, "expected an operation, fp32 or bf16, and its shape");
    const dho_status status = dho_tuning_add(r->tuning, &site, choice, NULL);
    if (status != DHO_ERR_CONFIG) return status;
    return dho_fail(status, "%s:%d: \"%.120s\": %s", r->name, r->number, r->line,
                    dho_error_message());
}

/* Without a comment and the blanks before it. False: too long. */
static bool copy_line(const char *from, size_t length, char to[LINE_BYTES])
{
    const char *comment = memchr(from, '#', length);
    if (comment != NULL) length = (size_t)(comment - from);
    while (length > 0 && (dho_is_blank(from[length - 1]) || from[length - 1] == '\r')) length--;
    if (length >= LINE_BYTES || memchr(from, '\0', length) != NULL) return false;
    memcpy(to, from, length);
    to[length] = '\0';
    return true;
}

static dho_status read_lines(reader *r, const char *text, size_t bytes)
{
    enum { HEADS = 4 };
    for (size_t at = 0; at < bytes;) {
        const char *end = memchr(text + at, '\n', bytes - at);
        const size_t length = end != NULL ? (size_t)(end - (text + at)) : bytes - at;
        r->number++;
        if (!copy_line(text + at, length, r->line))
            return dho_fail(DHO_ERR_CONFIG, "%s:%d: is no line of a tuning table", r->name,
                            r->number);
        at += length + 1;
        if (r->line[0] == '\0') continue;
        DHO_TRY(r->heads < HEADS ? read_head(r) : read_row(r));
    }
    if (r->heads < HEADS)
        return dho_fail(DHO_ERR_CONFIG,
                        "%s: ends before its table begins (a table of dho bench tune)", r->name);
    return DHO_OK;
}

dho_status dho_tuning_parse(dho_tuning **out, const char *text, size_t bytes, const char *name)
{
    DHO_TRY(dho_alloc_zero(out, 1, sizeof **out, "tuning"));
    reader r = {.tuning = *out, .name = name};
    const dho_status status = read_lines(&r, text, bytes);
    if (status != DHO_OK) dho_tuning_destroy(out);
    return status;
}

static dho_status read_file(dho_tuning **out, const char *path)
{
    uint8_t *data = NULL;
    size_t capacity = 0, size = 0;
    dho_status status = dho_file_read_text(path, MOST_BYTES, &data, &capacity, &size);
    if (status == DHO_OK) status = dho_tuning_parse(out, (const char *)data, size, path);
    dho_free(data);
    return status;
}

/* Of a folder's tables. All are read: a broken one is said. */
static dho_status read_folder(dho_tuning **out, const char *folder)
{
    dho_name_list names = {0};
    dho_status status = dho_list_folder(&names, folder);
    for (size_t i = 0; i < names.count && status == DHO_OK && *out == NULL; i++) {
        char *path;
        if (!dho_ends_with(names.names[i], ".tuning")) continue;
        status = dho_path_join(&path, folder, names.names[i]);
        if (status != DHO_OK) break;
        status = read_file(out, path);
        if (status == DHO_OK && !dho_tuning_is_of_this_processor(*out)) dho_tuning_destroy(out);
        dho_free(path);
    }
    dho_name_list_free(&names);
    return status;
}

dho_status dho_tuning_read(dho_tuning **out, const char *path)
{
    *out = NULL;
    return dho_input_status(dho_path_is_folder(path) ? read_folder(out, path)
                                                     : read_file(out, path));
}

dho_status dho_tuning_format(const dho_tuning *tuning, char **out)
{
    dho_text text = {0};
    dho_text_add(&text, "%s\nprocessor: %s\ncaches: %s\nthreads: %d\n", first_line,
                 tuning->processor, tuning->caches, tuning->threads);
    for (size_t i = 0; i < tuning->count; i++) {
        const dho_tuning_row *row = &tuning->rows[i];
        char site[160];
        dho_kernel_site_describe(&row->site, site, sizeof site);
        dho_text_add(&text, "%s: %s%s%s\n", site, row->choice, row->note[0] != '\0' ? "  # " : "",
                     row->note);
    }
    if (text.status != DHO_OK) {
        dho_text_free(&text);
        return dho_fail(DHO_ERR_MEMORY, "tuning: no memory for its text");
    }
    *out = text.data;
    return DHO_OK;
}
