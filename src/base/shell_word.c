#define _GNU_SOURCE
#include "base/shell_word.h"

#include "dho/alloc.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

void dho_shell_write(const char *text, FILE *out)
{
    static const char plain[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_./=:,+@%-";
    if (text[0] != '\0' && text[strspn(text, plain)] == '\0') {
        fputs(text, out);
        return;
    }
    fputc('\'', out);
    for (; *text != '\0'; text++)
        if (*text == '\'')
            fputs("'\\''", out);
        else
            fputc(*text, out);
    fputc('\'', out);
}

dho_status dho_shell_word(const char *text, char **out)
{
    char *memory = NULL; /* the C library's */
    size_t bytes;
    *out = NULL;
    FILE *stream = open_memstream(&memory, &bytes);
    if (stream == NULL) return dho_fail(DHO_ERR_MEMORY, "a command: no memory");
    dho_shell_write(text, stream);
    const bool whole = fclose(stream) == 0;
    const dho_status status =
        whole ? dho_strdup(out, memory) : dho_fail(DHO_ERR_MEMORY, "a command: no memory");
    free(memory);
    return status;
}
