/* What the program says about its commands. Private to src/cli. */
#ifndef DHO_CLI_HELP_H
#define DHO_CLI_HELP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

typedef struct dho_help {
    const char *command; /* "cache build" */
    const char *usage;   /* all its arguments; a line each "\n" */
    const char *about;   /* what it does; a line each "\n" */
    const char *options; /* an option each "\n": "--out DIR\tits meaning"; NULL: none to explain */
} dho_help;

/* help_text.c: the one list of commands and options. */
extern const dho_help dho_help_entries[];
extern const size_t dho_help_count;

/* All commands. */
void dho_help_print_all(FILE *out);

/* The commands that begin with `command` and, where one does, with `action` (NULL: none), each with
 * the meaning of its options; false, and nothing printed, when there are none. */
bool dho_help_print(FILE *out, const char *command, const char *action);

#endif
