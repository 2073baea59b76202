#include "image/operation.h"

#include "image/image_codec.h"

#include <string.h>

static bool reads_copy(dho_operation operation)
{
    return operation == DHO_OPERATION_SHARPNESS ||
           (operation >= DHO_OPERATION_SHEAR_X && operation <= DHO_OPERATION_ROTATE);
}

dho_status dho_image_operate(dho_image *inout, dho_operation operation, double magnitude,
                             dho_resample_scratch *scratch)
{
    const size_t bytes = (size_t)inout->width * (size_t)inout->height * 3;
    if (operation == DHO_OPERATION_IDENTITY) return DHO_OK;
    if (!reads_copy(operation)) {
        if (operation == DHO_OPERATION_HUE)
            dho_operation_hue(inout, magnitude);
        else
            dho_operation_tone(inout, operation, magnitude);
        return DHO_OK;
    }
    DHO_TRY(dho_resample_scratch_reserve(scratch, bytes));
    memcpy(scratch->memory, inout->pixels, bytes);
    if (operation == DHO_OPERATION_SHARPNESS)
        dho_operation_sharpen(inout, scratch->memory, magnitude);
    else
        dho_operation_move(inout, scratch->memory, operation, magnitude);
    return DHO_OK;
}
