/* dho teacher zero-shot: class names and templates become a head. */
#include "cli/teacher.h"
#include "dho/run_setup.h"
#include "dho/zero_shot.h"

#include <stdlib.h>

enum { BATCH = 64, MAX_BATCH = 4096 };

typedef struct zero_shot_arguments {
    dho_clip_source source;
    const char *merges, *classes, *templates, *out;
    float scale;
    bool keep_mean_norms;
    int batch;
} zero_shot_arguments;

/* What the run reads before its texts are encoded. */
typedef struct zero_shot_inputs {
    dho_dataset dataset;
    dho_prompt_classes classes;
    dho_templates templates;
    dho_compute *compute;
    dho_clip_text *text;
} zero_shot_inputs;

static dho_status open_inputs(zero_shot_inputs *in, const zero_shot_arguments *from,
                              const dho_config *config, bool dataset)
{
    if (dataset) DHO_TRY(dho_setup_dataset(config, &in->dataset));
    DHO_TRY(dho_prompt_classes_read(&in->classes, from->classes, dataset ? &in->dataset : NULL));
    DHO_TRY(dho_templates_read(&in->templates, from->templates));
    DHO_TRY(dho_compute_create(&in->compute, config->compute.backend, config->compute.dtype,
                               dho_setup_threads(config->compute.threads)));
    return dho_clip_text_open(&in->text, &from->source, from->merges, in->compute, from->batch);
}

static void close_inputs(zero_shot_inputs *in)
{
    dho_clip_text_close(&in->text);
    dho_compute_destroy(&in->compute);
    dho_templates_free(&in->templates);
    dho_prompt_classes_free(&in->classes);
    dho_dataset_free(&in->dataset);
}

static dho_status run(const dho_config *config, bool dataset, dho_comm *comm,
                      const zero_shot_arguments *from)
{
    zero_shot_inputs in = {0};
    dho_status status =
        dho_comm_agree(comm, dho_input_status(open_inputs(&in, from, config, dataset)));
    if (status == DHO_OK) status = dho_teacher_check_out(from->out, comm);
    if (status == DHO_OK) {
        const dho_zero_shot_options options = {.text = in.text,
                                               .model = from->source.model,
                                               .classes = &in.classes,
                                               .templates = &in.templates,
                                               .scale = from->scale,
                                               .keep_mean_norms = from->keep_mean_norms};
        status = dho_zero_shot_build(&options, comm, from->out);
    }
    close_inputs(&in);
    return status;
}

static dho_status check(const zero_shot_arguments *from, const dho_config_arguments *config)
{
    DHO_TRY(dho_teacher_require("--model", from->source.model));
    DHO_TRY(dho_teacher_require("--weights", from->source.path));
    DHO_TRY(dho_teacher_require("--merges", from->merges));
    DHO_TRY(dho_teacher_require("--templates", from->templates));
    DHO_TRY(dho_teacher_require("--out", from->out));
    if (from->classes == NULL && config->path == NULL)
        return dho_fail(DHO_ERR_CONFIG, "--classes: is missing, and there is no -c CONFIG whose "
                                        "dataset names the classes");
    return DHO_OK;
}

dho_status dho_teacher_zero_shot(const dho_arguments *arguments, dho_comm *comm)
{
    dho_config_arguments config_from = {0};
    zero_shot_arguments from = {0};
    const char *scale = NULL, *batch = NULL;
    long long batch_size = BATCH;
    const dho_option options[] = {
        {.name = "--model", .value = &from.source.model},
        {.name = "--weights", .value = &from.source.path},
        {.name = "--key", .value = &from.source.key},
        {.name = "--merges", .value = &from.merges},
        {.name = "--classes", .value = &from.classes},
        {.name = "--templates", .value = &from.templates},
        {.name = "--out", .value = &from.out},
        {.name = "--scale", .value = &scale},
        {.name = "--batch", .value = &batch},
        {.name = "--keep-mean-norms", .flag = &from.keep_mean_norms},
    };
    dho_config config;
    DHO_TRY(dho_cli_parse(arguments, &config_from, options, sizeof options / sizeof *options));
    DHO_TRY(check(&from, &config_from));
    if (batch != NULL) DHO_TRY(dho_cli_integer("--batch", batch, 1, MAX_BATCH, &batch_size));
    if (scale != NULL) DHO_TRY(dho_cli_scale(scale, &from.scale));
    from.batch = (int)batch_size;
    DHO_TRY(dho_teacher_config(&config_from, comm, &config));
    dho_cli_announce(comm);
    const dho_status status = run(&config, config_from.path != NULL, comm, &from);
    dho_config_free(&config);
    return status;
}
