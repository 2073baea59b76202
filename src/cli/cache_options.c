#include "cli/cache_options.h"

#include "dho/checkpoint.h"
#include "dho/run_setup.h"

static dho_status missing(const char *option, const char *value)
{
    return value != NULL ? DHO_OK : dho_fail(DHO_ERR_CONFIG, "%s: is missing", option);
}

dho_status dho_cli_teacher_check(const dho_cli_teacher_options *options, bool head_needed)
{
    const dho_clip_source *clip = &options->clip;
    if (clip->model == NULL) {
        if (clip->path != NULL || clip->key != NULL || options->head != NULL ||
            clip->resize != DHO_CLIP_RESIZE_OWN)
            return dho_fail(DHO_ERR_CONFIG, "--weights, --key, --head, --resize-mode: of --clip");
        return missing("--teacher", options->checkpoint);
    }
    if (options->checkpoint != NULL)
        return dho_fail(DHO_ERR_CONFIG, "--teacher and --clip: one of the two");
    DHO_TRY(missing("--weights", clip->path));
    return head_needed ? missing("--head", options->head) : DHO_OK;
}

static dho_status open_clip(const dho_cli_teacher_options *from, dho_clip_image *image)
{
    dho_head_file head = {0};
    if (from->head != NULL) DHO_TRY(dho_head_file_read(&head, from->head));
    dho_status status = DHO_OK;
    if (head.head.key_count > 0)
        status = dho_fail(DHO_ERR_CONFIG,
                          "--head: %s: is Tip-Adapter's: build the cache with the zero-shot head, "
                          "and train with teacher.head",
                          from->head);
    if (status == DHO_OK)
        status = dho_clip_image_open(image, &from->clip, from->head != NULL ? &head : NULL);
    dho_head_file_free(&head);
    return status;
}

static dho_status open_run(dho_cli_teacher *out, const dho_cli_teacher_options *options,
                           const dho_config *config, dho_comm *comm, bool embedding)
{
    const dho_checkpoint_choice choice = {.path = options->checkpoint};
    DHO_TRY(dho_checkpoint_open_model(comm, &choice, embedding, &out->model, NULL));
    out->teacher = (dho_cache_teacher){
        .model = &out->model,
        .kind = "model",
        .name = options->checkpoint,
        .transform = dho_setup_eval_transform(config, out->model.student.image_size)};
    return DHO_OK;
}

dho_status dho_cli_teacher_open(dho_cli_teacher *out, const dho_cli_teacher_options *options,
                                const dho_config *config, dho_comm *comm, bool embedding)
{
    *out = (dho_cli_teacher){0};
    if (options->clip.model == NULL) return open_run(out, options, config, comm, embedding);
    DHO_TRY(dho_comm_agree(comm, dho_input_status(open_clip(options, &out->image))));
    const dho_model *model = &out->image.model;
    out->teacher = (dho_cache_teacher){.model = model,
                                       .kind = out->image.name,
                                       .name = options->clip.path,
                                       .transform = dho_clip_transform(&out->image),
                                       .headless = options->head == NULL};
    return dho_comm_check_equal(comm, model->parameters,
                                dho_graph_parameter_floats(model->student.graph) * sizeof(float),
                                options->clip.path);
}

void dho_cli_teacher_close(dho_cli_teacher *teacher)
{
    dho_model_destroy(&teacher->model);
    dho_clip_image_close(&teacher->image);
    *teacher = (dho_cli_teacher){0};
}

dho_status dho_cli_cache_encoding(int choice, int top, dho_cache_payload payload,
                                  dho_cache_encoding *out)
{
    *out = choice == 2 ? DHO_CACHE_INT8X : DHO_CACHE_FP16;
    if (top == 0) return DHO_OK;
    if (payload != DHO_CACHE_LOGITS)
        return dho_fail(DHO_ERR_CONFIG,
                        "--top: keeps the largest logits: needs --store logits, or an import of "
                        "--logits");
    if (choice != 0)
        return dho_fail(DHO_ERR_CONFIG, "--encoding: has no effect with --top, leave one out");
    *out = DHO_CACHE_TOPK;
    return DHO_OK;
}

dho_status dho_cli_cache_folder(const char *given, const dho_config *config, const char **out)
{
    *out = given != NULL ? given : config->teacher.cache;
    if ((*out)[0] != '\0') return DHO_OK;
    return dho_fail(DHO_ERR_CONFIG, "--out: is missing, and teacher.cache is not set");
}
