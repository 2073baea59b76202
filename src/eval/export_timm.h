/* A student as a folder that timm and Hugging Face load. Private to src/eval. */
#ifndef DHO_EVAL_EXPORT_TIMM_H
#define DHO_EVAL_EXPORT_TIMM_H

#include "dho/classifier.h"

/* Writes FOLDER/model.safetensors with timm's names and one head, FOLDER/config.json and, of a
 * student with two heads, FOLDER/heads.safetensors with both. Of a CLIP student with two heads the
 * model ends in the embedding, which both read. about: metadata of the files: key, value, ...,
 * NULL. Local. Errors: DHO_ERR_CONFIG for a student that timm does not have; DHO_ERR_IO,
 * DHO_ERR_MEMORY. */
dho_status dho_export_timm(const char *folder, const dho_classifier *from,
                           const char *const *about);

#endif
