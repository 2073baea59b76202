#include "data/decode_worker.h"

#include "dho/alloc.h"

#include <string.h>

dho_status dho_view_plan_check(const dho_view_plan *plan)
{
    if (plan->image_size < 1 || plan->image_size > 65500)
        return dho_fail(DHO_ERR_CONFIG, "loader: image size %d", plan->image_size);
    if (plan->resize_short > 0) {
        if (plan->resize_short < plan->image_size || plan->resize_short > 65500)
            return dho_fail(DHO_ERR_CONFIG, "loader: a crop of %d from images resized to %d",
                            plan->image_size, plan->resize_short);
        return DHO_OK;
    }
    const double *scale = plan->scale, *ratio = plan->ratio;
    if (!(scale[0] > 0 && scale[0] <= scale[1] && ratio[0] > 0 && ratio[0] <= ratio[1]))
        return dho_fail(DHO_ERR_CONFIG,
                        "loader: random crops with scale [%g, %g] and ratio [%g, %g]", scale[0],
                        scale[1], ratio[0], ratio[1]);
    return DHO_OK;
}

dho_status dho_decode_worker_init(dho_decode_worker *worker, const dho_view_plan *plan)
{
    const dho_dataset *dataset = plan->dataset;
    size_t longest = 0;
    *worker = (dho_decode_worker){.plan = plan, .loaded_id = -1};
    for (int64_t i = 0; i < dataset->count; i++) {
        const size_t length = strlen(dataset->samples[i].path);
        if (length > longest) longest = length;
    }
    const size_t root = strlen(dataset->root);
    DHO_TRY(dho_alloc(&worker->path, root + longest + 2, 1, "loader: path"));
    memcpy(worker->path, dataset->root, root);
    worker->root_length = root;
    if (root > 0 && dataset->root[root - 1] != '/') worker->path[worker->root_length++] = '/';
    return DHO_OK;
}

void dho_decode_worker_release(dho_decode_worker *worker)
{
    dho_image_free(&worker->image);
    dho_image_free(&worker->resized);
    dho_resample_scratch_free(&worker->scratch);
    dho_free(worker->file_bytes);
    dho_free(worker->path);
    *worker = (dho_decode_worker){0};
}

dho_status dho_decode_worker_load(dho_decode_worker *worker, int64_t id)
{
    if (worker->loaded_id == id) return DHO_OK;
    const char *name = worker->plan->dataset->samples[id].path;
    memcpy(worker->path + worker->root_length, name, strlen(name) + 1);
    worker->loaded_id = -1;
    size_t size;
    DHO_TRY(dho_dataset_read(worker->plan->dataset, id, &worker->file_bytes,
                             &worker->file_capacity, &size));
    const dho_status status =
        dho_image_decode(&worker->image, worker->file_bytes, size, worker->path);
    if (status != DHO_OK) return dho_dataset_blame(worker->plan->dataset, id, status);
    worker->loaded_id = id;
    return DHO_OK;
}

static bool box_is_inside(dho_box box, const dho_image *image)
{
    return box.width >= 1 && box.height >= 1 && box.width <= image->width &&
           box.height <= image->height && box.x >= 0 && box.y >= 0 &&
           box.x <= image->width - box.width && box.y <= image->height - box.height;
}

dho_status dho_decode_worker_view(dho_decode_worker *worker, const dho_draw *draw, float *out,
                                  dho_box *box, bool *flip)
{
    const dho_view_plan *plan = worker->plan;
    const dho_image *image = &worker->image;
    *box = (dho_box){0};
    *flip = false;
    if (plan->view_source != NULL &&
        plan->view_source(plan->view_context, draw->id, draw->pass, box, flip)) {
        if (!box_is_inside(*box, image))
            return dho_fail(DHO_ERR_FORMAT,
                            "%s: the stored view's box %d,%d %dx%d is not inside the %dx%d image",
                            worker->path, box->x, box->y, box->width, box->height, image->width,
                            image->height);
    } else if (plan->resize_short > 0) {
        *box = (dho_box){0};
        *flip = false;
        return dho_image_eval_transform(image, plan->resize_short, plan->image_size, plan->filter,
                                        &plan->normalise, &worker->scratch, &worker->resized, out);
    } else {
        /* The order of the draws is part of the results: the box, then the flip. */
        dho_rng rng;
        dho_rng_init(&rng, plan->seed, plan->purpose[draw->labelled], (uint64_t)draw->pass,
                     (uint64_t)draw->id);
        *box = dho_random_resized_crop(image->width, image->height, plan->scale, plan->ratio, &rng);
        *flip = plan->flip && dho_rng_uniform(&rng) < 0.5;
    }
    DHO_TRY(dho_image_resize(image, *box, plan->image_size, plan->image_size, plan->filter,
                             &worker->scratch, &worker->resized));
    dho_image_to_float(&worker->resized, *flip, &plan->normalise, out);
    return DHO_OK;
}
