/* Counts of classes, and the sizes of some images. */
#include "init/init_found.h"

#include "dho/alloc.h"
#include "dho/image.h"

#include <stdlib.h>

enum { LOOKED_AT = 400 };

static int compare_sides(const void *a, const void *b)
{
    return *(const int *)a - *(const int *)b;
}

/* Short sides of images evenly spread over the set; those that cannot be read are passed over. */
static dho_status read_sides(const dho_dataset *dataset, int *sides, int most, int *inout_count)
{
    const int64_t stride = dataset->count > most ? dataset->count / most : 1;
    uint8_t *bytes = NULL;
    size_t capacity = 0, size;
    const int last = *inout_count + most;
    dho_status status = DHO_OK;
    for (int64_t id = 0; id < dataset->count && *inout_count < last && status != DHO_ERR_MEMORY;
         id += stride) {
        int width, height;
        status = dho_dataset_read(dataset, id, &bytes, &capacity, &size);
        if (status == DHO_OK)
            status = dho_image_read_size(bytes, size, dataset->samples[id].path, &width, &height);
        if (status == DHO_OK) sides[(*inout_count)++] = width < height ? width : height;
    }
    dho_free(bytes);
    return status == DHO_ERR_MEMORY ? status : DHO_OK;
}

static dho_status measure_sides(dho_init_found *found)
{
    int sides[LOOKED_AT], count = 0;
    DHO_TRY(read_sides(&found->labelled, sides, LOOKED_AT / 2, &count));
    if (found->heap != NULL) {
        dho_dataset heap;
        DHO_TRY(dho_dataset_open_unlabelled(&heap, found->heap));
        const dho_status status = read_sides(&heap, sides, LOOKED_AT / 2, &count);
        dho_dataset_free(&heap);
        DHO_TRY(status);
    }
    if (count == 0)
        return dho_fail(DHO_ERR_CONFIG, "%s: none of the images can be read (dho data check)",
                        found->root);
    qsort(sides, (size_t)count, sizeof *sides, compare_sides);
    found->short_side = sides[count / 2];
    found->least_side = sides[0];
    found->most_side = sides[count - 1];
    found->looked_at = count;
    return DHO_OK;
}

dho_status dho_init_measure(dho_init_found *found)
{
    const dho_dataset *labelled = &found->labelled;
    int64_t *counts;
    DHO_TRY(dho_alloc_zero(&counts, (size_t)labelled->classes, sizeof *counts, "classes"));
    for (int64_t i = 0; i < labelled->count; i++) counts[labelled->samples[i].label]++;
    found->fewest = INT64_MAX;
    for (int32_t c = 0; c < labelled->classes; c++) {
        if (counts[c] > 0 && counts[c] < found->fewest) found->fewest = counts[c];
        if (counts[c] > found->most) found->most = counts[c];
    }
    dho_free(counts);
    return measure_sides(found);
}
