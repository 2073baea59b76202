#include "clip/clip_source.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { MAX_SIZE = 65536, MAX_LAYERS = 1024 };

/* Sizes and resize modes are those of open_clip's pretrained configurations. */
static const dho_clip_preset presets[] = {
    {"clip_rn50", "RN50", 224, true, false},
    {"clip_vit_b16", "ViT-B-16", 224, false, false},
    {"clip_vit_l14", "ViT-L-14", 224, false, false},
    {"clip_vit_l14_336", "ViT-L-14-336", 336, false, false},
    {"clip_vit_h14_378", "ViT-H-14-378-quickgelu", 378, false, true},
};
enum { PRESETS = sizeof presets / sizeof *presets };

dho_status dho_clip_find_preset(const char *model, const dho_clip_preset **out)
{
    char known[320] = "";
    for (size_t i = 0; i < PRESETS; i++) {
        if (strcmp(presets[i].name, model) == 0 || strcmp(presets[i].alias, model) == 0) {
            *out = &presets[i];
            return DHO_OK;
        }
        const size_t used = strlen(known);
        snprintf(known + used, sizeof known - used, "%s%s", i > 0 ? ", " : "", presets[i].name);
    }
    return dho_fail(DHO_ERR_CONFIG, "unknown CLIP model \"%.80s\" (known: %s)", model, known);
}

dho_status dho_clip_find_tower(const dho_weights *weights, const char *first, dho_clip_tensors *out)
{
    out->weights = weights;
    DHO_TRY(dho_state_dict_find_names(weights, first, &out->names));
    if (out->names.naming >= 0) return DHO_OK;
    return dho_fail(DHO_ERR_FORMAT, "%s: no tensor \"%s\", under no naming that is known",
                    dho_weights_path(weights), first);
}

dho_status dho_clip_size(const dho_clip_tensors *tensors, const char *own, int dims, int axis,
                         int *out)
{
    const char *path = dho_weights_path(tensors->weights);
    bool transposed = false;
    const dho_tensor_view *tensor =
        dho_state_dict_find(tensors->weights, &tensors->names, own, &transposed);
    if (tensor == NULL)
        return dho_fail(DHO_ERR_FORMAT, "%s: no tensor \"%s\", whatever its name may be", path,
                        own);
    /* timm's have a batch of one */
    const int extra = tensor->dims > dims && tensor->shape[0] == 1 ? tensor->dims - dims : 0;
    const int place = transposed ? dims - 1 - axis : axis;
    if (tensor->dims - extra != dims)
        return dho_fail(DHO_ERR_FORMAT, "%s: tensor \"%.200s\": expected %d dimensions, found %d",
                        path, tensor->name, dims, tensor->dims);
    const int64_t size = tensor->shape[extra + place];
    if (size < 1 || size > MAX_SIZE)
        return dho_fail(DHO_ERR_FORMAT,
                        "%s: tensor \"%.200s\": a size of %" PRId64 ", expected 1 to %d", path,
                        tensor->name, size, MAX_SIZE);
    *out = (int)size;
    return DHO_OK;
}

dho_status dho_clip_layers(const dho_clip_tensors *tensors, const char *tower, int *out)
{
    char name[96];
    for (*out = 0; *out < MAX_LAYERS; (*out)++) {
        snprintf(name, sizeof name, "%.20stransformer.resblocks.%d.ln_1.weight", tower, *out);
        if (dho_state_dict_find(tensors->weights, &tensors->names, name, NULL) == NULL) break;
    }
    if (*out > 0) return DHO_OK;
    return dho_fail(DHO_ERR_FORMAT, "%s: no tensor \"%stransformer.resblocks.0.ln_1.weight\"",
                    dho_weights_path(tensors->weights), tower);
}
