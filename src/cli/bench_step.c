/* dho bench step */
#include "bench/bench.h"
#include "cli/cli.h"

#define AT(member) offsetof(dho_bench_step_options, member)

static const dho_option options[] = {
    DHO_OPTION("--model", "M", AT(model), "student.model", .fallback = "resnet18"),
    DHO_OPTION("--width", "N", AT(width), "student.width; 0: as published", DHO_OPTION_INT, 0,
               65536, "0"),
    DHO_OPTION("--layers", "N", AT(layers), "student.layers; 0: as published", DHO_OPTION_INT, 0,
               1024, "0"),
    DHO_OPTION("--image-size", "N", AT(image_size), "pixels", DHO_OPTION_INT, 32, 1024, "224"),
    DHO_OPTION("--classes", "N", AT(classes), "of both heads", DHO_OPTION_INT, 2, 1000000, "1000"),
    DHO_OPTION("--labelled", "N", AT(labelled), "labelled images of the step", DHO_OPTION_INT, 1,
               4096, "16"),
    DHO_OPTION("--unlabelled", "N", AT(unlabelled), "unlabelled images of the step", DHO_OPTION_INT,
               0, 4096, "16"),
    DHO_OPTION("--separate", NULL, AT(separate),
               "labelled and unlabelled images in passes of their own"),
    DHO_OPTION("--dtype", "fp32|bf16", AT(dtype), "compute.dtype", .fallback = "fp32"),
    DHO_OPTION("--backend", "auto|ref|blis|onednn", AT(backend), "compute.backend",
               .fallback = "auto"),
    DHO_OPTION("--tuning", "FILE", AT(tuning), "compute.tuning"),
    DHO_OPTION("--recompute", NULL, AT(recompute), "compute.recompute: block"),
    DHO_OPTION("--threads", "N", AT(threads), "0: as OMP_NUM_THREADS says", DHO_OPTION_INT, 0, 1024,
               "0"),
    DHO_OPTION("--steps", "N", AT(steps), "steps that are timed", DHO_OPTION_INT, 1, 100000, "5"),
    DHO_OPTION("--each", NULL, AT(each), "also each layer, not only each operator"),
    DHO_OPTION("--json", NULL, AT(json), "as JSON"),
    DHO_OPTION("--serve", NULL, AT(serve), "a step for each line of standard input"),
};

static dho_status step(void *arguments, dho_comm *comm)
{
    (void)comm;
    return dho_bench_step(arguments);
}

const dho_command dho_command_bench_step = {
    .name = "bench step",
    .line = "a training step: seconds, memory, each operator's share of the processor's limit",
    DHO_OPTIONS(options),
    .size = sizeof(dho_bench_step_options),
    .run = step,
};
