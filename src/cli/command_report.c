/* dho report RUN ... [--out FILE] [--svg DIR] [--samples N]: runs as one HTML page. */
#include "cli/cli.h"
#include "dho/file.h"
#include "dho/log.h"
#include "dho/run_setup.h"
#include "report/report.h"

#include <string.h>

/* Words that are neither an option nor an option's value are runs. */
static dho_status split_arguments(const dho_arguments *arguments, const char **runs, size_t *count,
                                  char **others, int *other_count)
{
    *count = 0;
    *other_count = 0;
    for (int i = 0; i < arguments->count; i++) {
        char *word = arguments->values[i];
        if (strncmp(word, "--", 2) != 0) {
            if (*count == DHO_REPORT_MAX_RUNS)
                return dho_fail(DHO_ERR_CONFIG, "%s: one run too many: a report takes %d", word,
                                DHO_REPORT_MAX_RUNS);
            runs[(*count)++] = word;
            continue;
        }
        if (*other_count + 2 > 2 * DHO_REPORT_MAX_RUNS)
            return dho_fail(DHO_ERR_CONFIG, "%s: too many arguments", word);
        others[(*other_count)++] = word;
        if (i + 1 < arguments->count) others[(*other_count)++] = arguments->values[++i];
    }
    return DHO_OK;
}

static dho_status report(const dho_arguments *arguments)
{
    const char *runs[DHO_REPORT_MAX_RUNS];
    char *others[2 * DHO_REPORT_MAX_RUNS];
    const char *out = "report.html", *svg = NULL, *samples = "6";
    const dho_option options[] = {{.name = "--out", .value = &out},
                                  {.name = "--svg", .value = &svg},
                                  {.name = "--samples", .value = &samples}};
    dho_arguments rest = {.values = others};
    dho_report_options what = {.runs = runs};
    long long number;
    DHO_TRY(split_arguments(arguments, runs, &what.run_count, others, &rest.count));
    DHO_TRY(dho_cli_parse(&rest, NULL, options, sizeof options / sizeof *options));
    DHO_TRY(dho_cli_integer("--samples", samples, 0, DHO_REPORT_MAX_SAMPLES, &number));
    if (what.run_count == 0)
        return dho_fail(DHO_ERR_CONFIG, "usage: dho report RUN ... [--out FILE.html] [--svg DIR] "
                                        "[--samples N]");
    what.out = out;
    what.svg_folder = svg;
    what.samples = (size_t)number;
    what.threads = dho_setup_threads(0);
    DHO_TRY(dho_file_check_place(out)); /* before the work */
    DHO_TRY(dho_report_write(&what));
    dho_info("%s: %zu run%s", out, what.run_count, what.run_count == 1 ? "" : "s");
    return DHO_OK;
}

dho_status dho_command_report(const dho_arguments *arguments, dho_comm *comm)
{
    return dho_comm_agree(comm, dho_comm_rank(comm) == 0 ? report(arguments) : DHO_OK);
}
