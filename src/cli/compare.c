/* dho compare */
#include "table/compare.h"

#include "cli/cli.h"
#include "dho/run_setup.h"

typedef struct compare_arguments {
    dho_arguments runs;
    bool paired;
} compare_arguments;

#define AT(member) offsetof(compare_arguments, member)

static const dho_option options[] = {
    DHO_OPTION("RUN", NULL, AT(runs), "the folders of evaluated runs", DHO_OPTION_WORDS,
               .high = DHO_COMPARE_MAX_RUNS, .required = true),
    DHO_OPTION("--paired", NULL, AT(paired),
               "also each run against the first, image by image: difference with its 95 % interval "
               "and McNemar's exact test"),
};

static dho_status compare(void *given, dho_comm *comm)
{
    const compare_arguments *arguments = given;
    (void)comm;
    return dho_compare((const char *const *)arguments->runs.values, arguments->runs.count,
                       arguments->paired, dho_setup_threads(0));
}

const dho_command dho_command_compare = {
    .name = "compare",
    .line = "one table of several evaluated runs",
    .help = "Marks evaluations of an older checkpoint with ! and says what renews them.",
    DHO_OPTIONS(options),
    .size = sizeof(compare_arguments),
    .ranks = DHO_RANK_0,
    .run = compare,
};
