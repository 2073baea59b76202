/* What the program says about its commands, made from their rows: help, usage lines, man pages, and
 * docs/commands.md. */
#include "cli/command.h"

#include "dho/version.h"

#include <string.h>

enum { WIDTH = 100, USAGE_INDENT = 10, OPTION_COLUMN = 26, MOST_USAGE = 1000 };

/* Prints the words of the text, which `separator` separates, from `column` on; further lines begin
 * at `indent`. */
static void print_wrapped(FILE *out, const char *text, char separator, int column, int indent)
{
    const char separators[] = {separator, '\0'};
    for (const char *at = text; *at != '\0';) {
        const int length = (int)strcspn(at, separators);
        if (at != text && column + 1 + length > WIDTH) {
            fprintf(out, "\n%*s", indent, "");
            column = indent;
        } else if (at != text) {
            fputc(' ', out);
            column++;
        }
        fprintf(out, "%.*s", length, at);
        column += length;
        at += length + (at[length] != '\0');
    }
    fputc('\n', out);
}

/* The arguments of a command, "RUN\n[--out DIR]\n[--stored]": only there lines may end. */
static void write_usage(const dho_command *command, char out[MOST_USAGE])
{
    size_t used = 0;
    out[0] = '\0';
    for (size_t i = 0; i < command->option_count; i++) {
        const dho_option *option = &command->options[i];
        const bool words = option->kind == DHO_OPTION_WORDS || option->kind == DHO_OPTION_SETTINGS;
        if (option->help == NULL) continue;
        used += (size_t)snprintf(out + used, used < MOST_USAGE ? MOST_USAGE - used : 0,
                                 "%s%s%s%s%s%s%s", used > 0 ? "\n" : "",
                                 option->before != NULL ? option->before
                                 : option->required     ? ""
                                                        : "[",
                                 option->letter != NULL ? option->letter : option->name,
                                 option->value != NULL ? " " : "",
                                 option->value != NULL ? option->value : "", words ? " ..." : "",
                                 option->after != NULL                        ? option->after
                                 : option->before != NULL || option->required ? ""
                                                                              : "]");
    }
}

dho_status dho_fail_usage(const dho_command *command)
{
    char usage[MOST_USAGE];
    write_usage(command, usage);
    for (char *at = usage; (at = strchr(at, '\n')) != NULL;) *at = ' ';
    return dho_fail(DHO_ERR_CONFIG, "usage: dho %s %s", command->name, usage);
}

/* An option as the help shows it. */
typedef struct shown {
    char name[120]; /* "-c, --config CONFIG" */
    char text[400]; /* "steps that are timed (default 5)" */
} shown;

static void show(const dho_option *option, shown *out)
{
    snprintf(out->name, sizeof out->name, "%s%s%s%s%s",
             option->letter != NULL ? option->letter : "", option->letter != NULL ? ", " : "",
             option->name, option->value != NULL ? " " : "",
             option->value != NULL ? option->value : "");
    snprintf(out->text, sizeof out->text, "%s%s%s%s", option->help,
             option->fallback != NULL ? " (default " : "",
             option->fallback != NULL ? option->fallback : "", option->fallback != NULL ? ")" : "");
}

static void print_usage(FILE *out, const char *before, const dho_command *command)
{
    char usage[MOST_USAGE];
    write_usage(command, usage);
    const int column = fprintf(out, "%s%s%s", before, command->name, usage[0] != '\0' ? " " : "");
    print_wrapped(out, usage, '\n', column, USAGE_INDENT);
}

static void print_entry(FILE *out, const dho_command *command)
{
    print_usage(out, "usage: dho ", command);
    fprintf(out, "  ");
    print_wrapped(out, command->line, ' ', 2, 2);
    if (command->help != NULL) fprintf(out, "  ");
    if (command->help != NULL) print_wrapped(out, command->help, ' ', 2, 2);
    for (size_t i = 0; i < command->option_count; i++) {
        const dho_option *option = &command->options[i];
        shown as;
        if (option->help == NULL) continue;
        show(option, &as);
        fprintf(out, "  %s", as.name);
        if (strlen(as.name) + 4 <= OPTION_COLUMN)
            fprintf(out, "%*s", OPTION_COLUMN - 2 - (int)strlen(as.name), "");
        else
            fprintf(out, "\n%*s", OPTION_COLUMN, "");
        print_wrapped(out, as.text, ' ', OPTION_COLUMN, OPTION_COLUMN);
    }
}

