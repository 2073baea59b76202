/* Files of class names and templates, and CLIP's text tower, become a head. */
#include "dho/file.h"
#include "dho/run_setup.h"
#include "dho/zero_shot.h"

/* What the run reads before its texts are encoded. */
typedef struct zero_shot_inputs {
    dho_dataset dataset;
    dho_prompt_classes classes;
    dho_templates templates;
    dho_compute *compute;
    dho_clip_text *text;
} zero_shot_inputs;

static dho_status open_inputs(zero_shot_inputs *in, const dho_zero_shot_files *from,
                              const dho_config *config, bool dataset)
{
    if (dataset) DHO_TRY(dho_setup_classed(config, &in->dataset));
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

dho_status dho_zero_shot_make(const dho_config *config, bool dataset, dho_comm *comm,
                              const dho_zero_shot_files *from)
{
    zero_shot_inputs in = {0};
    dho_status status =
        dho_comm_agree(comm, dho_input_status(open_inputs(&in, from, config, dataset)));
    if (status == DHO_OK)
        status = dho_comm_agree(comm, dho_comm_rank(comm) == 0 ? dho_file_check_place(from->out)
                                                               : DHO_OK);
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
