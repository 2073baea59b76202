/* FKD's labels: of each image a file of torch.save([coords, flips, labels]), NumPy arrays:
 *   coords [N, 4] f32: y / height, x / width, height / height, width / width of each crop
 *   flips  [N]    bool
 *   labels [N, 2, K] f32: K classes and their probabilities (marginal_smoothing_k5, _k10, and
 *          marginal_renorm_k5, which saves the same); [N, 2] (smoothing: K = 1); [N] (hard)
 * Source: FKD_SLG/generate_soft_label.py, FKD_SLG/utils.py and utils_FKD.py of that repository. */
#include "teacher/import_labels.h"

#include "base/text.h"
#include "dho/alloc.h"
#include "dho/file.h"
#include "dho/torch_file.h"
#include "teacher/cache_format.h"

#include <math.h>
#include <string.h>

/* A coordinate in fp32 times a side of 65,500 pixels is off by 0.004 of a pixel at most. */
#define PIXEL_TOLERANCE 0.01

typedef struct fkd_source {
    const dho_label_import *import;
    char *path;             /* owned: of the label file in hand */
    int crops, kept;        /* N and K of all files */
    int views;              /* that are wanted */
    float *coords, *labels; /* owned, [crops][4], [crops][2 x kept] */
    float *flips;           /* owned, [crops] */
    bool *used;             /* owned, [classes] */
    soft_label label;       /* its arrays are owned */
} fkd_source;

/* "SOURCE/class/name.tar" of sample "class/name.JPEG": the name ends at its first dot. */
static dho_status find_path(fkd_source *self, int64_t id)
{
    const char *name = self->import->dataset->samples[id].path;
    const char *base = dho_base_name(name);
    const size_t length = (size_t)(base - name) + strcspn(base, ".");
    dho_free(self->path);
    self->path = NULL;
    DHO_TRY(dho_asprintf(&self->path, "%s/%.*s.tar", self->import->source, (int)length, name));
    if (dho_path_exists(self->path)) return DHO_OK;
    return dho_fail(DHO_ERR_CONFIG,
                    "%s: there is no such file (--fkd names the folder that has the class folders)",
                    self->path);
}

/* Shapes of a file: [N, 4], [N] and one of the three forms of labels. */
static dho_status read_shapes(const dho_torch_file *file, const char *path, int *crops, int *kept)
{
    if (dho_torch_file_count(file) != 3)
        return dho_fail(DHO_ERR_FORMAT, "%s: a list of %zu arrays, FKD's labels have 3", path,
                        dho_torch_file_count(file));
    const dho_tensor_view *coords = dho_torch_file_at(file, 0), *flips = dho_torch_file_at(file, 1);
    const dho_tensor_view *labels = dho_torch_file_at(file, 2);
    if (coords->dims != 2 || coords->shape[1] != 4 || coords->shape[0] < 1 ||
        coords->shape[0] > DHO_CACHE_MAX_VIEWS)
        return dho_fail(DHO_ERR_FORMAT, "%s: array 0: coordinates must be [crops, 4]", path);
    const int64_t n = coords->shape[0];
    if (flips->dims != 1 || flips->shape[0] != n)
        return dho_fail(DHO_ERR_FORMAT, "%s: array 1: flips must be [%lld]", path, (long long)n);
    const bool form = labels->dims == 1 || (labels->dims == 2 && labels->shape[1] == 2) ||
                      (labels->dims == 3 && labels->shape[1] == 2 && labels->shape[2] >= 1 &&
                       labels->shape[2] <= CACHE_MAX_INDEX);
    if (!form || labels->shape[0] != n)
        return dho_fail(DHO_ERR_FORMAT,
                        "%s: array 2: labels must be [%lld, 2, classes], [%lld, 2] or [%lld]", path,
                        (long long)n, (long long)n, (long long)n);
    *crops = (int)n;
    *kept = labels->dims == 3 ? (int)labels->shape[2] : 1;
    return DHO_OK;
}

/* The file in hand as floats; hard labels get the probability 1. */
static dho_status load(fkd_source *self)
{
    dho_torch_file *file;
    int crops = 0, kept = 0;
    DHO_TRY(dho_torch_file_open(&file, self->path, DHO_TORCH_LIST));
    dho_status status = read_shapes(file, self->path, &crops, &kept);
    if (status == DHO_OK && (crops != self->crops || kept != self->kept))
        status = dho_fail(DHO_ERR_CONFIG,
                          "%s: %d crops with %d classes a label, other images have %d with %d",
                          self->path, crops, kept, self->crops, self->kept);
    if (status == DHO_OK) {
        const dho_tensor_view *labels = dho_torch_file_at(file, 2);
        dho_tensor_to_float(dho_torch_file_at(file, 0), self->coords);
        dho_tensor_to_float(dho_torch_file_at(file, 1), self->flips);
        dho_tensor_to_float(labels, self->labels);
        for (int i = crops - 1; labels->dims == 1 && i >= 0; i--) {
            self->labels[2 * i] = self->labels[i];
            self->labels[2 * i + 1] = 1;
        }
    }
    dho_torch_file_close(&file);
    return status;
}

/* coordinate x side as whole pixels; -1 when it is not. */
static int to_pixels(float coordinate, int side)
{
    const double pixels = (double)coordinate * side, whole = rint(pixels);
    const bool good = fabs(pixels - whole) <= PIXEL_TOLERANCE && whole >= 0 && whole <= side;
    return good ? (int)whole : -1;
}

