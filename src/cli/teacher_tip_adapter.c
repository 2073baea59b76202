/* dho teacher tip-adapter: a head with keys, built, trained and chosen. docs/tip-adapter.md. */
#include "cli/teacher.h"
#include "cli/tip_report.h"
#include "dho/alloc.h"
#include "dho/dataset.h"
#include "dho/log.h"
#include "dho/run_setup.h"
#include "dho/teacher_cache.h"
#include "dho/tip_adapter.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_EPOCHS = 100000, MAX_BATCH = 1 << 20, MAX_STEPS = 10000, MAX_EVERY = 1000000 };

typedef struct tip_options {
    dho_config_arguments from;
    const char *head, *out, *shots, *values, *search, *test; /* files; NULL: not given */
    bool no_normalise, fine_tune;
    float alpha, beta; /* of the training, and of the result unless a search chooses others */
    long long every, hold_out;
    dho_tip_grid grid;
    dho_tip_training training;
} tip_options;

/* What a run works on; the same on all ranks. */
typedef struct tip_run {
    const tip_options *options;
    dho_comm *comm;
    dho_compute *compute;
    dho_teacher_head base;       /* owned: without keys */
    dho_shots shots;             /* owned: all of them */
    dho_shots kept, held;        /* owned: with --hold-out, the parts of `shots` */
    dho_shots search, test;      /* owned; count 0: none */
    dho_tip_candidate trial[2];  /* owned: of `kept`, to choose with */
    dho_tip_candidate result[2]; /* owned: of all shots; [0] training-free, [1] fine-tuned */
    char name[64];               /* of the shots, for messages */
} tip_run;

/* --- arguments --- */

static dho_status parse_number(const char *option, const char *text, double low, double high,
                               double *out)
{
    char *end;
    if (text == NULL) return DHO_OK;
    const double value = strtod(text, &end);
    if (end == text || *end != '\0' || !(value >= low) || !(value <= high))
        return dho_fail(DHO_ERR_CONFIG, "%s: expected a number from %g to %g, got \"%s\"", option,
                        low, high, text);
    *out = value;
    return DHO_OK;
}

static dho_status parse_count(const char *option, const char *text, long long high, long long *out)
{
    return text != NULL ? dho_cli_integer(option, text, 1, high, out) : DHO_OK;
}

/* "B,A": of beta and of alpha, as Tip-Adapter's own configurations have them. */
static dho_status parse_pair(const char *option, const char *text, double out[2])
{
    char after;
    if (text == NULL) return DHO_OK;
    if (sscanf(text, "%lf,%lf%c", &out[0], &out[1], &after) != 2 || !(out[0] >= 0.1) ||
        !(out[1] >= 0.1) || out[0] > MAX_STEPS || out[1] > MAX_STEPS)
        return dho_fail(DHO_ERR_CONFIG,
                        "%s: expected BETA,ALPHA, two numbers from 0.1 to %d, got \"%s\"", option,
                        MAX_STEPS, text);
    return DHO_OK;
}

/* The texts of options that are numbers. */
typedef struct number_texts {
    const char *alpha, *beta, *every, *hold_out, *scale, *steps;
    const char *epochs, *batch, *lr, *eps, *decay, *seed;
} number_texts;

static dho_status parse_numbers(const number_texts *texts, tip_options *out)
{
    double alpha = 1.17, beta = 1, scale[2] = {7, 3}, steps[2] = {200, 20};
    long long epochs = 20, batch = 256, seed = 0;
    dho_tip_training *training = &out->training;
    *training = (dho_tip_training){.lr = 1e-3, .eps = 1e-4, .weight_decay = 0.01};
    out->every = 1;
    DHO_TRY(parse_number("--alpha", texts->alpha, 0, 1e6, &alpha));
    DHO_TRY(parse_number("--beta", texts->beta, 0, 1e6, &beta));
    DHO_TRY(parse_count("--search-every", texts->every, MAX_EVERY, &out->every));
    DHO_TRY(parse_count("--hold-out", texts->hold_out, MAX_EVERY, &out->hold_out));
    DHO_TRY(parse_pair("--search-scale", texts->scale, scale));
    DHO_TRY(parse_pair("--search-steps", texts->steps, steps));
    DHO_TRY(parse_count("--epochs", texts->epochs, MAX_EPOCHS, &epochs));
    DHO_TRY(parse_count("--batch", texts->batch, MAX_BATCH, &batch));
    DHO_TRY(parse_number("--lr", texts->lr, 0, 1e3, &training->lr));
    DHO_TRY(parse_number("--eps", texts->eps, 0, 1, &training->eps));
    DHO_TRY(parse_number("--weight-decay", texts->decay, 0, 1e3, &training->weight_decay));
    if (texts->seed != NULL) DHO_TRY(dho_cli_integer("--seed", texts->seed, 0, INT64_MAX, &seed));
    if (floor(steps[0]) != steps[0] || floor(steps[1]) != steps[1] || steps[0] < 1 || steps[1] < 1)
        return dho_fail(DHO_ERR_CONFIG, "--search-steps: expected whole numbers, got \"%s\"",
                        texts->steps);
    out->alpha = (float)alpha;
    out->beta = (float)beta;
    out->grid = (dho_tip_grid){{scale[0], scale[1]}, {(int)steps[0], (int)steps[1]}};
    training->epochs = (int)epochs;
    training->batch = (int)batch;
    training->seed = (uint64_t)seed;
    return DHO_OK;
}

