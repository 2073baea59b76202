/* compat: reference beside the training scripts of the method's public code: settings, an epoch's
 * sampling and its losses are those of the traces. What differs on purpose is asserted, too
 * (docs/method.md, "Known, and not reproduced"). */
#include "dho/distill.h"
#include "dho/loader.h"
#include "train/run_length.h"
#include "train/run_sizes.h"
#include "unit/train/public_trace.h"

/* Published sizes, and what makes the method. */
START_TEST(test_settings)
{
    dho_config published;
    open_trace(_i);
    load_config(_i, false, &published);
    const json_t *script = at(trace, "published"), *optimizer = at(trace, "optimizer");
    ck_assert(published.train.batch_labelled == number(script, "batch"));
    ck_assert(published.train.batch_unlabelled == number(script, "batch"));
    ck_assert(published.train.epochs == number(script, "epochs"));
    ck_assert(published.train.lr == number(script, "lr"));
    ck_assert(published.distill.lambda_ce == number(script, "lambda"));
    ck_assert(published.distill.lambda_kd == number(script, "lambda"));
    ck_assert(published.distill.temperature == number(trace, "temperature"));
    if (json_object_get(script, "warmup") != NULL)
        ck_assert(published.train.warmup_steps == number(script, "warmup"));
    else
        ck_assert(published.train.warmup_fraction == 0.1);
    const bool separate = strcmp(json_string_value(at(trace, "forward")), "separate") == 0;
    ck_assert((published.train.forward == DHO_FORWARD_SEPARATE) == separate);
    ck_assert(published.train.optimizer == DHO_OPTIMIZER_ADAMW);
    ck_assert(published.train.weight_decay == number(optimizer, "weight_decay"));
    ck_assert(published.train.beta1 == number(optimizer, "beta1"));
    ck_assert(published.train.beta2 == number(optimizer, "beta2"));
    ck_assert(published.train.eps == number(optimizer, "eps"));
    ck_assert(published.data.exclude_labelled);
    dho_config_free(&published);
    close_trace();
}
END_TEST

/* Steps of the whole run at the published sizes. The schedule has as many, but for 10 % of ImageNet
 * with accumulation: its last, incomplete batch of batches is a step of the optimiser alone. */
START_TEST(test_lengths)
{
    size_t i;
    json_t *row;
    dho_config published;
    open_trace(_i);
    load_config(_i, false, &published);
    json_array_foreach(at(trace, "published_lengths"), i, row)
    {
        const dho_run_length length =
            dho_run_length_of(&published, (int64_t)item(row, 0), (int64_t)item(row, 1));
        const bool incomplete =
            strcmp(scripts[_i].trace, "imagenet_semi_mixed_precision") == 0 && i == 1;
        ck_assert_int_eq(length.steps_per_epoch, (int64_t)item(row, 2));
        ck_assert_int_eq(length.total_steps, (int64_t)item(row, 3));
        ck_assert_int_eq(length.total_steps - (incomplete ? 32 : 0), (int64_t)item(row, 4));
    }
    dho_config_free(&published);
    close_trace();
}
END_TEST

/* --- an epoch --- */

typedef struct epoch {
    dho_sampler *sampler;
    dho_run_length length;
    int64_t ids[250]; /* labelled: the first images */
    int times[MOST_IMAGES];
    dho_draw *draws; /* owned, [batch] of one microbatch */
} epoch;

static void open_epoch(epoch *e)
{
    const dho_micro_rows rows = dho_run_rows(&config);
    *e = (epoch){.length = dho_run_length_of(&config, labelled, unlabelled)};
    ck_assert_int_eq(labelled, sizeof e->ids / sizeof *e->ids);
    for (int64_t i = 0; i < labelled; i++) e->ids[i] = i;
    const dho_sampler_options options = {.seed = config.seed,
                                         .shards = (int)microbatches,
                                         .labelled = rows.labelled,
                                         .unlabelled = rows.all - rows.labelled,
                                         .dataset_count = labelled + unlabelled,
                                         .labelled_ids = e->ids,
                                         .labelled_count = labelled,
                                         .excluded_ids = e->ids,
                                         .excluded_count = labelled,
                                         .epoch_steps = e->length.steps_per_epoch};
    ck_assert_ok(dho_sampler_create(&e->sampler, &options));
    ck_assert_ok(dho_alloc(&e->draws, (size_t)rows.all, sizeof *e->draws, "draws"));
}

static void close_epoch(epoch *e)
{
    dho_sampler_destroy(&e->sampler);
    dho_free(e->draws);
}

/* Counts a step's draws into e->times; the labelled ones' pass, and a sum that tells their sets
 * apart. */
static int64_t draw_step(epoch *e, int64_t step, double *out_set)
{
    const dho_step_rows rows = dho_sampler_rows(e->sampler, step);
    int64_t pass = -1;
    *out_set = 0;
    for (int v = 0; v < microbatches; v++) {
        ck_assert_ok(dho_sampler_draw(e->sampler, step, v, e->draws));
        for (int i = 0; i < rows.labelled + rows.unlabelled; i++) {
            const dho_draw *draw = &e->draws[i];
            ck_assert(draw->labelled == (i < rows.labelled));
            ck_assert((draw->id < labelled) == draw->labelled);
            e->times[draw->id]++;
            if (!draw->labelled) continue;
            ck_assert(pass == -1 || pass == draw->pass); /* one pass, so one set of crops */
            pass = draw->pass;
            *out_set += sqrt((double)draw->id + 2);
        }
    }
    return pass;
}

