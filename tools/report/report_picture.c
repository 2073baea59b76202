#include "report/report_picture.h"

#include "dho/alloc.h"
#include "image/image_codec.h"
#include "report/report_text.h"

enum { QUALITY = 72 };

void dho_picture_memory_free(dho_picture_memory *memory)
{
    dho_image_free(&memory->full);
    dho_image_free(&memory->small);
    dho_resample_scratch_free(&memory->scratch);
    dho_free(memory->file);
    dho_free(memory->jpeg);
}

static void fit(int width, int height, int side, int *out_width, int *out_height)
{
    const int longer = width > height ? width : height;
    if (side > longer) side = longer;
    *out_width = (int)((int64_t)width * side / longer);
    *out_height = (int)((int64_t)height * side / longer);
    if (*out_width < 1) *out_width = 1;
    if (*out_height < 1) *out_height = 1;
}

dho_status dho_picture_encode(dho_picture_memory *memory, const dho_dataset *dataset, int64_t id,
                              int side, dho_text *out, int *out_width, int *out_height)
{
    size_t size;
    const char *name = dataset->samples[id].path;
    DHO_TRY(dho_dataset_read(dataset, id, &memory->file, &memory->file_capacity, &size));
    DHO_TRY(dho_image_decode(&memory->full, memory->file, size, name));
    const dho_box all = {0, 0, memory->full.width, memory->full.height};
    fit(all.width, all.height, side, out_width, out_height);
    DHO_TRY(dho_image_resize(&memory->full, all, *out_width, *out_height, DHO_FILTER_BICUBIC,
                             &memory->scratch, &memory->small));
    DHO_TRY(dho_jpeg_encode(&memory->small, QUALITY, name, &memory->jpeg, &memory->jpeg_capacity,
                            &size));
    dho_text_base64(out, memory->jpeg, size);
    return out->status;
}
