/* One head or two? From accuracies of the teacher and of the labels alone. */
#include "init/init_teacher.h"

#include "dho/alloc.h"
#include "dho/file.h"
#include "dho/log.h"
#include "dho/run_setup.h"
#include "dho/teacher.h"

#include <string.h>

/* So many images tell an accuracy to a point; more are spread over. */
enum { MOST_IMAGES = 10000, ROWS = 64 };

/* --- from the cache --- */

/* logits: [ROWS at most][classes] of the images in `draws`. */
typedef struct scorer {
    dho_compute *compute; /* owned */
    dho_cache *cache;     /* borrowed */
    float *payload, *scratch;
} scorer;

static dho_status open_scorer(scorer *s, const dho_config *config, dho_cache *cache)
{
    const dho_cache_spec *spec = dho_cache_get_spec(cache);
    s->cache = cache;
    DHO_TRY(dho_compute_create(&s->compute, config->compute.backend, DHO_DTYPE_FP32,
                               dho_setup_threads(config->compute.threads)));
    DHO_TRY(dho_alloc(&s->payload, (size_t)spec->dim * ROWS, sizeof(float), "teacher"));
    if (spec->payload != DHO_CACHE_EMBEDDING) return DHO_OK;
    return dho_alloc(&s->scratch, dho_teacher_head_scratch(dho_cache_get_head(cache), ROWS),
                     sizeof(float), "teacher");
}

static void close_scorer(scorer *s)
{
    dho_compute_destroy(&s->compute);
    dho_free(s->payload);
    dho_free(s->scratch);
}

/* What the teacher says of one view of each image: out->logits[0], out->labels. */
static dho_status read_outputs(scorer *s, const dho_dataset *dataset, const dho_id_list *ids,
                               dho_head_outputs *out)
{
    const size_t classes = (size_t)out->classes;
    for (int64_t first = 0; first < out->count; first += ROWS) {
        dho_draw draws[ROWS];
        int rows = 0;
        for (; rows < ROWS && first + rows < out->count; rows++) {
            const int64_t id = ids->ids[(first + rows) * ids->count / out->count];
            draws[rows] = (dho_draw){.id = id, .labelled = true};
            out->labels[first + rows] = dataset->samples[id].label;
        }
        DHO_TRY(dho_teacher_logits(s->compute, s->cache, dho_cache_get_head(s->cache), draws, rows,
                                   s->payload, s->scratch,
                                   out->logits[0] + (size_t)first * classes));
    }
    return DHO_OK;
}

static dho_status score_images(const dho_config *config, dho_cache *cache,
                               const dho_dataset *dataset, const dho_id_list *ids,
                               dho_init_figure *out)
{
    const int64_t count = ids->count < MOST_IMAGES ? ids->count : MOST_IMAGES;
    const double one = 1;
    dho_head_outputs outputs = {.count = count, .classes = dho_cache_get_spec(cache)->classes};
    dho_accuracy accuracy;
    scorer s = {0};
    dho_status status;
    DHO_TRY_GOTO(dho_alloc(&outputs.logits[0], (size_t)count * (size_t)outputs.classes,
                           sizeof(float), "teacher"));
    DHO_TRY_GOTO(dho_alloc(&outputs.labels, (size_t)count, sizeof(int32_t), "teacher"));
    DHO_TRY_GOTO(open_scorer(&s, config, cache));
    DHO_TRY_GOTO(read_outputs(&s, dataset, ids, &outputs));
    DHO_TRY_GOTO(dho_outputs_sweep(&outputs, &one, 1, &one, 1,
                                   dho_setup_threads(config->compute.threads), &accuracy));
    out->score = dho_score_of(&accuracy);
    out->images = count;
fail:
    close_scorer(&s);
    dho_head_outputs_free(&outputs);
    return status;
}

/* --- from evaluations --- */

/* Of the set on which alpha and beta are chosen, or else the first, by a run of method ce. What is
 * not there, or does not read, gives no figure. */
static dho_status read_evaluation(const dho_config *config, const char *run, dho_init_figure *out)
{
    const char *name = config->eval.select_on;
    dho_evaluation evaluation;
    if (name[0] == '\0' && config->eval.set_count > 0) name = config->eval.sets[0].name;
    dho_status status = dho_evaluation_load(&evaluation, run);
    if (status != DHO_OK) return status == DHO_ERR_MEMORY ? status : DHO_OK;
    const dho_evaluated_set *set = dho_evaluation_find(&evaluation, name);
    if (set != NULL && evaluation.method != NULL && strcmp(evaluation.method, "ce") == 0) {
        out->score = set->scores[DHO_SCORE_COMBINED];
        out->images = set->images;
        status = strcmp(name, DHO_HOLDOUT_NAME) == 0 ? dho_strdup(&out->of, "held-out images")
                                                     : dho_asprintf(&out->of, "images of %s", name);
    }
    dho_evaluation_free(&evaluation);
    return status;
}

