/* The teacher that dho cache build and dho cache verify run. Private to src/cli. */
#ifndef DHO_CLI_CACHE_TEACHER_H
#define DHO_CLI_CACHE_TEACHER_H

#include "cli/cli.h"
#include "dho/cache_builder.h"
#include "dho/clip.h"

/* A trained run, or a CLIP model's image tower and the head on it; NULL: not given. */
typedef struct dho_cli_teacher_options {
    const char *checkpoint;
    dho_clip_source clip;
    const char *head, *resize_mode;
} dho_cli_teacher_options;

/* Their dho_option entries. */
#define DHO_CLI_TEACHER_OPTIONS(t)                                                                 \
    {.name = "--teacher", .value = &(t).checkpoint}, {.name = "--clip", .value = &(t).clip.model}, \
        {.name = "--weights", .value = &(t).clip.path}, {.name = "--key", .value = &(t).clip.key}, \
        {.name = "--head", .value = &(t).head},                                                    \
    {                                                                                              \
        .name = "--resize-mode", .value = &(t).resize_mode                                         \
    }

/* Errors: DHO_ERR_CONFIG for options that do not belong together, or are missing. */
dho_status dho_cli_teacher_check(const dho_cli_teacher_options *options, bool head_needed);

typedef struct dho_cli_teacher {
    dho_cache_teacher teacher; /* borrows from the two, and from the options */
    dho_model model;           /* owned: of a run */
    dho_clip_image image;      /* owned */
} dho_cli_teacher;

/* embedding: its features are wanted. Close it also on failure. Collective. */
dho_status dho_cli_teacher_open(dho_cli_teacher *out, const dho_cli_teacher_options *options,
                                const dho_config *config, dho_comm *comm, bool embedding);
void dho_cli_teacher_close(dho_cli_teacher *teacher);

#endif
