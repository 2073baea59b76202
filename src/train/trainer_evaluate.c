/* Evaluations while training, and what follows from them: the best checkpoint, the early stop. */
#include "train/trainer_internal.h"

#include "base/activity.h"
#include "base/clock.h"
#include "dho/alloc.h"
#include "dho/log.h"
#include "train/standing.h"
#include "train/stop_signal.h"

#include <string.h>

/* The metric of each word of train.keep_best. */
static const dho_metric metric_of[] = {
#define DHO_METRIC(id, ...)
#define DHO_METRIC_SCORE(id, word, ...) [DHO_BEST_##id] = DHO_METRIC_##id,
#include "dho/metric_rows.h"
#undef DHO_METRIC
};

static const dho_metric_row *row_of(dho_keep_best metric)
{
    return &dho_metric_table[metric_of[metric]];
}

static dho_status check_metric(const dho_config *config)
{
    const dho_keep_best metric = config->train.keep_best;
    if (metric == DHO_BEST_NONE || dho_method_is_dual(config->method) ||
        row_of(metric)->written != DHO_RUNS_WITH_TWO_HEADS)
        return DHO_OK;
    return dho_fail(DHO_ERR_CONFIG,
                    "train.keep_best: %s is of a student with two heads: method %s "
                    "has one",
                    dho_keep_best_name(metric), dho_method_name(config->method));
}

dho_status dho_trainer_open_evaluation(dho_trainer *trainer)
{
    const dho_config *config = trainer->config;
    if (config->train.eval_every == 0) return DHO_OK;
    DHO_TRY(check_metric(config));
    const bool average = trainer->ema_parameters != NULL;
    trainer->evaluated =
        (dho_model){.student = trainer->student,
                    .parameters = average ? trainer->ema_parameters : trainer->parameters,
                    .buffers = average ? trainer->ema_buffers : trainer->buffers,
                    .class_names = trainer->dataset.class_names};
    memcpy(trainer->evaluated.mean, config->data.mean, sizeof trainer->evaluated.mean);
    memcpy(trainer->evaluated.std, config->data.std, sizeof trainer->evaluated.std);
    trainer->standing = (dho_standing){.metric = config->train.keep_best,
                                       .set = (char *)dho_config_eval_on(config)};
    return dho_set_evaluator_open(&trainer->evaluator, config, trainer->comm,
                                  dho_config_eval_on(config), &trainer->evaluated,
                                  dho_stop_signal_received);
}

void dho_trainer_take_standing(dho_trainer *trainer, dho_standing *found)
{
    dho_standing *own = &trainer->standing;
    if (trainer->evaluator != NULL) {
        const bool same =
            found->metric == own->metric && found->set != NULL && strcmp(found->set, own->set) == 0;
        const dho_standing continued = {.due = found->due,
                                        .metric = own->metric,
                                        .set = own->set,
                                        .best_step = found->best_step,
                                        .best = found->best,
                                        .reference = found->reference,
                                        .waited = found->waited};
        if (same)
            *own = continued;
        else if (found->metric != DHO_BEST_NONE && own->metric != DHO_BEST_NONE)
            dho_info(
                "the best checkpoint so far was chosen by %s on %s: the choice begins anew, by "
                "%s on %s",
                dho_keep_best_name(found->metric), found->set, dho_keep_best_name(own->metric),
                own->set);
        own->due = found->due;
    }
    dho_free(found->set);
    found->set = NULL;
}

static bool is_due(const dho_trainer *trainer)
{
    const int64_t every = trainer->config->train.eval_every;
    return trainer->standing.due || trainer->step % every == 0 ||
           trainer->step == trainer->length.total_steps;
}

bool dho_trainer_gives_up(const dho_trainer *trainer)
{
    const int64_t patience = trainer->config->train.patience;
    return patience > 0 && trainer->standing.waited >= patience;
}

bool dho_trainer_is_over(const dho_trainer *trainer)
{
    const int64_t total = trainer->length.total_steps;
    return trainer->step > total ||
           (!trainer->standing.due && (trainer->step == total || dho_trainer_gives_up(trainer)));
}

static void fill_metrics(const dho_set_scores *scores, double seconds, double out[DHO_METRIC_COUNT])
{
    out[DHO_METRIC_EVAL_TOP1] = scores->top1;
    out[DHO_METRIC_EVAL_TOP5] = scores->top5;
    out[DHO_METRIC_EVAL_NLL] = scores->nll;
    out[DHO_METRIC_EVAL_TOP1_CE] = scores->head_top1[0];
    out[DHO_METRIC_EVAL_TOP1_KD] = scores->head_top1[1];
    out[DHO_METRIC_EVAL_NLL_CE] = scores->head_nll[0];
    out[DHO_METRIC_EVAL_NLL_KD] = scores->head_nll[1];
    out[DHO_METRIC_EVAL_ALPHA] = scores->alpha;
    out[DHO_METRIC_EVAL_BETA] = scores->beta;
    out[DHO_METRIC_EVAL_SECONDS] = seconds;
}

/* Takes in the metrics of this step. True: they are the best so far. */
static bool take_metrics(dho_trainer *trainer, const double values[DHO_METRIC_COUNT])
{
    const dho_config *config = trainer->config;
    if (config->train.keep_best == DHO_BEST_NONE) return false;
    const dho_standing_rule rule = {.lower_is_better =
                                        row_of(config->train.keep_best)->lower_is_better,
                                    .min_delta = config->train.min_delta};
    return dho_standing_take(&trainer->standing, &rule, values[metric_of[config->train.keep_best]],
                             trainer->step);
}

dho_status dho_trainer_evaluate(dho_trainer *trainer, bool *inout_stop,
                                dho_local_failure *inout_log, bool *out_best)
{
    double values[DHO_METRIC_COUNT] = {0};
    dho_set_scores scores;
    *out_best = false;
    if (trainer->evaluator == NULL || !is_due(trainer)) return DHO_OK;
    trainer->standing.due = true;
    if (*inout_stop) return DHO_OK;
    const double start = dho_seconds_now();
    dho_activity_begin("evaluates", NULL, false);
    const dho_status status = dho_set_evaluator_run(trainer->evaluator, &scores);
    dho_activity_end();
    *inout_stop = status == DHO_PREEMPTED;
    if (*inout_stop) return DHO_OK;
    DHO_TRY(status);
    trainer->standing.due = false;
    fill_metrics(&scores, dho_seconds_now() - start, values);
    *out_best = take_metrics(trainer, values);
    dho_status written =
        dho_progress_evaluation(&trainer->progress, trainer->step, trainer->standing.set, values,
                                *out_best ? " | the best so far" : "");
    if (written == DHO_OK && dho_trainer_gives_up(trainer))
        written = dho_progress_flush(&trainer->progress, trainer->step);
    if (inout_log->status == DHO_OK) *inout_log = dho_local_failure_of(written);
    return DHO_OK;
}
