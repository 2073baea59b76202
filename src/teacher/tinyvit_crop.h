/* TinyViT's crop and flip from a stored seed. Private to src/teacher.
 *
 * RandomResizedCropAndInterpolation, then RandomHorizontalFlip, are the first to draw from
 * Generator(PCG64(seed)), whatever augmentation follows. Source:
 * TinyViT/data/augmentation/{aug_random,transforms,aug_tv_transforms}.py of
 * github.com/microsoft/Cream. */
#ifndef DHO_TEACHER_TINYVIT_CROP_H
#define DHO_TEACHER_TINYVIT_CROP_H

#include "dho/image.h"

/* Least and greatest area and aspect ratio of a crop; no setting of TinyViT changes them. */
extern const double tinyvit_crop_scale[2], tinyvit_crop_ratio[2];

/* A crop of an image that is a few pixels small may be empty. */
void tinyvit_crop_draw(uint32_t seed, int width, int height, dho_box *box, bool *flip);

#endif
