/* dho compare */
#include "table/compare.h"

#include "cli/cli.h"

static const dho_option options[] = {DHO_OPTION("RUN", NULL, 0, "the folders of evaluated runs",
                                                DHO_OPTION_WORDS, .high = DHO_COMPARE_MAX_RUNS,
                                                .required = true)};

static dho_status compare(void *given, dho_comm *comm)
{
    const dho_arguments *runs = given;
    (void)comm;
    return dho_compare((const char *const *)runs->values, runs->count);
}

const dho_command dho_command_compare = {
    .name = "compare",
    .line = "one table of several evaluated runs",
    .help = "Marks evaluations of an older checkpoint with ! and says what renews them.",
    DHO_OPTIONS(options),
    .size = sizeof(dho_arguments),
    .ranks = DHO_RANK_0,
    .run = compare,
};