static void check_seen(const epoch *e, const char *which, int64_t from, int64_t to)
{
    const json_t *seen = at(at(at(trace, "sampling"), "seen"), which);
    int64_t all = 0;
    const char *key;
    json_t *expected;
    json_object_foreach((json_t *)(uintptr_t)seen, key, expected)
    {
        int64_t images = 0;
        for (int64_t i = from; i < to; i++) images += e->times[i] == atoi(key);
        ck_assert_msg(images == json_integer_value(expected), "%s: %lld images %s times", which,
                      (long long)images, key);
        all += images;
    }
    ck_assert_int_eq(all, to - from);
}

/* Steps, rows of each, passes over the labelled images, how often an image is drawn; whether a pass
 * has the order of the one before it, in the epoch and in the next. */
START_TEST(test_sampling)
{
    enum { MOST_STEPS = 64 };
    double sets[MOST_STEPS], set;
    int64_t passes[MOST_STEPS];
    epoch e;
    open_trace(_i);
    open_epoch(&e);
    const json_t *sampling = at(trace, "sampling"), *rows = at(sampling, "rows");
    const int64_t steps = e.length.steps_per_epoch,
                  in_pass = dho_loader_batches(labelled, (int)microbatches,
                                               dho_run_rows(&config).labelled);
    ck_assert_int_eq(steps, (int64_t)json_array_size(rows));
    ck_assert_int_le(steps, MOST_STEPS);
    bool same = steps > in_pass;
    for (int64_t t = 0; t < steps; t++) {
        const json_t *expected = json_array_get(rows, (size_t)t);
        const dho_step_rows found = dho_sampler_rows(e.sampler, t);
        ck_assert_int_eq(found.labelled * microbatches, (int64_t)item(expected, 0));
        ck_assert_int_eq(found.unlabelled * microbatches, (int64_t)item(expected, 1));
        passes[t] = draw_step(&e, t, &sets[t]);
        ck_assert_int_eq(passes[t] - passes[0], (int64_t)item(at(sampling, "pass"), (size_t)t));
        if (t >= in_pass) same = same && sets[t] == sets[t - in_pass];
    }
    check_seen(&e, "labelled", 0, labelled);
    check_seen(&e, "unlabelled", labelled, labelled + unlabelled);
    ck_assert(same == json_is_true(at(sampling, "same_order_within_epoch")));
    ck_assert_int_gt(draw_step(&e, steps, &set), passes[steps - 1]);
    ck_assert((set == sets[0]) == json_is_true(at(sampling, "same_order_next_epoch")));
    close_epoch(&e);
    close_trace();
}
END_TEST

/* --- losses --- */

typedef struct micro {
    float heads[2][256 * CLASSES], dheads[2][256 * CLASSES], teacher[256 * CLASSES];
    int32_t labels[256];
} micro;

static dho_loss_terms run_micro(const dho_objective *objective, int64_t step, int v,
                                dho_step_rows count, micro *m)
{
    const int rows = count.labelled + count.unlabelled;
    for (int i = 0; i < rows; i++) {
        const bool is_labelled = i < count.labelled;
        const uint32_t t = (uint32_t)step,
                       row = (uint32_t)(1000 * v + (is_labelled ? i : 500 + i - count.labelled));
        m->labels[i] = is_labelled ? label_of(t, row) : -1;
        for (uint32_t c = 0; c < CLASSES; c++) {
            const size_t k = (size_t)i * CLASSES + c;
            m->heads[0][k] = value(t, row, c, OF_CE);
            m->heads[1][k] = value(t, row, c, OF_KD);
            m->teacher[k] = 3 * value(t, row, c, OF_TEACHER);
        }
    }
    return dho_objective_evaluate(objective, rows, count.labelled, CLASSES, m->labels, m->teacher,
                                  (const float *const[]){m->heads[0], m->heads[1]},
                                  (float *const[]){m->dheads[0], m->dheads[1]});
}

START_TEST(test_losses)
{
    epoch e;
    micro m;
    open_trace(_i);
    open_epoch(&e);
    const dho_objective objective = dho_objective_create(&config);
    const int heads = dho_method_is_dual(config.method) ? 2 : 1;
    for (int64_t t = 0; t < e.length.steps_per_epoch; t++) {
        const json_t *expected = json_array_get(at(trace, "losses"), (size_t)t);
        const dho_step_rows rows = dho_sampler_rows(e.sampler, t);
        double found[4] = {0}, squares[2] = {0};
        ck_assert_int_eq(json_array_size(expected), 4 + heads);
        for (int v = 0; v < microbatches; v++) {
            const dho_loss_terms terms = run_micro(&objective, t, v, rows, &m);
            const double each[4] = {terms.ce, terms.kd_labelled, terms.kd_unlabelled, terms.total};
            for (int i = 0; i < 4; i++) found[i] += each[i] / (double)microbatches;
            for (int h = 0; h < heads; h++)
                for (int i = 0; i < (rows.labelled + rows.unlabelled) * CLASSES; i++)
                    squares[h] += (double)m.dheads[h][i] * m.dheads[h][i];
        }
        for (size_t i = 0; i < 4; i++) assert_near(found[i], item(expected, i), 1e-6, 0);
        for (int h = 0; h < heads; h++)
            assert_near(sqrt(squares[h]) / (double)microbatches, item(expected, 4 + (size_t)h),
                        1e-6, 0);
    }
    close_epoch(&e);
    close_trace();
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("public traces");
    TCase *tests = tcase_create("public traces");
    tcase_add_loop_test(tests, test_settings, 0, SCRIPTS);
    tcase_add_loop_test(tests, test_lengths, 0, SCRIPTS);
    tcase_add_loop_test(tests, test_sampling, 0, SCRIPTS);
    tcase_add_loop_test(tests, test_losses, 0, SCRIPTS);
    suite_add_tcase(suite, tests);
    return dho_check_run(suite);
}
