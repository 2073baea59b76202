#include "dho/run_setup.h"

#include "data/layout.h"
#include "dho/file.h"
#include "dho/log.h"

#include <omp.h>

dho_status dho_setup_dataset(const dho_config *config, dho_dataset *out)
{
    if (config->data.root[0] == '\0')
        return dho_fail(DHO_ERR_CONFIG, "data.root: is not set (the training images' folder)");
    const dho_config_set set = {.format = config->data.format,
                                .root = config->data.root,
                                .split_file = config->data.split_file,
                                .split = config->data.split,
                                .class_file = config->data.class_file};
    DHO_TRY(dho_setup_set(&set, NULL, out));
    if (config->data.class_names[0] != '\0') {
        const dho_status status =
            dho_input_status(dho_dataset_load_titles(out, config->data.class_names));
        if (status != DHO_OK) {
            dho_dataset_free(out);
            return dho_fail_prefix(status, "data.class_names: ");
        }
    }
    int32_t present = 0;
    for (int32_t c = 0; c < out->classes; c++) present += out->class_present[c];
    if (present < out->classes)
        dho_warn_once("%s: %d classes, %d of them without an image", out->root, (int)out->classes,
                      (int)(out->classes - present));
    return DHO_OK;
}

static dho_layout_open *const layouts[] = {
#define DHO_LAYOUT(id, word, ...) [DHO_FORMAT_##id] = dho_layout_open_##word,
#include "dho/layout_rows.h"
#undef DHO_LAYOUT
};

dho_status dho_setup_set_quietly(const dho_config_set *set, const dho_dataset *reference,
                                 dho_dataset *out)
{
    DHO_TRY(dho_input_status(layouts[set->format](out, set, reference)));
    if (set->class_file[0] == '\0') return DHO_OK;
    const dho_status status = dho_input_status(dho_dataset_check_classes(out, set->class_file));
    if (status != DHO_OK) dho_dataset_free(out);
    return status;
}

dho_status dho_setup_set(const dho_config_set *set, const dho_dataset *reference, dho_dataset *out)
{
    DHO_TRY(dho_setup_set_quietly(set, reference, out));
    dho_dataset_say_unused(out);
    return DHO_OK;
}

dho_status dho_setup_labelled(const dho_config *config, const dho_dataset *dataset,
                              dho_id_list *out)
{
    switch (config->data.labels) {
    case DHO_LABELS_SHOTS:
        return dho_subset_shots(out, dataset, (int)config->data.shots,
                                config->data.small_classes == DHO_SMALL_REPEAT,
                                config->data.label_seed);
    case DHO_LABELS_PERCENT:
        return dho_subset_percent(out, dataset, config->data.percent, config->data.label_seed);
    case DHO_LABELS_FILE:
        if (dho_require_file(config->data.label_file) != DHO_OK)
            return dho_fail_prefix(DHO_ERR_CONFIG, "data.label_file: ");
        return dho_input_status(dho_subset_file(out, dataset, config->data.label_file));
    case DHO_LABELS_BALANCED:
        return dho_subset_balanced(out, dataset, config->data.percent, config->data.label_seed);
    case DHO_LABELS_ALL:
        break;
    }
    return dho_subset_all(out, dataset);
}

dho_normalise dho_setup_normalise(const double mean[3], const double std[3])
{
    dho_normalise normalise;
    for (int c = 0; c < 3; c++) {
        normalise.mean[c] = (float)mean[c];
        normalise.std[c] = (float)std[c];
    }
    return normalise;
}

dho_loader_options dho_setup_loader(const dho_config *config, const dho_dataset *dataset)
{
    return (dho_loader_options){.dataset = dataset,
                                .image_size = (int)config->data.image_size,
                                .transform = {.filter = config->data.interpolation},
                                .scale = {config->data.crop_scale[0], config->data.crop_scale[1]},
                                .ratio = {config->data.crop_ratio[0], config->data.crop_ratio[1]},
                                .flip = config->data.flip,
                                .seed = config->seed,
                                .normalise =
                                    dho_setup_normalise(config->data.mean, config->data.std),
                                .pixels = config->compute.dtype,
                                .threads = dho_setup_threads(config->data.loader_threads),
                                .prefetch = (int)config->data.prefetch,
                                .on_error = config->data.on_error};
}

dho_eval_transform dho_setup_eval_transform(const dho_config *config, int image_size)
{
    const int resize = (int)config->eval.resize;
    return (dho_eval_transform){.resize_short =
                                    resize > 0 ? resize : (image_size * 256 + 112) / 224,
                                .filter = config->eval.interpolation};
}

int dho_setup_threads(int64_t configured)
{
    return configured > 0 ? (int)configured : omp_get_max_threads();
}
