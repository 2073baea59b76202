#define _GNU_SOURCE
#include "dho/run_setup.h"

#include "data/layout.h"
#include "dho/alloc.h"
#include "dho/file.h"
#include "dho/log.h"

#include <omp.h>
#include <stdlib.h>
#include <string.h>

dho_status dho_setup_classed(const dho_config *config, dho_dataset *out)
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

/* Is folder `inner` in `outer`, or the same? Both are there. */
static bool lies_in(const char *inner, const char *outer)
{
    char *a = realpath(inner, NULL), *b = realpath(outer, NULL);
    const size_t length = b != NULL ? strlen(b) : 0;
    const bool in = a != NULL && b != NULL && strncmp(a, b, length) == 0 &&
                    (a[length] == '\0' || a[length] == '/' || strcmp(b, "/") == 0);
    free(a);
    free(b);
    return in;
}

/* Images of the inner folder would be there twice, or be a class of their own. */
static dho_status check_apart(const dho_config *config)
{
    const char *root = config->data.root, *heap = config->data.unlabelled;
    if (!dho_path_is_folder(heap) || (!lies_in(heap, root) && !lies_in(root, heap))) return DHO_OK;
    return dho_fail(
        DHO_ERR_CONFIG,
        "data.unlabelled: %s and data.root %s lie one in the other: put the two folders "
        "side by side, or name the unlabelled images in a list",
        heap, root);
}

dho_status dho_setup_heap_quietly(const dho_config *config, dho_dataset *out)
{
    *out = (dho_dataset){0};
    if (config->data.unlabelled[0] == '\0')
        return dho_fail(DHO_ERR_CONFIG, "data.unlabelled: is not set");
    DHO_TRY(check_apart(config));
    dho_status status = dho_input_status(dho_dataset_open_unlabelled(out, config->data.unlabelled));
    if (status == DHO_OK) status = dho_dataset_require_images(out, config->data.unlabelled);
    if (status == DHO_OK) return DHO_OK;
    dho_dataset_free(out);
    return dho_fail_prefix(status, "data.unlabelled: ");
}

dho_status dho_setup_heap(const dho_config *config, dho_dataset *out)
{
    DHO_TRY(dho_setup_heap_quietly(config, out));
    dho_dataset_say_unused(out);
    return DHO_OK;
}

dho_status dho_setup_dataset(const dho_config *config, dho_dataset *out)
{
    dho_dataset heap;
    DHO_TRY(dho_setup_classed(config, out));
    if (config->data.unlabelled[0] == '\0') return DHO_OK;
    dho_status status = dho_setup_heap(config, &heap);
    if (status == DHO_OK) status = dho_dataset_add_heap(out, &heap);
    if (status != DHO_OK) dho_dataset_free(out);
    return status;
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

/* All labelled images, held-out ones among them. */
static dho_status draw_labelled(const dho_config *config, dho_dataset *dataset, dho_id_list *out)
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

dho_status dho_setup_split(const dho_config *config, dho_dataset *dataset, dho_id_list *labelled,
                           dho_id_list *holdout)
{
    const dho_holdout share = dho_config_holdout(config);
    *holdout = (dho_id_list){0};
    DHO_TRY(draw_labelled(config, dataset, labelled));
    if (config->data.holdout[0] == '\0') return DHO_OK;
    const dho_status status =
        dho_subset_hold_out(labelled, holdout, dataset, &share, config->data.label_seed);
    if (status != DHO_OK) dho_id_list_free(labelled);
    return status;
}

dho_status dho_setup_labelled(const dho_config *config, dho_dataset *dataset, dho_id_list *out)
{
    dho_id_list holdout;
    DHO_TRY(dho_setup_split(config, dataset, out, &holdout));
    dho_id_list_free(&holdout);
    return DHO_OK;
}

uint32_t dho_setup_labelled_crc(const dho_dataset *dataset, const dho_id_list *labelled)
{
    const int64_t *ids = labelled->ids;
    uint32_t crc = dho_crc32(0, ids, (size_t)labelled->count * sizeof *ids);
    for (int64_t i = 0; i < labelled->count; i++)
        if (ids[i] >= dho_dataset_heap_start(dataset))
            crc = dho_crc32(crc, &dataset->samples[ids[i]].label, sizeof(int32_t));
    return crc;
}

/* Two sorted lists as one; what is in a list twice comes once. */
dho_status dho_setup_excluded(const dho_config *config, const dho_id_list *labelled,
                              const dho_id_list *holdout, dho_id_list *out)
{
    const int64_t own = config->data.exclude_labelled ? labelled->count : 0;
    int64_t l = 0, h = 0;
    *out = (dho_id_list){0};
    DHO_TRY(dho_alloc(&out->ids, (size_t)(own + holdout->count), sizeof *out->ids, "images"));
    while (l < own || h < holdout->count) {
        const bool first = h == holdout->count || (l < own && labelled->ids[l] < holdout->ids[h]);
        const int64_t id = first ? labelled->ids[l++] : holdout->ids[h++];
        if (out->count == 0 || out->ids[out->count - 1] != id) out->ids[out->count++] = id;
    }
    return DHO_OK;
}

dho_status dho_setup_holdout_set(const dho_config *config, dho_dataset *out,
                                 dho_holdout_origin *out_origin)
{
    dho_id_list labelled = {0}, holdout = {0};
    DHO_TRY(dho_setup_dataset(config, out));
    const dho_status status = dho_setup_split(config, out, &labelled, &holdout);
    if (out_origin != NULL && status == DHO_OK)
        *out_origin = (dho_holdout_origin){.fingerprint = out->fingerprint,
                                           .labelled_crc = dho_setup_labelled_crc(out, &labelled)};
    if (status == DHO_OK)
        dho_dataset_keep(out, holdout.ids, holdout.count);
    else
        dho_dataset_free(out);
    dho_id_list_free(&labelled);
    dho_id_list_free(&holdout);
    return status;
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

dho_augmentation dho_setup_augmentation(const dho_config *config)
{
    dho_augmentation augmentation = {.operations = (int)config->data.randaugment,
                                     .magnitude = (int)config->data.randaugment_magnitude};
    memcpy(augmentation.jitter, config->data.colour_jitter, sizeof augmentation.jitter);
    return augmentation;
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
