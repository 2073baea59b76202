/* dho watch */
#include "watch/watch.h"

#include "cli/cli.h"

typedef struct watch_arguments {
    dho_arguments runs;
    bool once;
} watch_arguments;

#define AT(member) offsetof(watch_arguments, member)

static const dho_option options[] = {
    DHO_OPTION("RUN", NULL, AT(runs), "the folders of runs", DHO_OPTION_WORDS,
               .high = DHO_WATCH_MAX_RUNS, .required = true),
    DHO_OPTION("--once", NULL, AT(once),
               "prints one view, without colours, and ends; so it also does where standard output "
               "is no terminal"),
};

static dho_status watch(void *given, dho_comm *comm)
{
    const watch_arguments *arguments = given;
    (void)comm;
    return dho_watch((const char *const *)arguments->runs.values, (size_t)arguments->runs.count,
                     arguments->once);
}

const dho_command dho_command_watch = {
    .name = "watch",
    .line = "a live view of runs in the terminal (docs/metrics.md)",
    .help = "Progress, time left, speed, accuracy and curves, from the files of each run; q ends "
            "it.",
    DHO_OPTIONS(options),
    .size = sizeof(watch_arguments),
    .ranks = DHO_RANK_0,
    .run = watch,
};
