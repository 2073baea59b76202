/* From soft labels to cache shards: the part that does not depend on who saved them. */
#include "teacher/import_labels.h"

#include "base/folder_lock.h"
#include "base/text.h"
#include "dho/alloc.h"
#include "dho/image.h"
#include "heads/plausible.h"
#include "teacher/cache_format.h"

#include <math.h>
#include <string.h>

/* Rounding to fp16 or fp32 lets a probability, or the sum of many, pass 1 by this much. */
#define SUM_TOLERANCE 0.01
/* Below what topk can store, which makes it a 0 at every temperature. */
#define LOGIT_OF_ZERO (-70000.0)

static dho_status check_label(const soft_label *label, int classes, bool *used, double *out_sum)
{
    dho_status status = DHO_OK;
    int i = 0;
    for (; i < label->count && status == DHO_OK; i++) {
        const int32_t id = label->ids[i];
        const double p = label->probabilities[i];
        if (id < 0 || id >= classes)
            status = dho_fail(DHO_ERR_FORMAT, "class %d of %d", (int)id, classes);
        else if (used[id])
            status = dho_fail(DHO_ERR_FORMAT, "class %d is named twice", (int)id);
        else if (!(p >= 0 && p <= 1 + SUM_TOLERANCE))
            status = dho_fail(DHO_ERR_FORMAT, "class %d has the probability %g", (int)id, p);
        else
            used[id] = true;
        *out_sum += p;
    }
    if (status == DHO_OK && !(*out_sum > 0 && *out_sum <= 1 + SUM_TOLERANCE))
        status = dho_fail(DHO_ERR_FORMAT, "probabilities with the sum %g", *out_sum);
    for (int k = 0; k < i; k++) {
        const int32_t id = label->ids[k];
        if (id >= 0 && id < classes) used[id] = false;
    }
    return status;
}

dho_status soft_label_to_logits(const soft_label *label, int classes, bool *used, float *logits,
                                int *out_best)
{
    double sum = 0, best = -1;
    DHO_TRY(check_label(label, classes, used, &sum));
    const bool some_left = label->count < classes && sum < 1;
    const double even = some_left ? (1 - sum) / (classes - label->count) : 0;
    const float rest = (float)(even > 0 ? log(even) : LOGIT_OF_ZERO);
    for (int c = 0; c < classes; c++) logits[c] = rest;
    for (int i = 0; i < label->count; i++) {
        const double p = label->probabilities[i];
        /* topk would keep others then. The rounding of the sum is no such case. */
        if ((even - p) * (classes - label->count) > SUM_TOLERANCE)
            return dho_fail(DHO_ERR_FORMAT,
                            "class %d has the probability %g, those that are not named %g each: "
                            "not the largest are named",
                            (int)label->ids[i], p, even);
        logits[label->ids[i]] = (float)(p > 0 ? log(p) : LOGIT_OF_ZERO);
        if (p > best) *out_best = label->ids[i];
        if (p > best) best = p;
    }
    return DHO_OK;
}

/* --- shards --- */

typedef struct importer {
    const dho_label_import *import;
    const label_source *source;
    dho_cache_spec spec;
    int *best;      /* [spec.views] */
    uint8_t *bytes; /* the image's file */
    size_t capacity;
    int64_t written;     /* shards of this rank */
    int64_t seen, right; /* views of labelled images, this rank's; those whose first class is the
                            image's label */
} importer;

static dho_status fill_image(void *context, int64_t id, dho_cache_record *views)
{
    importer *self = context;
    const dho_dataset *dataset = self->import->dataset;
    const dho_sample *sample = &dataset->samples[id];
    size_t size;
    int width, height;
    DHO_TRY(dho_dataset_read(dataset, id, &self->bytes, &self->capacity, &size));
    const dho_status status = dho_image_read_size(self->bytes, size, sample->path, &width, &height);
    if (status != DHO_OK) return dho_dataset_blame(dataset, id, status);
    DHO_TRY(self->source->read(self->source->context, id, width, height, views, self->best));
    if (sample->label == DHO_NO_LABEL) return DHO_OK;
    for (int v = 0; v < self->spec.views; v++, self->seen++)
        self->right += self->best[v] == sample->label;
    return DHO_OK;
}

