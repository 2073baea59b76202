/* A library that is built with DHO_NATIVE (the default) uses all that the building machine's
 * processor has. On an older processor it would end by SIGILL. */
#ifndef DHO_PROCESSOR_H
#define DHO_PROCESSOR_H

#include <stdbool.h>
#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

/* Local: whether this processor has what the library was compiled for. If not, `why` (of `bytes`;
 * 512 are enough) is one line: what it needs and what this one has. Runs on every processor of the
 * architecture; call it before anything else of libdho, as the program dho does. */
bool dho_processor_suits(char *why, size_t bytes);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif

#endif
