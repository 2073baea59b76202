/* Storage types of activations, and how a file of kernels is compiled once for each. Private to
 * src/compute.
 *
 * A file that is listed under DHO_TYPED_SOURCES in CMakeLists.txt is compiled twice: for fp32, and
 * with DHO_ELEMENT_BF16 defined for bf16. It reads activations through LOAD, writes them through
 * STORE, computes in float, and names what it exports with TYPED. */
#ifndef DHO_COMPUTE_ELEMENT_H
#define DHO_COMPUTE_ELEMENT_H

#include "base/bytes.h"

#ifdef DHO_ELEMENT_BF16
typedef dho_bf16 element;
#define LOAD(v) dho_bf16_load(v)
#define STORE(v) dho_bf16_store(v)
#define TYPED(name) name##_bf16
#else
typedef float element;
#define LOAD(v) (v)
#define STORE(v) (v)
#define TYPED(name) name##_fp32
#endif

#endif
