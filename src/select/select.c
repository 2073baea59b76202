/* dho select: from a run to the images to label next. */
#include "dho/select.h"

#include "dho/alloc.h"
#include "dho/checkpoint.h"
#include "dho/log.h"
#include "dho/rng.h"
#include "dho/run_setup.h"
#include "select/k_center.h"
#include "select/student_rows.h"

#include <stdlib.h>
#include <string.h>

typedef struct selector {
    const dho_config *config;
    dho_comm *comm;
    const dho_select_options *options;
    dho_selection *out;
    dho_id_list unlabelled;    /* owned */
    dho_classifier classifier; /* of coreset only its model */
    dho_select_student student;
    int threads;
    float *rows;        /* owned; pcoreset, coreset */
    double *scores;     /* owned; the others */
    dho_choice *ranked; /* owned; of this rank, the best first */
} selector;

void dho_selection_free(dho_selection *selection)
{
    dho_dataset_free(&selection->dataset);
    dho_id_list_free(&selection->labelled);
    dho_free(selection->chosen);
    *selection = (dho_selection){0};
}

dho_status dho_selection_save(dho_selection *selection, const char *path)
{
    const dho_id_list *labelled = &selection->labelled;
    dho_id_list all = {0};
    DHO_TRY(dho_alloc(&all.ids, (size_t)(labelled->count + selection->count), sizeof *all.ids,
                      "label list"));
    for (int64_t i = 0; i < labelled->count; i++) all.ids[all.count++] = labelled->ids[i];
    for (int64_t i = 0; i < selection->count; i++) all.ids[all.count++] = selection->chosen[i].id;
    const dho_status status = dho_subset_file_save(path, &selection->dataset, &all);
    dho_id_list_free(&all);
    return status;
}

/* --- the images --- */

/* The images that have a label, held out or not, and the others. */
static dho_status split_images(selector *s)
{
    dho_selection *out = s->out;
    dho_id_list labelled = {0}, holdout = {0};
    dho_config both = *s->config;
    dho_status status;
    int64_t next = 0;
    both.data.exclude_labelled = true;
    DHO_TRY_GOTO(dho_setup_split(s->config, &out->dataset, &labelled, &holdout));
    DHO_TRY_GOTO(dho_setup_excluded(&both, &labelled, &holdout, &out->labelled));
    DHO_TRY_GOTO(dho_alloc(&s->unlabelled.ids, (size_t)out->dataset.count,
                           sizeof *s->unlabelled.ids, "unlabelled images"));
    for (int64_t id = 0; id < out->dataset.count; id++)
        if (next < out->labelled.count && out->labelled.ids[next] == id)
            next++;
        else
            s->unlabelled.ids[s->unlabelled.count++] = id;
fail:
    dho_id_list_free(&labelled);
    dho_id_list_free(&holdout);
    return status;
}

static dho_status open_images(selector *s)
{
    const int64_t budget = s->options->budget;
    DHO_TRY(dho_setup_dataset(s->config, &s->out->dataset));
    DHO_TRY(split_images(s));
    if (budget > s->unlabelled.count)
        return dho_fail(
            DHO_ERR_CONFIG, "%lld images to choose: of the %lld training images %lld have no label",
            (long long)budget, (long long)s->out->dataset.count, (long long)s->unlabelled.count);
    return dho_alloc(&s->out->chosen, (size_t)budget, sizeof *s->out->chosen, "chosen images");
}

static dho_status check_images(selector *s)
{
    const dho_selection *out = s->out;
    DHO_TRY(dho_comm_check_equal(s->comm, &out->dataset.fingerprint,
                                 sizeof out->dataset.fingerprint, "the training images"));
    return dho_comm_check_equal(s->comm, out->labelled.ids,
                                (size_t)out->labelled.count * sizeof *out->labelled.ids,
                                "the labelled images");
}

/* --- the student --- */