bool dho_help_print(FILE *out, const char *word, const char *action)
{
    bool known = false, printed = false;
    for (size_t i = 0; i < dho_command_count && action != NULL; i++) {
        const char *own = dho_command_action(dho_commands[i]);
        known |= dho_command_begins(dho_commands[i], word) && own != NULL && !strcmp(own, action);
    }
    for (size_t i = 0; i < dho_command_count; i++) {
        if (!dho_command_begins(dho_commands[i], word)) continue;
        if (known && strcmp(dho_command_action(dho_commands[i]), action) != 0) continue;
        if (printed) fputc('\n', out);
        print_entry(out, dho_commands[i]);
        printed = true;
    }
    return printed;
}

static const char first_lines[] = "usage: dho COMMAND [ARGUMENT ...]\n"
                                  "       dho COMMAND --help      what its options mean\n\n";
static const char last_lines[] =
    "Exit codes: 0 done, 1 failed while running, 2 wrong configuration, arguments or input files,\n"
    "75 stopped by SIGUSR1 or SIGTERM with the state saved (run again to go on).\n";

/* "train, eval, ...": the commands that all ranks run. */
static void list_collective(char *out, size_t bytes)
{
    size_t used = 0;
    for (size_t i = 0; i < dho_command_count && used < bytes; i++)
        if (dho_commands[i]->ranks == DHO_ALL_RANKS)
            used += (size_t)snprintf(out + used, bytes - used, "%s%s", used > 0 ? ", " : "",
                                     dho_commands[i]->name);
}

void dho_help_print_all(FILE *out)
{
    char text[800] = "All ranks of mpirun or srun (mpirun -n 4 dho train my.yaml) run ";
    const size_t used = strlen(text);
    fputs(first_lines, out);
    for (size_t i = 0; i < dho_command_count; i++) {
        print_usage(out, "  ", dho_commands[i]);
        fprintf(out, "      ");
        print_wrapped(out, dho_commands[i]->line, ' ', 6, 6);
    }
    fputs("  version [--verbose]\n      which dho this is; --verbose: its compiler, libraries and "
          "processor features\n\n",
          out);
    list_collective(text + used, sizeof text - used - 32);
    strcat(text, ". The others are rank 0's.");
    print_wrapped(out, text, ' ', 0, 0);
    fputs(last_lines, out);
}

/* A cell of a Markdown table: "|" would end it. */
static void print_cell(FILE *out, const char *text)
{
    for (; *text != '\0'; text++) fprintf(out, *text == '|' ? "\\|" : "%c", *text);
}

static void print_section(FILE *out, const dho_command *command)
{
    fprintf(out, "\n## dho %s\n\n", command->name);
    print_wrapped(out, command->line, ' ', 0, 0);
    if (command->help != NULL) fputc('\n', out);
    if (command->help != NULL) print_wrapped(out, command->help, ' ', 0, 0);
    fputc('\n', out);
    print_usage(out, "    dho ", command);
    if (command->option_count > 0) fputs("\n| option | meaning |\n|---|---|\n", out);
    for (size_t i = 0; i < command->option_count; i++) {
        shown as;
        if (command->options[i].help == NULL) continue;
        show(&command->options[i], &as);
        fputs("| `", out);
        print_cell(out, as.name);
        fputs("` | ", out);
        print_cell(out, as.text);
        fputs(" |\n", out);
    }
}