static dho_status write_shard(void *context, int shard)
{
    importer *self = context;
    bool written;
    DHO_TRY(
        dho_cache_write_shard(self->import->out, &self->spec, shard, fill_image, self, &written));
    self->written += written;
    return DHO_OK;
}

/* Classes in another order than the labels' would show in nothing but this. */
static dho_status report(const importer *self, dho_comm *comm)
{
    int64_t counts[2] = {self->seen, self->right};
    DHO_TRY(dho_comm_sum_int64(comm, counts, 2));
    if (dho_comm_rank(comm) == 0)
        plausible_tell_agreement(counts[1], counts[0], self->spec.classes, self->import->source);
    return DHO_OK;
}

static dho_status choose_top(const dho_label_import *import, int saved, int *out)
{
    const int classes = import->dataset->classes;
    const int most = saved < classes ? saved : classes;
    *out = import->top;
    if (import->top > most)
        return dho_fail(DHO_ERR_CONFIG, "%s: %d classes a label were saved, --top asks for %d",
                        import->source, most, import->top);
    if (import->top > 0) return DHO_OK;
    *out = most;
    if (most <= DHO_CACHE_MAX_TOP) return DHO_OK;
    return dho_fail(DHO_ERR_CONFIG,
                    "%s: %d classes a label were saved; a cache keeps %d: say --top",
                    import->source, most, DHO_CACHE_MAX_TOP);
}

static dho_status describe(const dho_label_import *import, const label_source *source,
                           dho_cache_spec *out)
{
    const int views = source->views;
    const dho_dataset *dataset = import->dataset;
    if (import->views > views)
        return dho_fail(DHO_ERR_CONFIG, "%s: %d views were saved, --views asks for %d",
                        import->source, views, import->views);
    *out = (dho_cache_spec){.fingerprint = dataset->fingerprint,
                            .count = dataset->count,
                            .shards = import->shards,
                            .views = import->views > 0 ? import->views : views,
                            .payload = DHO_CACHE_LOGITS,
                            .encoding = DHO_CACHE_TOPK,
                            .dim = dataset->classes,
                            .classes = dataset->classes,
                            .flip = import->flip};
    memcpy(out->crop_scale, import->crop_scale, sizeof out->crop_scale);
    memcpy(out->crop_ratio, import->crop_ratio, sizeof out->crop_ratio);
    const char *name = dho_base_name(import->source);
    if (*name == '\0') name = import->source;
    dho_cache_describe_teacher(source->kind, name, source->crc, "", out->teacher);
    DHO_TRY(choose_top(import, source->saved, &out->top));
    return cache_spec_check(out, DHO_ERR_CONFIG, import->source);
}

dho_status import_labels(const dho_label_import *import, dho_comm *comm, dho_status opened,
                         const label_source *source)
{
    importer self = {.import = import, .source = source};
    const dho_cache_spec *spec = &self.spec;
    dho_status status = opened;
    int lock = -1;
    if (status == DHO_OK) status = describe(import, source, &self.spec);
    if (status == DHO_OK)
        status = dho_alloc(&self.best, (size_t)spec->views, sizeof *self.best, "import");
    DHO_TRY_GOTO(dho_comm_agree(comm, status));
    status = dho_comm_rank(comm) == 0 ? dho_cache_begin(import->out, spec, &lock) : DHO_OK;
    DHO_TRY_GOTO(dho_comm_agree(comm, status));
    DHO_TRY_GOTO(dho_comm_share(comm, spec->shards, write_shard, &self));
    DHO_TRY_GOTO(report(&self, comm));
    DHO_TRY_GOTO(dho_comm_sum_int64(comm, &self.written, 1));
    status = DHO_OK;
    if (dho_comm_rank(comm) == 0)
        status = dho_cache_finish_new(import->out, spec, NULL, self.written);
    status = dho_comm_agree(comm, status);
fail:
    dho_folder_unlock(&lock);
    dho_free(self.best);
    dho_free(self.bytes);
    return status;
}
