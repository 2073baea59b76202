/* Export: a trained student for other programs. docs/export.md; docs/weights.md for the names of
 * its tensors */
#ifndef DHO_EXPORT_H
#define DHO_EXPORT_H

#include "dho/comm.h"
#include "dho/config.h"
#include "dho/safetensors.h"
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

/* What is written of a model: tensors under the names that are asked for. */
typedef struct dho_export_list {
    dho_tensor_view *tensors; /* owned, [count]; their names and data lie in `parts` or the model */
    size_t count;
    char classifier[32];            /* the head's name there; "" without one */
    bool folded;                    /* the head is in the place of CLIP's projection */
    struct dho_export_parts *parts; /* owned */
} dho_export_list;

/* names: "openai", "bare", "huggingface" or "timm"; NULL: dho's own. steps: of the training, which
 * PyTorch's batch normalisation counts. Free it also on failure. Local.
 * Errors: DHO_ERR_CONFIG for names that the model does not have, or that cannot say the head. */
dho_status dho_export_list_build(dho_export_list *out, const dho_model *model, dho_export_head head,
                                 const char *names, int64_t steps);
void dho_export_list_free(dho_export_list *list);
/* "head_ce", "head_kd" or, where there is one only, "head". */
const char *dho_export_head_name(const dho_student *student, dho_export_head head);

/* All is borrowed. */
typedef struct dho_export_options {
    dho_export_head head;
    double temperature; /* of the probabilities; 0: that of the evaluation */
    const char *names;  /* "openai", "bare", "huggingface" or "timm"; NULL: dho's own */
    /* ONNX only. */
    const char *classes;      /* a file of the classes that take part; NULL: all do */
    bool int8;                /* weights and values in 8 bits; with: */
    int64_t images;           /* how many training images say how the values are rounded */
    const dho_config *config; /* where these lie; the sets on which the accuracy is measured */
} dho_export_options;

struct dho_checkpoint_choice; /* dho/checkpoint.h */

/* Writes the student of a chosen checkpoint to `path`, whose end says the form:
 * .onnx, .safetensors, or a folder for timm and Hugging Face (docs/export.md). The metadata say
 * what the model is; alpha, beta, the temperature and the preprocessing come from the evaluation of
 * the run that the checkpoint lies in. Warns of what other tools cannot load. Prints what 8 bits
 * cost. Collective; rank 0 writes. Errors: DHO_ERR_CONFIG for another end, an option that is for
 * another form, a head that the student does not have, names that do not fit it, a folder for a
 * student that timm does not have; those of dho_checkpoint_open_model, of opening the sets and of
 * writing. */
dho_status dho_export(dho_comm *comm, const struct dho_checkpoint_choice *choice, const char *path,
                      const dho_export_options *options);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif

#endif
