/* dho report */
#include "report/report.h"

#include "cli/cli.h"
#include "dho/file.h"
#include "dho/log.h"
#include "dho/run_setup.h"

typedef struct report_arguments {
    dho_arguments runs;
    const char *out, *svg;
    int samples;
} report_arguments;

#define AT(member) offsetof(report_arguments, member)

static const dho_option options[] = {
    DHO_OPTION("RUN", NULL, AT(runs), "the folders of runs", DHO_OPTION_WORDS,
               .high = DHO_REPORT_MAX_RUNS, .required = true),
    DHO_OPTION("--out", "FILE.html", AT(out), "the page", .fallback = "report.html"),
    DHO_OPTION("--svg", "DIR", AT(svg), "also each figure as a file"),
    DHO_OPTION("--samples", "N", AT(samples), "images of each kind that are shown", DHO_OPTION_INT,
               0, DHO_REPORT_MAX_SAMPLES, "6"),
};

static dho_status report(void *given, dho_comm *comm)
{
    const report_arguments *arguments = given;
    const size_t runs = (size_t)arguments->runs.count;
    const dho_report_options report = {.runs = (const char **)arguments->runs.values,
                                       .run_count = runs,
                                       .out = arguments->out,
                                       .svg_folder = arguments->svg,
                                       .samples = (size_t)arguments->samples,
                                       .threads = dho_setup_threads(0)};
    (void)comm;
    DHO_TRY(dho_file_check_place(arguments->out)); /* before the work */
    DHO_TRY(dho_report_write(&report));
    dho_info("%s: %zu run%s", arguments->out, runs, runs == 1 ? "" : "s");
    return DHO_OK;
}

const dho_command dho_command_report = {
    .name = "report",
    .line = "runs side by side as one HTML page (docs/report.md)",
    .help =
        "Curves, accuracies, the runs image by image, the alpha-beta map, calibration, gradient "
        "conflict, confusions and thumbnails.",
    DHO_OPTIONS(options),
    .size = sizeof(report_arguments),
    .ranks = DHO_RANK_0,
    .run = report,
};