void dho_help_print_markdown(FILE *out)
{
    fputs(
        "# Commands\n\nMade from the rows in `src/cli` (docs/extending.md, \"Add a command\").\n\n"
        "| command | what it does |\n|---|---|\n",
        out);
    for (size_t i = 0; i < dho_command_count; i++) {
        char anchor[64];
        snprintf(anchor, sizeof anchor, "dho-%s", dho_commands[i]->name);
        for (char *at = anchor; (at = strchr(at, ' ')) != NULL;) *at = '-';
        fprintf(out, "| [`dho %s`](#%s) | ", dho_commands[i]->name, anchor);
        print_cell(out, dho_commands[i]->line);
        fputs(" |\n", out);
    }
    for (size_t i = 0; i < dho_command_count; i++) print_section(out, dho_commands[i]);
    fputs("\n## Exit codes\n\n", out);
    fputs(last_lines, out);
}

/* Text of a man page: no character of it is roff's. */
static void print_roff(FILE *out, const char *text)
{
    for (const char *at = text; *at != '\0'; at++) {
        if (at == text && (*at == '.' || *at == '\'')) fputs("\\&", out);
        if (*at == '-' || *at == '\\')
            fputs(*at == '-' ? "\\-" : "\\e", out);
        else
            fputc(*at == '\n' ? ' ' : *at, out);
    }
    fputc('\n', out);
}

/* "dho-cache-build" */
static void write_page_name(char out[64], const dho_command *command)
{
    snprintf(out, 64, "dho-%s", command->name);
    for (char *at = out; (at = strchr(at, ' ')) != NULL;) *at = '-';
}

static void print_man_head(FILE *out, const char *name, const char *line)
{
    fprintf(out, ".TH %s 1 \"\" \"dho %s\" \"dho\"\n.SH NAME\n", name, DHO_VERSION);
    fprintf(out, "%s \\- ", name);
    print_roff(out, line);
    fputs(".SH SYNOPSIS\n", out);
}

static void print_man_end(FILE *out)
{
    fputs(".SH EXIT STATUS\n", out);
    print_roff(out, last_lines);
}

static void print_man_page(FILE *out, const char *name, const dho_command *command)
{
    char usage[MOST_USAGE];
    write_usage(command, usage);
    print_man_head(out, name, command->line);
    fprintf(out, "\\fBdho %s\\fR ", command->name);
    print_roff(out, usage);
    fputs(".SH DESCRIPTION\n", out);
    print_roff(out, command->line);
    if (command->help != NULL) fputs(".PP\n", out);
    if (command->help != NULL) print_roff(out, command->help);
    if (command->option_count > 0) fputs(".SH OPTIONS\n", out);
    for (size_t i = 0; i < command->option_count; i++) {
        shown as;
        if (command->options[i].help == NULL) continue;
        show(&command->options[i], &as);
        fputs(".TP\n", out);
        print_roff(out, as.name);
        print_roff(out, as.text);
    }
    print_man_end(out);
    fputs(".SH SEE ALSO\n.BR dho (1)\n", out);
}

static void print_man_list(FILE *out)
{
    print_man_head(out, "dho", "distributed dual-head optimization");
    fputs("\\fBdho\\fR COMMAND [ARGUMENT ...]\n.SH COMMANDS\n", out);
    for (size_t i = 0; i < dho_command_count; i++) {
        char name[64];
        write_page_name(name, dho_commands[i]);
        fprintf(out, ".TP\n.BR %s (1)\n", name);
        print_roff(out, dho_commands[i]->line);
    }
    print_man_end(out);
}

/* The page of a command, or (NULL) the list of them, in this folder. */
static bool write_page(const char *folder, const dho_command *command)
{
    char name[64] = "dho", path[4096];
    if (command != NULL) write_page_name(name, command);
    if (snprintf(path, sizeof path, "%s/%s.1", folder, name) >= (int)sizeof path) return false;
    FILE *out = fopen(path, "w");
    if (out == NULL) return false;
    if (command != NULL)
        print_man_page(out, name, command);
    else
        print_man_list(out);
    const bool failed = ferror(out) != 0;
    return fclose(out) == 0 && !failed;
}

bool dho_help_write_man(const char *folder)
{
    bool written = write_page(folder, NULL);
    for (size_t i = 0; i < dho_command_count; i++)
        written = write_page(folder, dho_commands[i]) && written;
    return written;
}
