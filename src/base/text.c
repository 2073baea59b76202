#include "base/text.h"

#include "dho/alloc.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

void dho_text_free(dho_text *text)
{
    dho_free(text->data);
    *text = (dho_text){0};
}

/* Room for `count` more bytes and a NUL; false after a failure. */
static bool reserve(dho_text *text, size_t count)
{
    if (text->status != DHO_OK) return false;
    if (count >= SIZE_MAX / 4 - text->used) {
        text->status = dho_fail(DHO_ERR_MEMORY, "a text is too large");
        return false;
    }
    const size_t needed = text->used + count + 1;
    if (needed <= text->capacity) return true;
    const size_t capacity = needed < 4096 ? 4096 : 2 * needed;
    text->status = dho_realloc(&text->data, capacity, 1, "text");
    if (text->status != DHO_OK) return false;
    text->capacity = capacity;
    return true;
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

const char *dho_after(const char *text, const char *beginning)
{
    const size_t length = strlen(beginning);
    return strncmp(text, beginning, length) == 0 ? text + length : NULL;
}

const char *dho_base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash != NULL ? slash + 1 : path;
}

bool dho_is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

bool dho_ends_with(const char *text, const char *end)
{
    const size_t length = strlen(text), tail = strlen(end);
    return length >= tail && strcmp(text + length - tail, end) == 0;
}

bool dho_is_one_of(const char *text, const char *const *words)
{
    while (*words != NULL)
        if (strcmp(text, *words++) == 0) return true;
    return false;
}

int dho_compare_texts(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}
