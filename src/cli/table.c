/* dho table */
#define _GNU_SOURCE
#include "table/table.h"

#include "cli/cli.h"
#include "dho/alloc.h"

#include <unistd.h>

typedef struct table_arguments {
    dho_config_arguments sets;
    dho_table_options table;
    const char *name;
    bool markdown, json, svg, missing;
} table_arguments;

#define AT(member) offsetof(table_arguments, member)

static const dho_option options[] = {
    DHO_OPTION("NAME|FILE", NULL, AT(name),
               "the table, or its plan; without it: which tables there are"),
    DHO_OPTION("--runs", "DIR", AT(table.runs), "where the runs are", .fallback = "runs"),
    DHO_OPTION("--only", "AXIS=VALUE,...", AT(table.only), "this part of the table"),
    DHO_OPTION("--config", "FILE", AT(sets.path), NULL, .letter = "-c"),
    DHO_OPTION_SET(AT(sets)),
    DHO_OPTION("--markdown", NULL, AT(markdown), "as Markdown", .before = "[", .after = " |"),
    DHO_OPTION("--json", NULL, AT(json), "every number with its interval", .before = "",
               .after = " |"),
    DHO_OPTION("--svg", NULL, AT(svg), "the differences as maps", .before = "", .after = " |"),
    DHO_OPTION("--missing", NULL, AT(missing), "a script that makes the runs that are not there",
               .before = "", .after = "]"),
};

/* This program's own path; "dho" where the system does not say. */
static void find_program(char out[DHO_CLI_PATH_BYTES])
{
    const ssize_t length = readlink("/proc/self/exe", out, DHO_CLI_PATH_BYTES - 1);
    if (length > 0)
        out[length] = '\0';
    else
        snprintf(out, DHO_CLI_PATH_BYTES, "dho");
}

static dho_status table(void *given, dho_comm *comm)
{
    table_arguments *from = given;
    const int formats = from->markdown + from->json + from->svg + from->missing;
    char program[DHO_CLI_PATH_BYTES], *path;
    dho_table *opened = NULL;
    (void)comm;
    find_program(program);
    if (from->sets.path != NULL)
        return dho_fail(DHO_ERR_CONFIG, "-c: a table names its configurations itself");
    if (from->name == NULL) {
        if (formats > 0 || from->table.only != NULL || from->sets.override_count > 0)
            return dho_fail_usage(&dho_command_table);
        return dho_table_list(program, stdout);
    }
    if (formats > 1)
        return dho_fail(DHO_ERR_CONFIG, "--markdown, --json, --svg, --missing: one of them");
    from->table.overrides = from->sets.overrides;
    from->table.override_count = from->sets.override_count;
    DHO_TRY(dho_table_find(&path, from->name, program));
    dho_status status = dho_table_open(&opened, path, &from->table);
    if (status == DHO_OK)
        status = dho_table_write(opened,
                                 from->markdown  ? DHO_TABLE_MARKDOWN
                                 : from->json    ? DHO_TABLE_JSON
                                 : from->svg     ? DHO_TABLE_SVG
                                 : from->missing ? DHO_TABLE_SCRIPT
                                                 : DHO_TABLE_TEXT,
                                 program, stdout);
    dho_table_destroy(&opened);
    dho_free(path);
    return status;
}

const dho_command dho_command_table = {
    .name = "table",
    .line = "the runs of a table, measured beside published (docs/tables.md)",
    .help =
        "Means over seeds with intervals, and paired differences. Published figures are those of "
        "the paper.",
    DHO_OPTIONS(options),
    .size = sizeof(table_arguments),
    .ranks = DHO_RANK_0,
    .run = table,
};
