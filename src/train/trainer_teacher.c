/* The teacher of a run: its cache, and the head that makes logits of embeddings; both must fit the
 * run. */
#include "train/trainer_internal.h"

#include "dho/alloc.h"
#include "dho/file.h"
#include "dho/log.h"
#include "dho/run_setup.h"

#include <stdio.h>
#include <string.h>

/* A student that crops otherwise than its teacher saw is a mistake that no number shows. */
static dho_status check_crops(const dho_config *config, const dho_cache_spec *spec)
{
    if (spec->free_crops) return DHO_OK;
    if (memcmp(spec->crop_scale, config->data.crop_scale, sizeof spec->crop_scale) == 0 &&
        memcmp(spec->crop_ratio, config->data.crop_ratio, sizeof spec->crop_ratio) == 0 &&
        spec->flip == config->data.flip)
        return DHO_OK;
    return dho_fail(DHO_ERR_CONFIG,
                    "%s: its crops were drawn with crop_scale [%g, %g], crop_ratio [%g, %g], flip "
                    "%s, which data.* does not say",
                    config->teacher.cache, spec->crop_scale[0], spec->crop_scale[1],
                    spec->crop_ratio[0], spec->crop_ratio[1], spec->flip ? "true" : "false");
}

/* Other pixels of the same box: no mistake where the student's recipe has another filter than the
 * teacher's, but not the method's, either. */
static void compare_filters(const dho_trainer *trainer, const dho_cache_spec *spec)
{
    const dho_filter own = trainer->config->data.interpolation;
    if (spec->free_crops || !spec->transform.known || spec->transform.filter == own) return;
    if (trainer->rank == 0)
        dho_warn("%s: the teacher saw its crops resized with %s interpolation, the student sees "
                 "them with %s (data.interpolation)",
                 trainer->config->teacher.cache, dho_filter_name(spec->transform.filter),
                 dho_filter_name(own));
}

/* The cache's own head or teacher.head's, which must fit; and the word about it, the teacher and
 * what the teacher saw: resuming compares it. */
static dho_status open_head(dho_trainer *trainer)
{
    const char *path = trainer->config->teacher.head;
    const dho_cache_spec *spec = dho_cache_get_spec(trainer->cache);
    char word[96], seen[48] = "";
    const dho_cache_transform *transform = &spec->transform;
    if (transform->known)
        snprintf(seen, sizeof seen, "; %s %d %s", dho_cache_resize_name(transform->resize),
                 transform->short_side, dho_filter_name(transform->filter));
    trainer->head = dho_cache_get_head(trainer->cache);
    if (path[0] != '\0') {
        if (spec->payload != DHO_CACHE_EMBEDDING)
            return dho_fail(DHO_ERR_CONFIG,
                            "teacher.head: %s holds logits, a head is for embeddings",
                            trainer->config->teacher.cache);
        dho_status status =
            dho_teacher_head_load(&trainer->own_head, path, spec->classes, spec->dim);
        if (status == DHO_OK) status = dho_teacher_head_judge(&trainer->own_head, path);
        if (status != DHO_OK) return dho_fail_prefix(dho_input_status(status), "teacher.head: ");
        trainer->head = &trainer->own_head;
    }
    if (spec->payload != DHO_CACHE_EMBEDDING)
        return dho_asprintf(&trainer->teacher, "%s%s", spec->teacher, seen);
    dho_teacher_head_describe(trainer->head, word, sizeof word);
    if (path[0] != '\0') dho_info("teacher.head: %s: %s", path, word);
    return dho_asprintf(&trainer->teacher, "%s%s; %s", spec->teacher, seen, word);
}

dho_status dho_trainer_open_teacher(dho_trainer *trainer)
{
    const dho_config *config = trainer->config;
    if (!dho_method_uses_teacher(config->method)) return dho_strdup(&trainer->teacher, "");
    DHO_TRY(dho_cache_open(&trainer->cache, config->teacher.cache));
    DHO_TRY(dho_cache_check_dataset(trainer->cache, trainer->dataset.fingerprint,
                                    trainer->dataset.count));
    const dho_cache_spec *spec = dho_cache_get_spec(trainer->cache);
    if (spec->classes != trainer->dataset.classes)
        return dho_fail(DHO_ERR_CONFIG, "%s: the teacher knows %d classes, the dataset has %d",
                        config->teacher.cache, spec->classes, trainer->dataset.classes);
    const bool wkd = config->distill.divergence == DHO_DIVERGENCE_WKD;
    if ((dho_method_uses_features(config->method) || wkd) && spec->payload != DHO_CACHE_EMBEDDING)
        return dho_fail(DHO_ERR_CONFIG,
                        "%s: holds logits; %s %s needs a cache of embeddings (dho cache build "
                        "--store embedding, or dho cache import)",
                        config->teacher.cache, wkd ? "distill.divergence" : "method",
                        wkd ? "wkd" : dho_method_name(config->method));
    if (spec->shards % trainer->shards != 0)
        return dho_fail(DHO_ERR_CONFIG,
                        "%s: has %d shards, of which train.shards (%d) is no divisor: a rank would "
                        "not find its samples in its own shards",
                        config->teacher.cache, spec->shards, trainer->shards);
    DHO_TRY(open_head(trainer));
    if (wkd)
        DHO_TRY(dho_transport_create(&trainer->transport, config, spec->classes, spec->dim,
                                     trainer->head->weight));
    compare_filters(trainer, spec);
    return check_crops(config, spec);
}
