/* A configuration for people's own images: looks at folders and writes a commented file, with the
 * commands that follow. Local. For src/cli. */
#ifndef DHO_INIT_INIT_H
#define DHO_INIT_INIT_H

#include "dho/status.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { DHO_INIT_MAX_FOLDERS = 16 };

typedef struct dho_init_options {
    const char *const *folders; /* borrowed, [count]: class folders, a heap, test sets */
    int count;
    const char *out; /* borrowed: the file; NULL: NAME.yaml, NAME being the first folder's */
    const char *run; /* borrowed: the run's folder; NULL: runs/NAME */
    /* A CLIP teacher: its name, weights and vocabulary; all NULL: a teacher is trained here. */
    const char *clip, *weights, *merges;
} dho_init_options;

/* Looks at the folders, writes the configuration (and with a CLIP teacher a file of prompts beside
 * it), and prints what it found and the commands that follow to standard output. No file is
 * replaced. Errors: DHO_ERR_CONFIG (nothing labelled among the folders; several heaps; the file is
 * there already), those of opening data sets, DHO_ERR_IO, DHO_ERR_MEMORY. */
dho_status dho_init_folders(const dho_init_options *options);

#ifdef __cplusplus
}
#endif

#endif