/* --- both --- */

/* A teacher that was trained here may know the labelled images by heart: it is scored on others,
 * the held-out ones or those of an evaluation. One that was not is scored on all of them. */
static dho_status score_teacher(dho_init_advice *out, const dho_config *config, dho_cache *cache)
{
    dho_dataset dataset = {0};
    dho_id_list labelled = {0}, holdout = {0};
    const dho_cache_spec *spec = dho_cache_get_spec(cache);
    dho_init_figure *figure = &out->by_teacher;
    dho_status status;
    DHO_TRY_GOTO(dho_setup_dataset(config, &dataset));
    DHO_TRY_GOTO(dho_setup_split(config, &dataset, &labelled, &holdout));
    DHO_TRY_GOTO(dho_cache_check_dataset(cache, dataset.fingerprint, dataset.count));
    if (spec->classes != dataset.classes)
        status = dho_fail(DHO_ERR_CONFIG, "%s: the teacher knows %d classes, the images have %d",
                          out->cache, spec->classes, (int)dataset.classes);
    else if (holdout.count > 0)
        status = score_images(config, cache, &dataset, &holdout, figure);
    else if (out->is_model)
        status = read_evaluation(config, out->teacher, figure);
    else
        status = score_images(config, cache, &dataset, &labelled, figure);
    if (status == DHO_OK && figure->score.present && figure->of == NULL)
        status = dho_strdup(&figure->of, holdout.count > 0 ? "held-out images" : "labelled images");
fail:
    dho_id_list_free(&labelled);
    dho_id_list_free(&holdout);
    dho_dataset_free(&dataset);
    return status;
}

/* Is it a cache of that kind of teacher ("model", or a CLIP model's name)? */
static bool is_of(const dho_cache *cache, const char *kind)
{
    const char *teacher = dho_cache_get_spec(cache)->teacher;
    const size_t length = strlen(kind);
    return strncmp(teacher, kind, length) == 0 && teacher[length] == ' ';
}

static dho_status look_at_cache(dho_init_advice *out, const dho_config *config, const char *clip)
{
    dho_cache *cache = NULL;
    dho_status status = dho_cache_open(&cache, out->cache);
    if (status == DHO_OK && clip != NULL && !is_of(cache, clip)) {
        dho_free(out->cache);
        out->cache = NULL;
    } else if (status == DHO_OK) {
        out->is_model = is_of(cache, "model");
        status = score_teacher(out, config, cache);
    }
    dho_cache_close(&cache);
    if (status == DHO_OK || status == DHO_ERR_MEMORY) return status;
    dho_warn("%s; the teacher's accuracy is not known", dho_error_message());
    return DHO_OK;
}

static dho_init_heads decide(const dho_score *teacher, const dho_score *labels)
{
    if (!teacher->present || !labels->present) return DHO_INIT_HEADS_UNKNOWN;
    const double above = teacher->top1 - labels->top1;
    if (above >= DHO_INIT_FAR_ABOVE && teacher->low > labels->high) return DHO_INIT_HEADS_ONE;
    return above <= DHO_INIT_NOT_ABOVE ? DHO_INIT_HEADS_TWO : DHO_INIT_HEADS_BETWEEN;
}

dho_status dho_init_advise(dho_init_advice *out, const dho_config *config, const char *run,
                           const char *clip)
{
    char *manifest;
    *out = (dho_init_advice){0};
    DHO_TRY(dho_path_join(&out->ce, run, "ce"));
    DHO_TRY(dho_path_join(&out->teacher, run, "teacher"));
    DHO_TRY(dho_path_join(&manifest, config->teacher.cache, "cache.json"));
    const bool there = dho_path_exists(manifest);
    dho_free(manifest);
    if (!there) return DHO_OK;
    DHO_TRY(dho_strdup(&out->cache, config->teacher.cache));
    DHO_TRY(look_at_cache(out, config, clip));
    DHO_TRY(read_evaluation(config, out->ce, &out->by_labels));
    out->heads = decide(&out->by_teacher.score, &out->by_labels.score);
    return DHO_OK;
}

void dho_init_advice_free(dho_init_advice *advice)
{
    dho_free(advice->cache);
    dho_free(advice->ce);
    dho_free(advice->teacher);
    dho_free(advice->by_teacher.of);
    dho_free(advice->by_labels.of);
    *advice = (dho_init_advice){0};
}