/* Features need neither alpha nor beta; the model runs with them as an output. */
static dho_status open_features(selector *s)
{
    const dho_checkpoint_choice given = {.path = s->options->checkpoint};
    DHO_TRY(dho_checkpoint_agree(s->comm, &given, &s->classifier.source));
    const dho_checkpoint_choice found = {.path = s->classifier.source};
    return dho_checkpoint_open_model(s->comm, &found, true, &s->classifier.model, NULL);
}

/* The configuration's alpha and beta may be given anew (--set). The method knows no temperature. */
static dho_status open_predictions(selector *s)
{
    const dho_checkpoint_choice given = {.path = s->options->checkpoint};
    dho_classifier *out = &s->classifier;
    DHO_TRY(dho_classifier_open_checkpoint(s->comm, &given, out));
    dho_classifier_set_temperature(out, 1);
    if (out->model.student.head_count != 2) return DHO_OK;
    if (!out->chosen) {
        out->alpha = s->config->eval.alpha;
        out->beta = s->config->eval.beta;
    }
    dho_info("alpha %g, beta %g, %s", out->alpha, out->beta,
             out->chosen ? "of the evaluation of this checkpoint"
                         : "as the configuration says: this checkpoint is not evaluated");
    return DHO_OK;
}

static dho_status open_student(selector *s)
{
    DHO_TRY(s->options->by == DHO_SELECT_CORESET ? open_features(s) : open_predictions(s));
    s->student = (dho_select_student){.config = s->config, .classifier = &s->classifier};
    return dho_comm_agree(s->comm,
                          dho_infer_open(&s->student.infer, s->config, &s->classifier.model));
}

/* --- the choice --- */

static int compare_choices(const void *a, const void *b)
{
    const dho_choice *x = a, *y = b;
    if (x->value != y->value) return x->value > y->value ? -1 : 1;
    return (x->id > y->id) - (x->id < y->id);
}

/* The rank's best images; *out_count: at most the budget. */
static dho_status rank_own(selector *s, const dho_deal *deal, int64_t *out_count)
{
    const int rank = dho_comm_rank(s->comm);
    const int64_t count = dho_deal_count(deal, rank);
    *out_count = 0;
    DHO_TRY(dho_alloc(&s->ranked, (size_t)count, sizeof *s->ranked, "chosen images"));
    for (int64_t i = 0; i < count; i++)
        s->ranked[i] = (dho_choice){s->unlabelled.ids[dho_deal_place(deal, rank, i)], s->scores[i]};
    qsort(s->ranked, (size_t)count, sizeof *s->ranked, compare_choices);
    *out_count = count < s->options->budget ? count : s->options->budget;
    return DHO_OK;
}

/* The images with the largest scores. */
static dho_status choose_largest(selector *s, const dho_deal *deal)
{
    dho_choice *chosen = s->out->chosen;
    const size_t budget = (size_t)s->options->budget;
    void *gathered;
    int64_t own;
    DHO_TRY(dho_comm_agree(s->comm, rank_own(s, deal, &own)));
    int64_t total = own;
    DHO_TRY(dho_comm_sum_int64(s->comm, &total, 1));
    DHO_TRY(dho_comm_gather(s->comm, s->ranked, (size_t)own * sizeof *chosen, &gathered, NULL));
    if (gathered != NULL) {
        qsort(gathered, (size_t)total, sizeof *chosen, compare_choices);
        memcpy(chosen, gathered, budget * sizeof *chosen);
    }
    dho_free(gathered);
    return dho_comm_broadcast(s->comm, chosen, budget * sizeof *chosen, 0);
}

/* A number for each image by its name in the listing alone: what is labelled meanwhile, and how
 * many are chosen, changes nothing in the order of the others. */
