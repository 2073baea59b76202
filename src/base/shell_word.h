/* Words of a command that is to be pasted into a shell. Private to src and tools. */
#ifndef DHO_BASE_SHELL_WORD_H
#define DHO_BASE_SHELL_WORD_H

#include "dho/status.h"

#include <stdio.h>

/* Writes `text` so that a shell reads it back as it is: in quotes where it must. */
void dho_shell_write(const char *text, FILE *out);
/* The same as a text, owned by the caller. Errors: DHO_ERR_MEMORY. */
dho_status dho_shell_word(const char *text, char **out);

#endif
