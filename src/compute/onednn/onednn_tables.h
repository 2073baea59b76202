/* Convolutions and linear layers by oneDNN, in fp32 and bf16; built where the library is found.
 * Private to src/compute. */
#ifndef DHO_COMPUTE_ONEDNN_TABLES_H
#define DHO_COMPUTE_ONEDNN_TABLES_H

#include "compute/core/context.h"

extern const dho_kernel_table dho_onednn_library, dho_onednn_conv, dho_onednn_linear;

#define DHO_ONEDNN_TABLES &dho_onednn_library, &dho_onednn_conv, &dho_onednn_linear

/* Whether the processor has bf16 as oneDNN wants it. */
bool dho_onednn_has_bf16(void);

/* "oneDNN 2.6.3" */
void dho_onednn_version(char *out, size_t bytes);

#endif
