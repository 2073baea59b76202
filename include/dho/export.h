/* Export: a trained student under the names that torchvision, open_clip, transformers and timm
 * load. docs/weights.md */
#ifndef DHO_EXPORT_H
#define DHO_EXPORT_H

#include "dho/comm.h"
#include "dho/student.h"

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

/* Which head is written. */
typedef enum dho_export_head {
    DHO_EXPORT_DEFAULT, /* the only one; kd of two */
    DHO_EXPORT_CE,
    DHO_EXPORT_KD,
    DHO_EXPORT_BOTH, /* under dho's names */
    DHO_EXPORT_NONE
} dho_export_head;

typedef struct dho_export_options {
    dho_export_head head;
    const char *names; /* "openai", "bare", "huggingface" or "timm"; NULL: dho's own */
} dho_export_options;

/* Writes the student of a checkpoint, or of a run's newest, as safetensors to `path`. Its metadata
 * say what the model is; alpha and beta come from the eval.json of the run that the checkpoint lies
 * in. Warns of what other tools cannot load. Collective; rank 0 writes.
 * Errors: DHO_ERR_CONFIG for a path that does not end in .safetensors, a head that the student does
 * not have, names that do not fit it; those of dho_checkpoint_open_model and of writing. */
dho_status dho_export(dho_comm *comm, const char *checkpoint, const char *path,
                      const dho_export_options *options);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif

#endif
