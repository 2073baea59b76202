/* Backbones: each appends its operators to a graph and returns the pooled features. Names are
 * torchvision's. Private to src/models. */
#ifndef DHO_MODELS_BUILDERS_H
#define DHO_MODELS_BUILDERS_H

#include "dho/graph.h"

/* ResNet-18 and ResNet-50 (He et al. 2016). width: channels of the first stage's 3x3
 * convolutions, 64 in the published models; features: 8 and 32 times that. */
dho_value dho_build_resnet18(dho_graph *graph, dho_value image, int width);
dho_value dho_build_resnet50(dho_graph *graph, dho_value image, int width);

/* MobileNetV2 (Sandler et al. 2018). width: channels of the stem, 32 in the published model (width
 * multiplier 1); the others scale with it and are rounded to multiples of 8. Features: 1280, more
 * for wider models. torchvision's classifier drops 20 % of the features before its linear layer;
 * dho's heads are linear on the pooled features for all students, as the method has it, so that
 * there is no dropout here, and evaluation is the same. */
dho_value dho_build_mobilenet_v2(dho_graph *graph, dho_value image, int width);

#endif
