/* Backbones: each appends its operators to a graph and returns the pooled features.
 * Private to src/models. */
#ifndef DHO_MODELS_BUILDERS_H
#define DHO_MODELS_BUILDERS_H

#include "dho/graph.h"

/* ResNet-18 (He et al. 2016) under torchvision's names. width: channels of the first stage. */
dho_value dho_build_resnet18(dho_graph *graph, dho_value image, int width);

#endif
