#include "cli/help.h"

#include <string.h>

enum { USAGE_COLUMN = 10, OPTION_COLUMN = 26 };

/* Lines behind the first are indented by `column`. */
static void print_lines(FILE *out, const char *text, int column)
{
    for (; *text != '\0'; text++) {
        fputc(*text, out);
        if (*text == '\n') fprintf(out, "%*s", column, "");
    }
    fputc('\n', out);
}

/* "command" is the first word of "command" and of "command action". */
static bool is_of(const dho_help *help, const char *command, const char *action)
{
    const size_t length = strlen(command);
    if (strncmp(help->command, command, length) != 0) return false;
    if (help->command[length] == '\0') return true;
    if (help->command[length] != ' ') return false;
    return action == NULL || strcmp(help->command + length + 1, action) == 0;
}

static void print_options(FILE *out, const char *options)
{
    while (*options != '\0') {
        const int length = (int)strcspn(options, "\n"), name = (int)strcspn(options, "\t\n");
        const int blanks = name + 4 <= OPTION_COLUMN ? OPTION_COLUMN - name - 2 : 2;
        fprintf(out, "  %.*s%*s%.*s\n", name, options, blanks, "", length - name - 1,
                options + name + 1);
        options += length + (options[length] == '\n');
    }
}

static void print_entry(FILE *out, const dho_help *help)
{
    fprintf(out, "usage: dho %s ", help->command);
    print_lines(out, help->usage, USAGE_COLUMN);
    fprintf(out, "  ");
    print_lines(out, help->about, 2);
    if (help->options != NULL) print_options(out, help->options);
}

void dho_help_print_all(FILE *out)
{
    fputs("usage: dho COMMAND [ARGUMENT ...]\n"
          "       dho COMMAND --help      what its options mean\n\n",
          out);
    for (size_t i = 0; i < dho_help_count; i++) {
        const dho_help *help = &dho_help_entries[i];
        fprintf(out, "  %s ", help->command);
        print_lines(out, help->usage, USAGE_COLUMN);
        fprintf(out, "%*s", USAGE_COLUMN - 4, "");
        print_lines(out, help->about, USAGE_COLUMN - 4);
    }
    fputs(
        "  version\n"
        "\n"
        "train, eval, teacher, cache build, cache verify, data check and pack run on the ranks of\n"
        "mpirun or srun:\n"
        "  mpirun -n 4 dho train -c configs/quickstart.yaml\n"
        "Exit codes: 0 done, 1 failed while running, 2 wrong configuration, arguments or input "
        "files,\n"
        "75 stopped by SIGUSR1 or SIGTERM with the state saved (run again to go on).\n",
        out);
}

bool dho_help_print(FILE *out, const char *command, const char *action)
{
    bool known = false, printed = false;
    for (size_t i = 0; i < dho_help_count && action != NULL; i++)
        known = known || is_of(&dho_help_entries[i], command, action);
    for (size_t i = 0; i < dho_help_count; i++) {
        if (!is_of(&dho_help_entries[i], command, known ? action : NULL)) continue;
        if (printed) fputc('\n', out);
        print_entry(out, &dho_help_entries[i]);
        printed = true;
    }
    return printed;
}
