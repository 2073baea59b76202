#include "cli/cli.h"
#include "dho/log.h"
#include "synth/synth.h"

#include <stddef.h>

dho_status dho_command_synth(const dho_arguments *arguments, dho_comm *comm)
{
    dho_synth_options synth = DHO_SYNTH_DEFAULTS;
    const char *seed = NULL, *train = NULL, *val = NULL, *test = NULL, *threads = NULL;
    long long value;
    const dho_option options[] = {
        {.name = "--out", .value = &synth.out}, {.name = "--seed", .value = &seed},
        {.name = "--train", .value = &train},   {.name = "--val", .value = &val},
        {.name = "--test", .value = &test},     {.name = "--threads", .value = &threads},
    };
    DHO_TRY(dho_cli_parse(arguments, NULL, options, sizeof options / sizeof *options));
    if (synth.out == NULL) return dho_fail(DHO_ERR_CONFIG, "--out: is missing");
    if (seed != NULL) {
        DHO_TRY(dho_cli_integer("--seed", seed, 0, INT64_MAX, &value));
        synth.seed = (uint64_t)value;
    }
    const struct {
        const char *option, *text;
        int *target;
        long long low, high;
    } counts[] = {
        {"--train", train, &synth.train_per_class, 1, DHO_SYNTH_MAX_PER_CLASS},
        {"--val", val, &synth.val_per_class, 1, DHO_SYNTH_MAX_PER_CLASS},
        {"--test", test, &synth.test_per_class, 1, DHO_SYNTH_MAX_PER_CLASS},
        {"--threads", threads, &synth.threads, 0, 256},
    };
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
        if (counts[i].text == NULL) continue;
        DHO_TRY(dho_cli_integer(counts[i].option, counts[i].text, counts[i].low, counts[i].high,
                                &value));
        *counts[i].target = (int)value;
    }
    DHO_TRY(dho_comm_agree(comm, dho_comm_rank(comm) == 0 ? dho_synth_write(&synth) : DHO_OK));
    dho_info("%s: %d classes, %d + %d images each to train and to validate, four test sets of at "
             "most %d each",
             synth.out, dho_synth_class_count(), synth.train_per_class, synth.val_per_class,
             synth.test_per_class);
    return DHO_OK;
}
