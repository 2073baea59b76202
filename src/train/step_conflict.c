#include "train/step_conflict.h"

#include "base/json.h"
#include "dho/alloc.h"

#include <math.h>
#include <string.h>

enum { TERM_CE, TERM_KD, TERM_DOT, TERM_FLOATS = 16 };

static float *slot_of(const dho_step_conflict *conflict, int slot)
{
    return conflict->partials + (size_t)slot * conflict->slab_floats;
}

dho_status dho_step_conflict_create(dho_step_conflict *out, int64_t every,
                                    const dho_student *student, const dho_share *share, int rows,
                                    int passes)
{
    dho_status status;
    *out = (dho_step_conflict){.every = every};
    if (every == 0) return DHO_OK;
    const char *what = "gradient conflict";
    out->parameter_floats = dho_graph_parameter_floats(student->graph);
    out->slab_floats = 2 * out->parameter_floats + TERM_FLOATS;
    out->feature_floats = 2 * (size_t)rows * (size_t)student->feature_dim;
    out->statistic_floats = (size_t)passes * dho_graph_buffer_floats(student->graph);
    const size_t lanes = (size_t)share->lane_count;
    DHO_TRY(dho_conflict_blocks_create(&out->blocks, student->graph));
    DHO_TRY_GOTO(dho_alloc_zero(&out->partials, (size_t)share->slots * out->slab_floats,
                                sizeof(float), what));
    DHO_TRY_GOTO(dho_alloc_zero(&out->features, lanes * out->feature_floats, sizeof(float), what));
    DHO_TRY_GOTO(dho_alloc_zero(&out->unread_statistics, lanes * out->statistic_floats,
                                sizeof(float), what));
    DHO_TRY_GOTO(dho_alloc_zero(&out->terms, (size_t)out->blocks.count, sizeof *out->terms, what));
    return DHO_OK;
fail:
    dho_step_conflict_free(out);
    return status;
}

void dho_step_conflict_free(dho_step_conflict *conflict)
{
    dho_conflict_blocks_free(&conflict->blocks);
    dho_free(conflict->partials);
    dho_free(conflict->features);
    dho_free(conflict->unread_statistics);
    dho_free(conflict->terms);
    *conflict = (dho_step_conflict){0};
}

bool dho_step_conflict_due(const dho_step_conflict *conflict, int64_t step)
{
    return conflict->every > 0 && step % conflict->every == 0;
}

void dho_step_conflict_run(dho_step_conflict *conflict, const dho_microbatch *microbatch,
                           const dho_objective *objective, int lane, int slot)
{
    const dho_objective parts[2] = {dho_objective_only_ce(objective),
                                    dho_objective_only_teacher(objective)};
    const size_t count = (size_t)microbatch->rows * (size_t)microbatch->student->feature_dim;
    float *slab = slot_of(conflict, slot);
    float *features = conflict->features + (size_t)lane * conflict->feature_floats;
    float *statistics = conflict->unread_statistics + (size_t)lane * conflict->statistic_floats;
    memset(slab, 0, conflict->slab_floats * sizeof *slab);
    /* Backward may use the activations' memory: each loss needs a forward of its own. */
    for (int i = 0; i < 2; i++)
        dho_microbatch_run(microbatch, &parts[i], slab + (size_t)i * conflict->parameter_floats,
                           statistics, features + (size_t)i * count);
    const dho_conflict_terms terms = dho_conflict_of(count, features, features + count);
    float *tail = slab + 2 * conflict->parameter_floats;
    tail[TERM_CE] = (float)terms.ce;
    tail[TERM_KD] = (float)terms.kd;
    tail[TERM_DOT] = (float)terms.dot;
}

void dho_step_conflict_merge(dho_step_conflict *conflict, dho_compute *compute, int into, int from)
{
    float *sum = slot_of(conflict, into);
    dho_compute_kernels(compute)->add(compute, conflict->slab_floats, sum, slot_of(conflict, from),
                                      sum);
}

/* The ranks' sums, of the same slots as the step's own, into slot 0's place. */
static dho_status sum_ranks(dho_step_conflict *conflict, const dho_share *share, dho_comm *comm)
{
    float *sums[DHO_TREE_SUMS];
    dho_share_merge(share, conflict->partials, conflict->slab_floats, 0, conflict->slab_floats,
                    NULL);
    dho_share_sums(share, conflict->partials, conflict->slab_floats, sums);
    return dho_comm_tree_sum(comm, sums, 0, conflict->slab_floats, NULL);
}

/* Norms of the mean over the microbatches, as the step's gradient is. */
static json_t *describe(const dho_conflict_terms *terms, int shards)
{
    const double ce = sqrt(terms->ce) / shards, kd = sqrt(terms->kd) / shards;
    return json_pack("{s:f, s:o, s:f, s:f}", "cosine", dho_conflict_cosine(terms), "ratio",
                     kd > 0 ? json_real(ce / kd) : json_null(), "ce_norm", ce, "kd_norm", kd);
}

static json_t *make_line(const dho_step_conflict *conflict, int shards, int64_t step)
{
    const float *tail = slot_of(conflict, 0) + 2 * conflict->parameter_floats;
    const dho_conflict_terms features = {
        .ce = tail[TERM_CE], .kd = tail[TERM_KD], .dot = tail[TERM_DOT]};
    json_t *all = json_object();
    json_object_set_new(all, "features", describe(&features, shards));
    for (int b = 0; b < conflict->blocks.count; b++)
        json_object_set_new(all, conflict->blocks.names[b], describe(&conflict->terms[b], shards));
    return json_pack("{s:I, s:o}", "step", (json_int_t)step, "conflict", all);
}

dho_status dho_step_conflict_finish(dho_step_conflict *conflict, const dho_share *share,
                                    dho_comm *comm, int shards, int64_t step,
                                    dho_progress *progress, dho_status *out_written)
{
    float *slab = slot_of(conflict, 0); /* the first sum's slot, always */
    *out_written = DHO_OK;
    DHO_TRY(sum_ranks(conflict, share, comm));
    if (dho_comm_rank(comm) != 0) return DHO_OK;
    dho_conflict_measure(&conflict->blocks, slab, slab + conflict->parameter_floats,
                         conflict->terms);
    for (int b = 0; b < conflict->blocks.count; b++)
        if (!isfinite(conflict->terms[b].ce + conflict->terms[b].kd))
            return DHO_OK; /* the step itself says so */
    *out_written = dho_progress_line(progress, make_line(conflict, shards, step));
    return DHO_OK;
}
