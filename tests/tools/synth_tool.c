/* dho_synth_write from the command line: synth_tool OUT [seed train val test threads]. */
#include "dho/synth.h"

#include <stdio.h>
#include <stdlib.h>

int main(int count, char **arguments)
{
    dho_synth_options options = DHO_SYNTH_DEFAULTS;
    if (count > 1) options.out = arguments[1];
    if (count > 2) options.seed = strtoull(arguments[2], NULL, 10);
    if (count > 3) options.train_per_class = atoi(arguments[3]);
    if (count > 4) options.val_per_class = atoi(arguments[4]);
    if (count > 5) options.test_per_class = atoi(arguments[5]);
    if (count > 6) options.threads = atoi(arguments[6]);
    const dho_status status = dho_synth_write(&options);
    if (status != DHO_OK) fprintf(stderr, "synth_tool: %s\n", dho_error_message());
    return dho_exit_code(status);
}
