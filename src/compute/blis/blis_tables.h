/* Matrix products by BLIS, and convolutions by them; fp32. Private to src/compute. */
#ifndef DHO_COMPUTE_BLIS_TABLES_H
#define DHO_COMPUTE_BLIS_TABLES_H

#include "compute/core/context.h"

extern const dho_kernel_table dho_blis_gemm, dho_blis_conv;

#define DHO_BLIS_TABLES &dho_blis_gemm, &dho_blis_conv

/* "BLIS 0.9.0 (zen3)" */
void dho_blis_version(char *out, size_t bytes);

#endif
