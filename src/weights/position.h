/* Position embeddings for another grid. Private to src/weights. */
#ifndef DHO_WEIGHTS_POSITION_H
#define DHO_WEIGHTS_POSITION_H

#include "dho/status.h"

/* From [1 + from_side^2][channels] to [1 + to_side^2][channels]: the class token's as it is, the
 * grid's by bicubic interpolation as torch.nn.functional.interpolate(mode="bicubic",
 * antialias=True, align_corners=False), which open_clip's resize_pos_embed calls. Errors:
 * DHO_ERR_MEMORY. */
dho_status dho_position_resize(int from_side, int to_side, int channels, const float *from,
                               float *to);

#endif
