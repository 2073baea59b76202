/* Heads that start from a teacher's or a student's text. Private to src/checkpoint. */
#ifndef DHO_CHECKPOINT_HEAD_INIT_H
#define DHO_CHECKPOINT_HEAD_INIT_H

#include "dho/dataset.h"
#include "dho/student.h"

/* student.head_init: every head (head_feature aside) gets the file's `text_means`, or without them
 * its `weight`, as its weights. Its bias is 0 (the method: both heads start from the student CLIP's
 * own text means, not normalised, bias 0), or with `weight` the file's divided by its scale: a
 * cosine head of that scale gives the file's logits, a linear one these over the scale. Errors:
 * those of dho_head_file_read; DHO_ERR_CONFIG when the classes are not the dataset's or the width
 * is not that of the features. Local. */
dho_status dho_head_init(const char *path, const dho_student *student, const dho_dataset *dataset,
                         float *parameters);

#endif