static dho_status check_options(const tip_options *options, const number_texts *texts)
{
    const bool search = options->search != NULL || options->hold_out > 0;
    if (options->out == NULL) return dho_fail(DHO_ERR_CONFIG, "--out: is missing");
    if ((options->shots != NULL) == (options->from.path != NULL))
        return dho_fail(DHO_ERR_CONFIG,
                        "where are the few-shot embeddings? give --shots FILE, or -c CONFIG for "
                        "those of its cache");
    if (options->shots != NULL && options->head == NULL)
        return dho_fail(DHO_ERR_CONFIG, "--head: is missing");
    if (options->values != NULL && options->shots == NULL)
        return dho_fail(DHO_ERR_CONFIG, "--values: needs --shots, the keys that they belong to");
    if (options->search != NULL && options->hold_out > 0)
        return dho_fail(DHO_ERR_CONFIG, "--search and --hold-out: choose one");
    if (texts->every != NULL && options->search == NULL)
        return dho_fail(DHO_ERR_CONFIG, "--search-every: needs --search");
    if ((texts->scale != NULL || texts->steps != NULL) && !search)
        return dho_fail(DHO_ERR_CONFIG,
                        "--search-scale and --search-steps: need --search or --hold-out");
    if (options->no_normalise && (options->shots == NULL || options->fine_tune))
        return dho_fail(DHO_ERR_CONFIG,
                        "--no-normalise: is for keys in a file that are not trained any more");
    if (!options->fine_tune &&
        (texts->epochs || texts->batch || texts->lr || texts->eps || texts->decay || texts->seed))
        return dho_fail(DHO_ERR_CONFIG,
                        "--epochs, --batch, --lr, --eps, --weight-decay, --seed: need --fine-tune");
    return DHO_OK;
}

static dho_status parse_options(const dho_arguments *arguments, tip_options *out)
{
    number_texts texts = {0};
    const dho_option options[] = {
        {.name = "--head", .value = &out->head},
        {.name = "--out", .value = &out->out},
        {.name = "--shots", .value = &out->shots},
        {.name = "--values", .value = &out->values},
        {.name = "--search", .value = &out->search},
        {.name = "--test", .value = &out->test},
        {.name = "--no-normalise", .flag = &out->no_normalise},
        {.name = "--fine-tune", .flag = &out->fine_tune},
        {.name = "--alpha", .value = &texts.alpha},
        {.name = "--beta", .value = &texts.beta},
        {.name = "--search-every", .value = &texts.every},
        {.name = "--hold-out", .value = &texts.hold_out},
        {.name = "--search-scale", .value = &texts.scale},
        {.name = "--search-steps", .value = &texts.steps},
        {.name = "--epochs", .value = &texts.epochs},
        {.name = "--batch", .value = &texts.batch},
        {.name = "--lr", .value = &texts.lr},
        {.name = "--eps", .value = &texts.eps},
        {.name = "--weight-decay", .value = &texts.decay},
        {.name = "--seed", .value = &texts.seed},
    };
    DHO_TRY(dho_cli_parse(arguments, &out->from, options, sizeof options / sizeof *options));
    DHO_TRY(parse_numbers(&texts, out));
    return check_options(out, &texts);
}

/* --- the embeddings --- */

static dho_status load_labelled(tip_run *run, const dho_config *config, dho_cache *cache)
{
    dho_dataset dataset = {0};
    dho_id_list ids = {0};
    int64_t *labels = NULL;
    dho_status status;
    DHO_TRY_GOTO(dho_setup_dataset(config, &dataset));
    DHO_TRY_GOTO(dho_cache_check_dataset(cache, dataset.fingerprint, dataset.count));
    DHO_TRY_GOTO(dho_setup_labelled(config, &dataset, &ids));
    DHO_TRY_GOTO(dho_alloc(&labels, (size_t)ids.count, sizeof *labels, "labels"));
    for (int64_t i = 0; i < ids.count; i++) labels[i] = dataset.samples[ids.ids[i]].label;
    status = dho_cache_read_shots(cache, ids.ids, labels, ids.count, &run->shots);
fail:
    dho_free(labels);
    dho_id_list_free(&ids);
    dho_dataset_free(&dataset);
    return status;
}

