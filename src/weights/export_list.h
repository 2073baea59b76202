/* A student's tensors under the names that torchvision, open_clip, transformers and timm load.
 * Private to src. Local. */
#ifndef DHO_WEIGHTS_EXPORT_LIST_H
#define DHO_WEIGHTS_EXPORT_LIST_H

#include "dho/export.h"
#include "dho/state_dict.h"
#include "weights/export_fold.h"
#include "weights/tensor_names.h"

typedef struct dho_export_list {
    dho_state_dict own; /* the model in file layout */
    dho_naming naming;
    dho_tensor_view *tensors; /* what is written; names and data borrowed, but for these: */
    size_t count;
    char **names; /* owned */
    size_t name_count;
    float *projection;   /* owned, CLIP's in the other layout; or NULL */
    char classifier[32]; /* the head's name there */
    bool folded;         /* the head is in the projection's place */
    dho_fold fold;
    int64_t steps; /* of the training, before the list is built */
} dho_export_list;

/* "head_ce", "head_kd" or, where there is one only, "head". */
const char *dho_export_head_name(const dho_student *student, dho_export_head head);

/* names: "openai", "bare", "huggingface" or "timm"; NULL: dho's own. Free it also on failure.
 * Errors: DHO_ERR_CONFIG for names that the model does not have, or that cannot say the head. */
dho_status dho_export_list_build(dho_export_list *list, const dho_model *model,
                                 dho_export_head head, const char *names);
void dho_export_list_free(dho_export_list *list);

#endif
