#include "data/decode_worker.h"

#include "dho/alloc.h"
#include "image/image_codec.h"

#include <stdio.h>
#include <string.h>

/* Resize + CenterCrop; else the image is squashed, or its crops are random. */
static bool is_center_crop(const dho_loader_options *o)
{
    return o->transform.resize_short > 0;
}

dho_status dho_view_plan_check(const dho_loader_options *o)
{
    if (o->image_size < 1 || o->image_size > 65500)
        return dho_fail(DHO_ERR_CONFIG, "loader: image size %d", o->image_size);
    if (is_center_crop(o)) {
        const int resize_short = o->transform.resize_short;
        if (resize_short < o->image_size || resize_short > 65500)
            return dho_fail(DHO_ERR_CONFIG, "loader: a crop of %d from images resized to %d",
                            o->image_size, resize_short);
        return DHO_OK;
    }
    if (o->transform.squash) return DHO_OK;
    const double *scale = o->scale, *ratio = o->ratio;
    if (!(scale[0] > 0 && scale[0] <= scale[1] && ratio[0] > 0 && ratio[0] <= ratio[1]))
        return dho_fail(DHO_ERR_CONFIG,
                        "loader: random crops with scale [%g, %g] and ratio [%g, %g]", scale[0],
                        scale[1], ratio[0], ratio[1]);
    return DHO_OK;
}

void dho_decode_worker_init(dho_decode_worker *worker, const dho_view_plan *plan)
{
    *worker = (dho_decode_worker){.plan = plan, .open_id = DHO_NO_ID, .held = dho_no_box()};
    dho_pixel_finish_init(&worker->finish, &plan->options.normalise, plan->options.pixels);
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

/* "root/name", for messages. */
static dho_status set_path(dho_decode_worker *worker, const char *root, const char *name)
{
    const size_t bytes = strlen(root) + strlen(name) + 2;
    if (bytes > worker->path_capacity) {
        DHO_TRY(dho_realloc(&worker->path, 2 * bytes, 1, "loader: path"));
        worker->path_capacity = 2 * bytes;
    }
    const bool joined = root[0] == '\0' || root[strlen(root) - 1] == '/';
    snprintf(worker->path, worker->path_capacity, "%s%s%s", root, joined ? "" : "/", name);
    return DHO_OK;
}

dho_status dho_decode_worker_open(dho_decode_worker *worker, int64_t id)
{
    if (worker->open_id == id) return DHO_OK;
    const dho_dataset *dataset = worker->plan->options.dataset;
    worker->open_id = DHO_NO_ID;
    worker->held = dho_no_box();
    DHO_TRY(set_path(worker, dho_dataset_root_of(dataset, id), dataset->samples[id].path));
    DHO_TRY(dho_dataset_read(dataset, id, &worker->file_bytes, &worker->file_capacity,
                             &worker->file_size));
    worker->stats.file_bytes += (int64_t)worker->file_size;
    const dho_status status = dho_image_read_size(worker->file_bytes, worker->file_size,
                                                  worker->path, &worker->width, &worker->height);
    if (status != DHO_OK) return dho_dataset_blame(dataset, id, status);
    worker->open_id = id;
    return DHO_OK;
}

dho_status dho_decode_worker_choose(const dho_decode_worker *worker, const dho_draw *draw,
                                    dho_box *box, bool *flip)
{
    const dho_loader_options *o = &worker->plan->options;
    *box = dho_no_box();
    *flip = false;
    if (o->view_source != NULL)
        DHO_TRY(o->view_source(o->view_context, draw->id, draw->pass, box, flip));
    if (!dho_box_is_none(*box)) {
        if (dho_box_fits(*box, worker->width, worker->height)) return DHO_OK;
        return dho_fail(
            DHO_ERR_FORMAT, "%s: the stored view's box %d,%d %dx%d is not inside the %dx%d image",
            worker->path, box->x, box->y, box->width, box->height, worker->width, worker->height);
    }
    if (is_center_crop(o)) return DHO_OK;
    if (o->transform.squash) {
        *box = (dho_box){.width = worker->width, .height = worker->height};
        return DHO_OK;
    }
    /* The order of the draws is part of the results: the box, then the flip. */
    dho_rng rng;
    dho_rng_init(&rng, o->seed, worker->plan->purpose[draw->labelled], (uint64_t)draw->pass,
                 (uint64_t)draw->id);
    *box = dho_random_resized_crop(worker->width, worker->height, o->scale, o->ratio, &rng);
    *flip = o->flip && dho_rng_uniform(&rng) < 0.5;
    return DHO_OK;
}

static bool holds(dho_box outer, dho_box inner)
{
    return !dho_box_is_none(outer) && inner.x >= outer.x && inner.y >= outer.y &&
           inner.x + inner.width <= outer.x + outer.width &&
           inner.y + inner.height <= outer.y + outer.height;
}

dho_status dho_decode_worker_decode(dho_decode_worker *worker, dho_box box, bool whole)
{
    const dho_box all = {.width = worker->width, .height = worker->height};
    const dho_box wanted = whole || dho_box_is_none(box) ? all : box;
    if (holds(worker->held, wanted)) return DHO_OK;
    worker->held = dho_no_box();
    DHO_TRY(dho_image_decode_box(&worker->image, worker->file_bytes, worker->file_size,
                                 worker->path, wanted, &worker->scratch));
    worker->held = wanted;
    return DHO_OK;
}

/* The crop as an image of its own, flipped and augmented. */
static dho_status finish_augmented(dho_decode_worker *worker, const dho_draw *draw, dho_box inside,
                                   bool flip, void *out)
{
    const dho_loader_options *o = &worker->plan->options;
    dho_rng rng;
    DHO_TRY(dho_image_resize(&worker->image, inside, o->image_size, o->image_size,
                             o->transform.filter, &worker->scratch, &worker->resized));
    if (flip) dho_image_flip(&worker->resized);
    dho_rng_init(&rng, o->seed, draw->labelled ? DHO_RNG_PIXELS_LABELLED : DHO_RNG_PIXELS,
                 (uint64_t)draw->pass, (uint64_t)draw->id);
    DHO_TRY(dho_image_augment(&worker->resized, &o->augmentation, &rng, &worker->scratch));
    dho_image_to_network(&worker->resized, &worker->finish, out);
    return DHO_OK;
}

dho_status dho_decode_worker_finish(dho_decode_worker *worker, const dho_draw *draw, dho_box box,
                                    bool flip, void *out)
{
    const dho_loader_options *o = &worker->plan->options;
    const dho_eval_transform *transform = &o->transform;
    if (dho_box_is_none(box))
        return dho_image_eval_transform(&worker->image, transform->resize_short, o->image_size,
                                        transform->filter, &worker->finish, &worker->scratch,
                                        &worker->resized, out);
    const dho_box inside = {.x = box.x - worker->held.x,
                            .y = box.y - worker->held.y,
                            .width = box.width,
                            .height = box.height};
    if (dho_augmentation_is_on(&o->augmentation))
        return finish_augmented(worker, draw, inside, flip, out);
    return dho_image_crop_to_network(&worker->image, inside, o->image_size, transform->filter, flip,
                                     &worker->finish, &worker->scratch, out);
}
