/* The reference: definitions as loops, in double. It fills every slot, and all others are tested
 * against it. Private to src/compute. */
#ifndef DHO_COMPUTE_REF_TABLES_H
#define DHO_COMPUTE_REF_TABLES_H

#include "compute/core/context.h"

extern const dho_kernel_table dho_ref_matrix, dho_ref_linear, dho_ref_norm, dho_ref_pool,
    dho_ref_vector;
extern const dho_kernel_table dho_ref_transformer, dho_ref_tokens, dho_ref_stream;

#define DHO_REF_TABLES                                                               \
    &dho_ref_matrix, &dho_ref_norm, &dho_ref_pool, &dho_ref_vector, &dho_ref_linear, \
        &dho_ref_transformer, &dho_ref_tokens, &dho_ref_stream

#endif