static dho_status load_from_cache(tip_run *run, const dho_config *config)
{
    const char *folder = config->teacher.cache;
    dho_cache *cache = NULL;
    char *own = NULL;
    dho_status status;
    if (folder[0] == '\0')
        return dho_fail(DHO_ERR_CONFIG, "teacher.cache: is not set (whose embeddings?)");
    DHO_TRY_GOTO(dho_cache_open(&cache, folder));
    const dho_cache_spec *spec = dho_cache_get_spec(cache);
    if (spec->payload != DHO_CACHE_EMBEDDING) {
        status = dho_fail(DHO_ERR_CONFIG, "%s: holds logits; Tip-Adapter needs embeddings", folder);
        goto fail;
    }
    DHO_TRY_GOTO(dho_asprintf(&own, "%s/head.safetensors", folder));
    const char *head = run->options->head != NULL ? run->options->head : own;
    DHO_TRY_GOTO(dho_teacher_head_load(&run->base, head, spec->classes, spec->dim));
    status = load_labelled(run, config, cache);
    snprintf(run->name, sizeof run->name, "the cache's labelled images");
fail:
    dho_free(own);
    dho_cache_close(&cache);
    return status;
}

static dho_status load_set(const tip_run *run, const char *path, dho_shots *out)
{
    if (path == NULL) return DHO_OK;
    return dho_shots_load(out, path, run->base.dim, run->base.classes, true);
}

static dho_status load_shots(tip_run *run)
{
    const tip_options *options = run->options;
    const int dim = run->base.dim, classes = run->base.classes;
    const bool normalise = !options->no_normalise;
    if (options->values == NULL)
        return dho_shots_load(&run->shots, options->shots, dim, classes, normalise);
    return dho_shots_load_torch(&run->shots, options->shots, options->values, dim, classes,
                                normalise);
}

static dho_status load_local(tip_run *run, const dho_config *config)
{
    const tip_options *options = run->options;
    const int threads = dho_setup_threads(config != NULL ? config->compute.threads : 0);
    const dho_backend backend = config != NULL ? config->compute.backend : DHO_BACKEND_AUTO;
    if (config != NULL) {
        DHO_TRY(load_from_cache(run, config));
    } else {
        DHO_TRY(dho_teacher_head_load(&run->base, options->head, 0, 0));
        DHO_TRY(load_shots(run));
        snprintf(run->name, sizeof run->name, "%.63s", options->shots);
    }
    DHO_TRY(dho_teacher_head_judge(&run->base,
                                   options->head != NULL ? options->head : config->teacher.cache));
    dho_teacher_head_drop_keys(&run->base);
    run->base.alpha = options->alpha;
    run->base.beta = options->beta;
    DHO_TRY(load_set(run, options->search, &run->search));
    DHO_TRY(load_set(run, options->test, &run->test));
    if (options->hold_out > 0)
        DHO_TRY(dho_shots_split(&run->shots, run->base.classes, (int)options->hold_out, &run->kept,
                                &run->held));
    return dho_compute_create(&run->compute, backend, DHO_DTYPE_FP32, threads);
}

/* --- the work --- */

static void log_epoch(void *context, int epoch, double loss, double accuracy)
{
    const tip_options *options = context;
    dho_info("Tip-Adapter-F: epoch %d/%d: loss %.4f, %.2f %% of the shots right", epoch + 1,
             options->training.epochs, loss, 100 * accuracy);
}

/* The two heads of some shots: candidates[1] only with --fine-tune. Rank 0 trains, the others get
 * the keys. */
static dho_status make_heads(tip_run *run, const dho_shots *shots, dho_tip_candidate candidates[2])
{
    const tip_options *options = run->options;
    const float *keys = shots->keys != NULL ? shots->keys : shots->features;
    dho_tip_training training = options->training;
    training.on_epoch = log_epoch;
    training.context = (void *)options;
    for (int i = 0; i < 1 + options->fine_tune; i++) {
        dho_teacher_head *head = &candidates[i].head;
        candidates[i].alpha = options->alpha;
        candidates[i].beta = options->beta;
        dho_status status = dho_teacher_head_copy(head, &run->base);
        if (status == DHO_OK)
            status = dho_teacher_head_set_keys(head, shots->count, keys, shots->labels, run->name);
        if (status == DHO_OK && i == 1 && dho_comm_rank(run->comm) == 0)
            status = dho_tip_fine_tune(run->compute, head, shots, &training);
        DHO_TRY(dho_comm_agree(run->comm, status));
        DHO_TRY(dho_comm_broadcast(run->comm, head->keys,
                                   (size_t)head->key_count * (size_t)head->dim * sizeof(float), 0));
    }
    return DHO_OK;
}

