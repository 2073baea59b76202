/* From a configuration to the things it names; shared by training, evaluation and the teacher
 * cache. Local: callers agree on the result. */
#ifndef DHO_RUN_SETUP_H
#define DHO_RUN_SETUP_H

#include "dho/config.h"
#include "dho/dataset.h"
#include "dho/image.h"
#include "dho/loader.h"

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

/* The training images: those of data.root, whose class_file is checked, and behind them those of
 * data.unlabelled. Errors: DHO_ERR_CONFIG (data.root is not set; one of the two folders lies in the
 * other), and those of opening them. */
dho_status dho_setup_dataset(const dho_config *config, dho_dataset *out);
/* Those of data.root alone, and those of data.unlabelled alone. */
dho_status dho_setup_classed(const dho_config *config, dho_dataset *out);
dho_status dho_setup_heap(const dho_config *config, dho_dataset *out);
/* The same without a word on what lies there and is not used. */
dho_status dho_setup_heap_quietly(const dho_config *config, dho_dataset *out);
/* An evaluation set. reference: whose classes the labels are (NULL: its own); a CoOp file's classes
 * are its own anyway. */
dho_status dho_setup_set(const dho_config_set *set, const dho_dataset *reference, dho_dataset *out);
/* The same without a word on what lies there and is not used. */
dho_status dho_setup_set_quietly(const dho_config_set *set, const dho_dataset *reference,
                                 dho_dataset *out);
/* Its labelled images to train on; and beside them those of data.holdout, none without the key. An
 * image of data.unlabelled that data.label_file lists gets its label in the data set. */
dho_status dho_setup_labelled(const dho_config *config, dho_dataset *dataset, dho_id_list *out);
dho_status dho_setup_split(const dho_config *config, dho_dataset *dataset, dho_id_list *labelled,
                           dho_id_list *holdout);
/* What a checkpoint remembers of them: the CRC-32 of the ids, int64_t each, and of the labels of
 * those that have none by the listing, int32_t each. */
uint32_t dho_setup_labelled_crc(const dho_dataset *dataset, const dho_id_list *labelled);
/* The images that are not drawn as unlabelled ones: held-out images, and with data.exclude_labelled
 * the labelled ones. Sorted, each once. */
dho_status dho_setup_excluded(const dho_config *config, const dho_id_list *labelled,
                              const dho_id_list *holdout, dho_id_list *out);
/* The held-out images as an evaluation set, of which training images: *out_origin (may be NULL). */
typedef struct dho_holdout_origin {
    uint64_t fingerprint;  /* of the training images */
    uint32_t labelled_crc; /* dho_setup_labelled_crc */
} dho_holdout_origin;
dho_status dho_setup_holdout_set(const dho_config *config, dho_dataset *out,
                                 dho_holdout_origin *out_origin);
dho_normalise dho_setup_normalise(const double mean[3], const double std[3]);
/* What both loaders need of a configuration: random crops of the training set, as data.* says, as
 * an executor of compute.dtype reads them. dataset is borrowed. */
dho_loader_options dho_setup_loader(const dho_config *config, const dho_dataset *dataset);
/* data.randaugment and data.colour_jitter, which are for training alone. */
dho_augmentation dho_setup_augmentation(const dho_config *config);
/* eval.interpolation, and the short side of the resize: eval.resize, or image_size * 256 / 224. */
dho_eval_transform dho_setup_eval_transform(const dho_config *config, int image_size);
/* Threads for a count where 0 means "as many as the process may use" (OMP_NUM_THREADS). */
int dho_setup_threads(int64_t configured);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif

#endif
