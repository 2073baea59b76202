/* The options that the commands of dho cache share, and the teacher that they name. Private to
 * src/cli. */
#ifndef DHO_CLI_CACHE_OPTIONS_H
#define DHO_CLI_CACHE_OPTIONS_H

#include "cli/cli.h"
#include "dho/cache_builder.h"
#include "dho/clip.h"

/* A trained run, or a CLIP model's image tower and the head on it; NULL: not given. */
typedef struct dho_cli_teacher_options {
    const char *checkpoint;
    dho_clip_source clip;
    const char *head;
} dho_cli_teacher_options;

/* Their rows, between `open` and `close` in the usage line. */
#define DHO_OPTIONS_TEACHER(at, open, close)                                                      \
    DHO_OPTION("--teacher", "PATH", (at) + offsetof(dho_cli_teacher_options, checkpoint),         \
               "a model that dho trained: a checkpoint or the folder of a run", .before = (open), \
               .after = " |"),                                                                    \
        DHO_OPTION("--clip", "MODEL", (at) + offsetof(dho_cli_teacher_options, clip.model),       \
                   "a CLIP image tower: " DHO_CLI_CLIP_MODELS, .before = ""),                     \
        DHO_OPTION("--weights", "FILE", (at) + offsetof(dho_cli_teacher_options, clip.path),      \
                   "its weights, safetensors or PyTorch", .before = ""),                          \
        DHO_OPTION("--key", "KEY", (at) + offsetof(dho_cli_teacher_options, clip.key),            \
                   "where in a PyTorch file they lie"),                                           \
        DHO_OPTION_RESIZE_MODE((at) + offsetof(dho_cli_teacher_options, clip.resize)),            \
        DHO_OPTION("--head", "FILE", (at) + offsetof(dho_cli_teacher_options, head),              \
                   "its head (dho teacher zero-shot); cache build and a cache of logits need it", \
                   .before = "[", .after = (close))

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

/* --encoding, as its choice, and --top, which is an encoding of its own; 0: not given. */
#define DHO_OPTIONS_ENCODING(encoding_at, top_at)                                                 \
    DHO_OPTION("--encoding", "fp16|int8", encoding_at, "of each value (default fp16)",            \
               DHO_OPTION_CHOICE, .before = "[", .after = " |"),                                  \
        DHO_OPTION("--top", "K", top_at, "the K largest logits, the rest as one", DHO_OPTION_INT, \
                   1, DHO_CACHE_MAX_TOP, .before = "", .after = "]")

dho_status dho_cli_cache_encoding(int choice, int top, dho_cache_payload payload,
                                  dho_cache_encoding *out);

/* The cache's folder: --out, else teacher.cache of the configuration. */
dho_status dho_cli_cache_folder(const char *given, const dho_config *config, const char **out);

#endif