static dho_status save_result(tip_run *run, dho_tip_candidate *result, const char *chosen)
{
    const tip_options *options = run->options;
    const dho_tip_training *training = &options->training;
    char how[256] = "none";
    if (options->fine_tune)
        snprintf(how, sizeof how,
                 "epochs %d, batch %d, lr %g, eps %g, weight decay %g, seed %llu, alpha %g, beta "
                 "%g",
                 training->epochs, training->batch, training->lr, training->eps,
                 training->weight_decay, (unsigned long long)training->seed, (double)options->alpha,
                 (double)options->beta);
    const char *const metadata[] = {"kind",
                                    options->fine_tune ? "Tip-Adapter-F" : "Tip-Adapter",
                                    "training",
                                    how,
                                    "alpha and beta",
                                    chosen,
                                    NULL};
    char word[96];
    result->head.alpha = result->alpha;
    result->head.beta = result->beta;
    DHO_TRY(dho_teacher_head_check(&result->head, DHO_ERR_NUMERIC, options->out));
    DHO_TRY(dho_teacher_head_save(options->out, &result->head, metadata, NULL));
    dho_teacher_head_describe(&result->head, word, sizeof word);
    printf("%s: %s, alpha %.4g, beta %.4g", options->out, word, (double)result->alpha,
           (double)result->beta);
    fflush(stdout);
    return DHO_OK;
}

static dho_status run_all(tip_run *run)
{
    const tip_options *options = run->options;
    const int count = 1 + options->fine_tune;
    const dho_tip_rows all = {1, false}, chosen = {(int)options->every, false};
    const dho_tip_rows others = {(int)options->every, true};
    char how[160] = "given";
    dho_tip_candidate *trial = run->result;
    DHO_TRY(make_heads(run, &run->shots, run->result));
    if (options->hold_out > 0) {
        DHO_TRY(make_heads(run, &run->kept, run->trial));
        trial = run->trial;
    }
    const dho_shots *set = options->hold_out > 0 ? &run->held : &run->search;
    const dho_tip_context context = {run->compute, run->comm, &run->base, options->alpha,
                                     options->beta};
    for (int i = 0; i < count && set->count > 0; i++) {
        DHO_TRY(dho_tip_choose(&context, &options->grid, set, chosen, &trial[i]));
        run->result[i].alpha = trial[i].alpha;
        run->result[i].beta = trial[i].beta;
        snprintf(how, sizeof how, "chosen on %lld %s: %lld right",
                 (long long)dho_tip_row_count(set, chosen),
                 options->hold_out > 0 ? "held-out shots" : "rows of a search set",
                 (long long)trial[i].right);
    }
    const dho_tip_column columns[] = {
        {options->hold_out > 0 ? "held out" : "chosen on", set, chosen, trial},
        {"not chosen on", &run->search, others, run->result},
        {"test", &run->test, all, run->result}};
    DHO_TRY(dho_tip_report(&context, columns, 3, count));
    return dho_comm_agree(run->comm, dho_comm_rank(run->comm) == 0
                                         ? save_result(run, &run->result[count - 1], how)
                                         : DHO_OK);
}

static void close_run(tip_run *run)
{
    for (int i = 0; i < 2; i++) {
        dho_teacher_head_free(&run->trial[i].head);
        dho_teacher_head_free(&run->result[i].head);
    }
    dho_teacher_head_free(&run->base);
    dho_shots_free(&run->shots);
    dho_shots_free(&run->kept);
    dho_shots_free(&run->held);
    dho_shots_free(&run->search);
    dho_shots_free(&run->test);
    dho_compute_destroy(&run->compute);
}

dho_status dho_teacher_tip_adapter(const dho_arguments *arguments, dho_comm *comm)
{
    tip_options options = {0};
    dho_config config = {0};
    tip_run run = {.options = &options, .comm = comm};
    DHO_TRY(parse_options(arguments, &options));
    const bool configured = options.from.path != NULL;
    if (configured) DHO_TRY(dho_cli_load_config(&options.from, comm, &config));
    dho_status status =
        dho_comm_agree(comm, dho_input_status(load_local(&run, configured ? &config : NULL)));
    if (status == DHO_OK) status = dho_teacher_check_out(options.out, comm);
    if (status == DHO_OK) status = run_all(&run);
    close_run(&run);
    dho_config_free(&config);
    return status;
}