static dho_status read_box(const fkd_source *self, int crop, int width, int height, dho_box *out)
{
    const float *c = self->coords + 4 * (size_t)crop;
    const double *scale = self->import->crop_scale;
    const dho_box box = {.y = to_pixels(c[0], height),
                         .x = to_pixels(c[1], width),
                         .height = to_pixels(c[2], height),
                         .width = to_pixels(c[3], width)};
    if (box.x < 0 || box.y < 0 || box.width < 1 || box.height < 1 || box.x > width - box.width ||
        box.y > height - box.height)
        return dho_fail(DHO_ERR_FORMAT,
                        "%s: crop %d is no box of whole pixels in the image of %d x %d: the labels "
                        "were made of images of another size",
                        self->path, crop, width, height);
    /* Sides were rounded; the fallback's crops, as wide or as high as the image, are free. */
    const double area = (double)box.width * box.height / ((double)width * height);
    const double slack = 0.51 / box.width + 0.51 / box.height + 0.01;
    if (box.width < width && box.height < height &&
        (area < scale[0] * (1 - slack) || area > scale[1] * (1 + slack)))
        return dho_fail(DHO_ERR_CONFIG,
                        "%s: crop %d has %.3f of the image's area, data.crop_scale is [%g, %g] "
                        "(FKD's own is [0.08, 0.936])",
                        self->path, crop, area, scale[0], scale[1]);
    *out = box;
    return DHO_OK;
}

static dho_status read_label(fkd_source *self, int crop, float *logits, int *best)
{
    const size_t kept = (size_t)self->kept;
    const float *ids = self->labels + 2 * kept * (size_t)crop, *values = ids + kept;
    for (size_t k = 0; k < kept; k++) {
        const bool whole = ids[k] >= 0 && ids[k] < CACHE_MAX_DIM && rintf(ids[k]) == ids[k];
        self->label.ids[k] = whole ? (int32_t)ids[k] : -1;
        self->label.probabilities[k] = (double)values[k];
    }
    const dho_status status = soft_label_to_logits(&self->label, self->import->dataset->classes,
                                                   self->used, logits, best);
    if (status != DHO_OK) dho_fail_prefix(status, "%s: label of crop %d: ", self->path, crop);
    return status;
}

static dho_status read_image(void *context, int64_t id, int width, int height,
                             dho_cache_record *views, int *best)
{
    fkd_source *self = context;
    DHO_TRY(find_path(self, id));
    DHO_TRY(load(self));
    for (int v = 0; v < self->views; v++) {
        DHO_TRY(read_box(self, v, width, height, &views[v].box));
        if (self->flips[v] != 0 && self->flips[v] != 1)
            return dho_fail(DHO_ERR_FORMAT, "%s: flip %d is %g", self->path, v,
                            (double)self->flips[v]);
        views[v].flip = self->flips[v] != 0;
        if (views[v].flip && !self->import->flip)
            return dho_fail(DHO_ERR_CONFIG, "%s: crop %d is flipped, data.flip is false",
                            self->path, v);
        DHO_TRY(read_label(self, v, views[v].payload, &best[v]));
    }
    return DHO_OK;
}

/* The first image's file says what all others must be like. */
static dho_status open_source(fkd_source *self, uint32_t *out_crc)
{
    dho_torch_file *file;
    dho_mapping mapping;
    const size_t classes = (size_t)self->import->dataset->classes;
    DHO_TRY(find_path(self, 0));
    DHO_TRY(dho_mapping_open(&mapping, self->path));
    *out_crc = dho_crc32(0, mapping.data, mapping.size);
    dho_mapping_close(&mapping);
    DHO_TRY(dho_torch_file_open(&file, self->path, DHO_TORCH_LIST));
    const dho_status status = read_shapes(file, self->path, &self->crops, &self->kept);
    dho_torch_file_close(&file);
    DHO_TRY(status);
    self->views = self->import->views > 0 ? self->import->views : self->crops;
    self->label.count = self->kept;
    const size_t crops = (size_t)self->crops, kept = (size_t)self->kept;
    DHO_TRY(dho_alloc(&self->coords, crops * 4, sizeof(float), "FKD coordinates"));
    DHO_TRY(dho_alloc(&self->flips, crops, sizeof(float), "FKD flips"));
    DHO_TRY(dho_alloc(&self->labels, crops * 2 * kept, sizeof(float), "FKD labels"));
    DHO_TRY(dho_alloc(&self->label.ids, kept, sizeof(int32_t), "FKD labels"));
    DHO_TRY(dho_alloc(&self->label.probabilities, kept, sizeof(double), "FKD labels"));
    return dho_alloc_zero(&self->used, classes, sizeof(bool), "FKD labels");
}

dho_status dho_cache_import_fkd(const dho_label_import *import, dho_comm *comm)
{
    fkd_source self = {.import = import};
    label_source source = {.kind = "FKD", .read = read_image, .context = &self};
    const dho_status opened = open_source(&self, &source.crc);
    source.views = self.crops;
    source.saved = self.kept;
    const dho_status status = import_labels(import, comm, opened, &source);
    dho_free(self.path);
    dho_free(self.coords);
    dho_free(self.flips);
    dho_free(self.labels);
    dho_free(self.label.ids);
    dho_free(self.label.probabilities);
    dho_free(self.used);
    return status;
}
