/* dho synth */
#include "synth/synth.h"
#include "cli/cli.h"
#include "dho/log.h"

#include <stdint.h>

#define AT(member) offsetof(dho_synth_options, member)
#define COUNT DHO_OPTION_INT, 1, DHO_SYNTH_MAX_PER_CLASS

static const dho_option options[] = {
    DHO_OPTION("--out", "DIR", AT(out), "where to", .required = true),
    DHO_OPTION("--seed", "N", AT(seed), "of every image", DHO_OPTION_INT64, 0, INT64_MAX, "0"),
    DHO_OPTION("--train", "N", AT(train_per_class), "images a class of train", COUNT, "300"),
    DHO_OPTION("--val", "N", AT(val_per_class), "images a class of val", COUNT, "50"),
    DHO_OPTION("--test", "N", AT(test_per_class), "images a class of each test set", COUNT, "50"),
    DHO_OPTION("--threads", "N", AT(threads), "0: all cores", DHO_OPTION_INT, 0, 256, "0"),
};

static dho_status synth(void *arguments, dho_comm *comm)
{
    const dho_synth_options *synth = arguments;
    (void)comm;
    DHO_TRY(dho_synth_write(synth));
    dho_info("%s: %d classes, %d + %d images each to train and to validate, four test sets of at "
             "most %d each",
             synth->out, dho_synth_class_count(), synth->train_per_class, synth->val_per_class,
             synth->test_per_class);
    return DHO_OK;
}

const dho_command dho_command_synth = {
    .name = "synth",
    .line = "writes the built-in data set: JPEG folders train, val and four shifted test sets",
    DHO_OPTIONS(options),
    .size = sizeof(dho_synth_options),
    .ranks = DHO_RANK_0,
    .run = synth,
};
