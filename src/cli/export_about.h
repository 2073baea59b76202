/* What an export says of itself, and to whom it is of use. */
#ifndef DHO_CLI_EXPORT_ABOUT_H
#define DHO_CLI_EXPORT_ABOUT_H

#include "dho/checkpoint.h"

/* Can a safetensors file be written there? Errors: DHO_ERR_CONFIG for a name of another format,
 * DHO_ERR_IO. option: "--out", for the message. Local. */
dho_status dho_export_check_place(const char *option, const char *path);

enum { DHO_EXPORT_MOST = 32 };

/* Metadata of the file: texts, key and value in turn, NULL at the end. */
typedef struct dho_export_about {
    const char *list[DHO_EXPORT_MOST];
    char mean[96], std[96], size[16], width[16], layers[16], alpha[32], beta[32];
    char *class_names; /* Jansson's memory: a JSON list */
    bool has_alpha;    /* the run's evaluation is of this checkpoint */
} dho_export_about;

/* alpha and beta come from the eval.json of the run that the checkpoint lies in. head: the form of
 * the exported head. */
dho_status dho_export_describe(dho_export_about *out, const dho_model *model,
                               const dho_checkpoint_info *info, const char *checkpoint,
                               const char *head);
void dho_export_about_free(dho_export_about *about);

/* Warns of a model that no other tool has, and says who can load it. */
dho_status dho_export_tell_size(const char *path, const dho_student *student);

#endif