static void draw_scores(selector *s, const dho_deal *deal)
{
    const int rank = dho_comm_rank(s->comm);
    for (int64_t i = 0; i < dho_deal_count(deal, rank); i++) {
        const int64_t id = s->unlabelled.ids[dho_deal_place(deal, rank, i)];
        dho_rng rng;
        dho_rng_init(&rng, s->config->seed, DHO_RNG_SELECT, 0, (uint64_t)id);
        s->scores[i] = dho_rng_uniform(&rng);
    }
}

static dho_status choose_by_score(selector *s)
{
    const dho_select_by by = s->options->by;
    const dho_infer_list list = {.dataset = &s->out->dataset,
                                 .ids = s->unlabelled.ids,
                                 .deal = {.total = s->unlabelled.count,
                                          .batch = (int)s->config->eval.batch,
                                          .ranks = dho_comm_size(s->comm)},
                                 .rank = dho_comm_rank(s->comm)};
    dho_status status = dho_alloc(&s->scores, (size_t)dho_deal_count(&list.deal, list.rank),
                                  sizeof *s->scores, "scores");
    if (status == DHO_OK && by == DHO_SELECT_RANDOM)
        draw_scores(s, &list.deal);
    else if (status == DHO_OK)
        status = dho_select_scores(&s->student, &list, by, s->scores);
    DHO_TRY(dho_comm_agree(s->comm, status));
    DHO_TRY(choose_largest(s, &list.deal));
    for (int64_t i = 0; i < s->options->budget && by == DHO_SELECT_MARGIN; i++)
        s->out->chosen[i].value = -s->out->chosen[i].value;
    return DHO_OK;
}

/* All images, labelled or not, are points: image i is at place i. */
static dho_status choose_centres(selector *s)
{
    const dho_select_by by = s->options->by;
    const dho_infer_list list = {
        .dataset = &s->out->dataset,
        .deal = dho_infer_deal(s->student.infer, s->comm, s->out->dataset.count),
        .rank = dho_comm_rank(s->comm)};
    const dho_points points = {.width = dho_select_width(&s->student, by), .deal = list.deal};
    const size_t numbers = (size_t)dho_deal_count(&list.deal, list.rank) * points.width;
    dho_info("%lld images x %zu numbers: %.1f MiB on each rank", (long long)list.deal.total,
             points.width, (double)numbers * sizeof *s->rows / (1 << 20));
    dho_status status = dho_alloc(&s->rows, numbers, sizeof *s->rows, "rows of the images");
    if (status == DHO_OK) status = dho_select_rows(&s->student, &list, by, s->rows);
    DHO_TRY(dho_comm_agree(s->comm, status));
    const dho_points filled = {.rows = s->rows, .width = points.width, .deal = points.deal};
    return dho_k_center(s->comm, &filled, &s->out->labelled, s->threads, s->options->budget,
                        s->out->chosen);
}

static dho_status run(selector *s)
{
    const dho_select_by by = s->options->by;
    DHO_TRY(dho_comm_agree(s->comm, open_images(s)));
    DHO_TRY(check_images(s));
    if (by != DHO_SELECT_RANDOM) DHO_TRY(open_student(s));
    DHO_TRY(by == DHO_SELECT_PCORESET || by == DHO_SELECT_CORESET ? choose_centres(s)
                                                                  : choose_by_score(s));
    s->out->count = s->options->budget;
    return DHO_OK;
}

dho_status dho_select(const dho_config *config, dho_comm *comm, const dho_select_options *options,
                      dho_selection *out)
{
    selector s = {.config = config,
                  .comm = comm,
                  .options = options,
                  .out = out,
                  .threads = dho_setup_threads(config->compute.threads)};
    *out = (dho_selection){0};
    const dho_status status = run(&s);
    dho_infer_close(&s.student.infer);
    dho_classifier_close(&s.classifier);
    dho_id_list_free(&s.unlabelled);
    dho_free(s.rows);
    dho_free(s.scores);
    dho_free(s.ranked);
    if (status != DHO_OK) dho_selection_free(out);
    return status;
}
