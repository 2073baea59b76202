/* TinyViT's labels (tinyvit_files.h) as a cache: what is stored of the augmentation is a seed, from
 * which tinyvit_crop.h draws box and flip again. */
#include "teacher/import_labels.h"

#include "base/bytes.h"
#include "dho/alloc.h"
#include "dho/log.h"
#include "dho/safetensors.h"
#include "teacher/tinyvit_crop.h"
#include "teacher/tinyvit_files.h"

#include <math.h>

enum { CRC_BYTES = 1 << 20 };

typedef struct tinyvit_source {
    const dho_label_import *import;
    tinyvit_files files;
    int views;
    bool *used;       /* owned, [classes] */
    soft_label label; /* its arrays are owned */
} tinyvit_source;

static dho_status read_view(tinyvit_source *self, int view, int64_t id, int width, int height,
                            dho_cache_record *out, int *best)
{
    const char *path, *image = self->import->dataset->samples[id].path;
    const uint8_t *record = tinyvit_files_record(&self->files, view, id, &path);
    const uint32_t seed = (uint32_t)dho_get_le(record, TINYVIT_SEED_BYTES);
    if (seed > INT32_MAX)
        return dho_fail(DHO_ERR_FORMAT, "%s: %s: seed %lld is below 0", path, image,
                        (long long)seed - ((int64_t)1 << 32));
    tinyvit_crop_draw(seed, width, height, &out->box, &out->flip);
    if (out->box.width < 1 || out->box.height < 1)
        return dho_fail(DHO_ERR_CONFIG, "%s: %s: the crop of an image of %d x %d is empty", path,
                        image, width, height);
    const size_t top = (size_t)self->files.top;
    const uint8_t *ids = record + TINYVIT_SEED_BYTES, *values = ids + 2 * top;
    for (size_t k = 0; k < top; k++) {
        self->label.ids[k] = (int16_t)dho_get_le(ids + 2 * k, 2);
        self->label.probabilities[k] =
            (double)dho_half_to_float((uint16_t)dho_get_le(values + 2 * k, 2));
    }
    const dho_status status = soft_label_to_logits(&self->label, self->import->dataset->classes,
                                                   self->used, out->payload, best);
    return status == DHO_OK ? DHO_OK : dho_fail_prefix(status, "%s: %s: ", path, image);
}

static dho_status read_image(void *context, int64_t id, int width, int height,
                             dho_cache_record *views, int *best)
{
    tinyvit_source *self = context;
    for (int v = 0; v < self->views; v++)
        DHO_TRY(read_view(self, v, id, width, height, &views[v], &best[v]));
    return DHO_OK;
}

static bool is_near(const double pair[2], const double own[2])
{
    return fabs(pair[0] - own[0]) < 1e-4 && fabs(pair[1] - own[1]) < 1e-4;
}

/* The boxes are drawn from TinyViT's own distribution: the configuration must not say another one,
 * since training compares it with the cache's. */
static dho_status check_distribution(const dho_label_import *import)
{
    if (is_near(import->crop_scale, tinyvit_crop_scale) &&
        is_near(import->crop_ratio, tinyvit_crop_ratio) && import->flip)
        return DHO_OK;
    return dho_fail(DHO_ERR_CONFIG,
                    "%s: TinyViT's crops are of data.crop_scale [0.08, 1], data.crop_ratio [0.75, "
                    "1.3333333333333333] and data.flip true; the configuration says [%g, %g], "
                    "[%g, %g] and %s",
                    import->source, import->crop_scale[0], import->crop_scale[1],
                    import->crop_ratio[0], import->crop_ratio[1], import->flip ? "true" : "false");
}

static dho_status open_source(tinyvit_source *self, uint32_t *out_crc)
{
    const dho_label_import *import = self->import;
    DHO_TRY(check_distribution(import));
    DHO_TRY(tinyvit_files_open(&self->files, import->source, import->dataset, import->views));
    const tinyvit_package *package = self->files.epochs[0].packages;
    const size_t size = package->values.size;
    *out_crc = dho_crc32(0, package->values.data, size < CRC_BYTES ? size : CRC_BYTES);
    if (self->files.strange > 0)
        dho_info("import: %lld keys of images that are not in the dataset are passed over",
                 (long long)self->files.strange);
    self->views = import->views > 0 ? import->views : self->files.epoch_count;
    self->label.count = self->files.top;
    const size_t top = (size_t)self->files.top, classes = (size_t)import->dataset->classes;
    DHO_TRY(dho_alloc(&self->label.ids, top, sizeof(int32_t), "TinyViT labels"));
    DHO_TRY(dho_alloc(&self->label.probabilities, top, sizeof(double), "TinyViT labels"));
    return dho_alloc_zero(&self->used, classes, sizeof(bool), "TinyViT labels");
}

dho_status dho_cache_import_tinyvit(const dho_label_import *import, dho_comm *comm)
{
    tinyvit_source self = {.import = import};
    label_source source = {.kind = "TinyViT", .read = read_image, .context = &self};
    const dho_status opened = open_source(&self, &source.crc);
    source.views = self.files.epoch_count;
    source.saved = self.files.top;
    const dho_status status = import_labels(import, comm, opened, &source);
    tinyvit_files_close(&self.files);
    dho_free(self.label.ids);
    dho_free(self.label.probabilities);
    dho_free(self.used);
    return status;
}
