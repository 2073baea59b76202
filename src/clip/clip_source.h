/* What the two towers need of a published file. Private to src/clip. */
#ifndef DHO_CLIP_CLIP_SOURCE_H
#define DHO_CLIP_CLIP_SOURCE_H

#include "dho/clip.h"
#include "dho/state_dict.h"
#include "dho/weights.h"

/* What the name of a model says. */
typedef struct dho_clip_preset {
    const char *name, *alias; /* dho's and open_clip's */
    int image_size;
    bool resnet, squash;
} dho_clip_preset;

/* Errors: DHO_ERR_CONFIG with the known names. */
dho_status dho_clip_find_preset(const char *model, const dho_clip_preset **out);

/* One tower of a file. */
typedef struct dho_clip_tensors {
    const dho_weights *weights; /* borrowed */
    dho_file_names names;
} dho_clip_tensors;

/* first: a tensor that the tower must have. Errors: DHO_ERR_FORMAT: no tensor of that name under
 * any naming, or under several prefixes. */
dho_status dho_clip_find_tower(const dho_weights *weights, const char *first,
                               dho_clip_tensors *out);

/* The size of dimension `axis` of the tensor that the engine calls `own`, in the engine's layout;
 * from 1 to 65536. Errors: DHO_ERR_FORMAT naming file and tensor: it is not there, has other
 * dimensions, or a size that cannot be. */
dho_status dho_clip_size(const dho_clip_tensors *tensors, const char *own, int dims, int axis,
                         int *out);

/* The number of blocks "<tower>transformer.resblocks.N". */
dho_status dho_clip_layers(const dho_clip_tensors *tensors, const char *tower, int *out);

#endif
