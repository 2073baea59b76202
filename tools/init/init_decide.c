/* Numbers that suit the images. */
#include "init/init_plan.h"

/* The greatest of the usual sides that most images have. */
static int image_size_for(int short_side)
{
    static const int sides[] = {224, 160, 128, 96, 64, 32};
    for (size_t i = 0; i < sizeof sides / sizeof *sides; i++)
        if (short_side >= sides[i]) return sides[i];
    return 32;
}

static const char *holdout_for(int64_t fewest)
{
    if (fewest >= 10) return "10 %";
    return fewest >= DHO_INIT_HOLDOUT_LEAST ? "1" : NULL;
}

/* 20 passes over many images; of few, as many as make some thousand steps, at most 100. */
static double epochs_for(int64_t images, int batch)
{
    const int64_t wanted = 3000 * (int64_t)batch / (images > 0 ? images : 1);
    return images >= 50000 || wanted < 20 ? 20 : wanted > 100 ? 100 : (double)wanted;
}

static int64_t between(int64_t low, int64_t value, int64_t high)
{
    return value < low ? low : value > high ? high : value;
}

void dho_init_decide(dho_init_plan *out, const dho_init_found *found,
                     const dho_init_options *options)
{
    const int64_t labelled = found->labelled.count, images = labelled + found->heap_images;
    *out = (dho_init_plan){.found = found, .options = options, .model = "resnet18"};
    out->images = images;
    out->image_size = image_size_for(found->short_side);
    const bool small = out->image_size < 128;
    out->width = small ? 32 : 0;
    out->shards = images >= 100000 ? 16 : 4;
    out->batch_labelled = images >= 100000 ? 256 : labelled >= 640 ? 64 : labelled >= 64 ? 32 : 16;
    out->batch_unlabelled = images >= 100000 ? 256 : 64;
    out->epochs = epochs_for(images, out->batch_unlabelled);
    if (found->val < 0) out->holdout = holdout_for(found->fewest);
    out->teacher_steps = between(200, 100 * labelled / out->batch_labelled, 5000);
    out->teacher = small ? "student.width=64" : "student.model=resnet50";
    out->views = images >= 100000 ? 2 : 4;
}
