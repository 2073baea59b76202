/* Tip-Adapter's heads of some shots: built, trained, and alpha and beta chosen. docs/tip-adapter.md
 */
#include "heads/tip_run.h"

#include "dho/log.h"

#include <stdio.h>

/* What a run works on; the same on all ranks. */
typedef struct tip_run {
    const dho_tip_options *options;
    const dho_tip_inputs *inputs;
    dho_comm *comm;
    dho_compute *compute;
    dho_teacher_head base;       /* borrowed from the inputs, but for its alpha and beta */
    dho_shots kept, held;        /* owned: with hold_out, the parts of the shots */
    dho_tip_candidate trial[2];  /* owned: of `kept`, to choose with */
    dho_tip_candidate result[2]; /* owned: of all shots; [0] training-free, [1] fine-tuned */
} tip_run;

void dho_tip_inputs_free(dho_tip_inputs *inputs)
{
    dho_teacher_head_free(&inputs->base);
    dho_shots_free(&inputs->shots);
    dho_shots_free(&inputs->search);
    dho_shots_free(&inputs->test);
}

static void log_epoch(void *context, int epoch, double loss, double accuracy)
{
    const dho_tip_options *options = context;
    dho_info("Tip-Adapter-F: epoch %d/%d: loss %.4f, %.2f %% of the shots right", epoch + 1,
             options->training.epochs, loss, 100 * accuracy);
}

/* The two heads of some shots: candidates[1] only with --fine-tune. Rank 0 trains, the others get
 * the keys. */
static dho_status make_heads(tip_run *run, const dho_shots *shots, dho_tip_candidate candidates[2])
{
    const dho_tip_options *options = run->options;
    const float *keys = shots->keys != NULL ? shots->keys : shots->features;
    dho_tip_training training = options->training;
    training.on_epoch = log_epoch;
    training.context = (void *)options;
    for (int i = 0; i < 1 + options->fine_tune; i++) {
        dho_teacher_head *head = &candidates[i].head;
        candidates[i].alpha = run->base.alpha;
        candidates[i].beta = run->base.beta;
        dho_status status = dho_teacher_head_copy(head, &run->base);
        if (status == DHO_OK)
            status = dho_teacher_head_set_keys(head, shots->count, keys, shots->labels,
                                               run->inputs->name);
        if (status == DHO_OK && i == 1 && dho_comm_rank(run->comm) == 0)
            status = dho_tip_fine_tune(run->compute, head, shots, &training);
        DHO_TRY(dho_comm_agree(run->comm, status));
        DHO_TRY(dho_comm_broadcast(run->comm, head->keys,
                                   (size_t)head->key_count * (size_t)head->dim * sizeof(float), 0));
    }
    return DHO_OK;
}

/* What is kept in the head's file. */
static void describe(const tip_run *run, const dho_shots *set, dho_tip_rows rows,
                     dho_tip_result *out)
{
    const dho_tip_options *options = run->options;
    const dho_tip_training *training = &options->training;
    out->kind = options->fine_tune ? "Tip-Adapter-F" : "Tip-Adapter";
    snprintf(out->training, sizeof out->training, "none");
    if (options->fine_tune)
        snprintf(out->training, sizeof out->training,
                 "epochs %d, batch %d, lr %g, eps %g, weight decay %g, seed %llu, alpha %g, beta "
                 "%g",
                 training->epochs, training->batch, training->lr, training->eps,
                 training->weight_decay, (unsigned long long)training->seed,
                 (double)run->base.alpha, (double)run->base.beta);
    snprintf(out->chosen, sizeof out->chosen, "given");
    if (set->count > 0)
        snprintf(out->chosen, sizeof out->chosen, "chosen on %lld %s: %lld right",
                 (long long)dho_tip_row_count(set, rows),
                 options->hold_out > 0 ? "held-out shots" : "rows of a search set",
                 (long long)run->result[options->fine_tune].right);
}

static dho_status run_all(tip_run *run, dho_tip_result *out)
{
    const dho_tip_options *options = run->options;
    const dho_tip_inputs *inputs = run->inputs;
    const bool held_out = options->hold_out > 0;
    const int count = 1 + options->fine_tune;
    const dho_tip_rows all = {1, false}, chosen = {options->every, false};
    const dho_tip_rows others = {options->every, true};
    dho_tip_candidate *trial = held_out ? run->trial : run->result;
    DHO_TRY(make_heads(run, &inputs->shots, run->result));
    if (held_out) DHO_TRY(make_heads(run, &run->kept, run->trial));
    const dho_shots *set = held_out ? &run->held : &inputs->search;
    const dho_tip_context context = {run->compute, run->comm, &run->base, run->base.alpha,
                                     run->base.beta};
    for (int i = 0; i < count && set->count > 0; i++) {
        DHO_TRY(dho_tip_choose(&context, &options->grid, set, chosen, &trial[i]));
        run->result[i].alpha = trial[i].alpha;
        run->result[i].beta = trial[i].beta;
        run->result[i].right = trial[i].right;
    }
    const dho_tip_set sets[DHO_TIP_COLUMNS] = {
        {held_out ? "held out" : "chosen on", set, chosen, trial},
        {"not chosen on", &inputs->search, others, run->result},
        {"test", &inputs->test, all, run->result}};
    DHO_TRY(dho_tip_measure(&context, sets, count, out));
    dho_tip_candidate *best = &run->result[count - 1];
    describe(run, set, chosen, out);
    out->head = best->head;
    out->head.alpha = best->alpha;
    out->head.beta = best->beta;
    best->head = (dho_teacher_head){0};
    return DHO_OK;
}

dho_status dho_tip_run(dho_compute *compute, dho_comm *comm, const dho_tip_inputs *inputs,
                       const dho_tip_options *options, dho_tip_result *out)
{
    tip_run run = {.options = options,
                   .inputs = inputs,
                   .comm = comm,
                   .compute = compute,
                   .base = inputs->base};
    dho_status status = DHO_OK;
    *out = (dho_tip_result){0};
    run.base.alpha = (float)options->alpha;
    run.base.beta = (float)options->beta;
    if (options->hold_out > 0)
        status = dho_comm_agree(
            comm, dho_input_status(dho_shots_split(&inputs->shots, inputs->base.classes,
                                                   options->hold_out, &run.kept, &run.held)));
    if (status == DHO_OK) status = run_all(&run, out);
    for (int i = 0; i < 2; i++) {
        dho_teacher_head_free(&run.trial[i].head);
        dho_teacher_head_free(&run.result[i].head);
    }
    dho_shots_free(&run.kept);
    dho_shots_free(&run.held);
    return status;
}

dho_status dho_tip_save(const dho_tip_result *result, const char *path)
{
    const char *const metadata[] = {"kind",           result->kind,   "training", result->training,
                                    "alpha and beta", result->chosen, NULL};
    DHO_TRY(dho_teacher_head_check(&result->head, DHO_ERR_NUMERIC, path));
    return dho_teacher_head_save(path, &result->head, metadata, NULL);
}
