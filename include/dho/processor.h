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

/* Local: the features beyond the plainest processor of the architecture, as words with a space
 * between them: `built`, those that the library was compiled to use; `found`, those of this
 * processor. Each has room for `bytes`; 512 are enough. */
void dho_processor_describe(char *built, char *found, size_t bytes);

/* Local: whether this processor has a feature, by its word above. */
bool dho_processor_has(const char *name);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif

#endif
