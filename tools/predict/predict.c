#include "predict/predict.h"

#include "base/clock.h"
#include "dho/alloc.h"
#include "dho/file.h"
#include "dho/log.h"
#include "predict/predict_run.h"

#include <inttypes.h>
#include <stdio.h>

/* --- the threshold of "none of these" --- */

/* A probability is accepted from a threshold on, a score up to a limit. */
static double turn(dho_reject kind, double value)
{
    return kind == DHO_REJECT_PROBABILITY ? 1 - value : value;
}

static dho_status find_limit(const dho_classifier *classifier, const dho_predict_options *options,
                             double *out)
{
    char *set = NULL;
    *out = turn(options->reject, options->threshold);
    if (options->accept <= 0) return DHO_OK;
    DHO_TRY(dho_classifier_find_threshold(classifier, options->reject, options->accept, out, &set));
    dho_info("%s: %g %% of its images have %s %.6g or %s: that is the threshold", set,
             100 * options->accept,
             options->reject == DHO_REJECT_ENERGY ? "an energy of" : "a largest probability of",
             turn(options->reject, *out), options->reject == DHO_REJECT_ENERGY ? "less" : "more");
    dho_free(set);
    return DHO_OK;
}

static dho_status share_limit(dho_comm *comm, const dho_classifier *classifier,
                              const dho_predict_options *options, double *out)
{
    dho_status status = DHO_OK;
    *out = 0;
    if (options->reject == DHO_REJECT_NEVER) return DHO_OK;
    if (dho_comm_rank(comm) == 0) status = dho_input_status(find_limit(classifier, options, out));
    DHO_TRY(dho_comm_agree(comm, status));
    return dho_comm_broadcast(comm, out, sizeof *out, 0);
}

/* --- the end --- */

/* What each rank has counted, together. */
static dho_status add_up(dho_predict_run *run)
{
    dho_totals *totals = &run->totals;
    DHO_TRY(dho_comm_sum_int64(run->comm, &totals->errors, 1));
    DHO_TRY(dho_comm_sum_int64(run->comm, &totals->rejected, 1));
    return dho_comm_sum_int64(run->comm, totals->of_class,
                              (size_t)run->classifier->model.student.classes);
}

static dho_status write_page(const dho_predict_run *run)
{
    const dho_predict_options *options = run->options;
    const int64_t images = run->totals.images;
    if (options->html == NULL || dho_comm_rank(run->comm) != 0) return DHO_OK;
    return dho_page_write(options->html, run->maker, &run->totals, &run->page,
                          images < options->pictures ? images : options->pictures);
}

static dho_status finish(dho_predict_run *run, double started)
{
    const dho_totals *totals = &run->totals;
    DHO_TRY(add_up(run));
    if (totals->images == 0)
        return dho_fail(DHO_ERR_CONFIG, "%s: no image in %s",
                        run->options->input_count > 0 ? run->options->inputs[0] : "the list",
                        run->options->input_count > 1 ? "it or in the others" : "it");
    DHO_TRY(dho_comm_agree(run->comm, write_page(run)));
    const double seconds = dho_seconds_now() - started;
    const double speed = (double)totals->images / seconds;
    dho_info("%" PRId64 " image%s in %.1f s: %.*f images/s", totals->images,
             totals->images == 1 ? "" : "s", seconds, speed < 100 ? 1 : 0, speed);
    if (totals->errors == 0) return DHO_OK;
    return dho_fail(DHO_ERR_FORMAT,
                    "%" PRId64 " of %" PRId64
                    " could not be predicted; their lines have an \"error\"",
                    totals->errors, totals->images);
}

/* --- all of it --- */

static dho_status write_head(dho_predict_run *run)
{
    dho_text head = {0};
    if (!run->options->csv || dho_comm_rank(run->comm) != 0) return DHO_OK;
    dho_result_add_csv_head(run->maker, &head);
    const dho_status status = head.status;
    if (status == DHO_OK) fputs(head.data, stdout); /* a failure is seen at the next write */
    dho_text_free(&head);
    return status;
}

static dho_status run_parts(dho_predict_run *run, const dho_inputs *inputs)
{
    const double started = dho_seconds_now();
    const size_t classes = (size_t)run->classifier->model.student.classes;
    run->told = started;
    dho_status status = dho_result_maker_open(run->maker);
    if (status == DHO_OK)
        status =
            dho_alloc_zero(&run->totals.of_class, classes, sizeof *run->totals.of_class, "classes");
    if (status == DHO_OK) status = write_head(run);
    DHO_TRY(dho_comm_agree(run->comm, status));
    for (size_t i = 0; i < inputs->part_count; i++)
        DHO_TRY(dho_predict_part(run, &inputs->parts[i]));
    return finish(run, started);
}

static dho_status run_inputs(const dho_config *config, dho_comm *comm,
                             const dho_predict_options *options, const dho_inputs *inputs)
{
    dho_classifier classifier;
    dho_infer *infer = NULL;
    dho_status status;
    DHO_TRY(dho_classifier_open(comm, &options->model, &classifier));
    dho_classifier_set_temperature(&classifier, options->temperature);
    dho_result_maker maker = {
        .classifier = &classifier, .reject = options->reject, .top = options->top};
    dho_predict_run run = {
        .comm = comm, .options = options, .classifier = &classifier, .maker = &maker};
    if (classifier.model.student.head_count == 2 && !classifier.chosen)
        dho_warn_once("%s: there is no evaluation of these weights: alpha %g and beta %g are taken "
                      "(dho eval chooses them)",
                      classifier.source, classifier.alpha, classifier.beta);
    DHO_TRY_GOTO(share_limit(comm, &classifier, options, &maker.limit));
    DHO_TRY_GOTO(dho_comm_agree(comm, dho_infer_open_folded(&infer, config, &classifier.model)));
    run.infer = infer;
    status = run_parts(&run, inputs);
fail:
    dho_predict_run_free(&run);
    dho_result_maker_close(&maker);
    dho_infer_close(&infer);
    dho_classifier_close(&classifier);
    return status;
}

dho_status dho_predict(const dho_config *config, dho_comm *comm, const dho_predict_options *options)
{
    dho_inputs inputs;
    dho_status status = DHO_OK;
    if (options->html != NULL && dho_comm_rank(comm) == 0)
        status = dho_input_status(dho_file_check_place(options->html)); /* before the work */
    DHO_TRY(dho_comm_agree(comm, status));
    DHO_TRY(dho_inputs_open(comm, options, &inputs));
    status = run_inputs(config, comm, options, &inputs);
    dho_inputs_close(&inputs);
    return status;
}
