/* dho teacher tip-adapter */
#include "cli/cli.h"
#include "dho/evaluate.h"
#include "dho/file.h"
#include "dho/run_setup.h"
#include "dho/teacher_cache.h"

#include <math.h>

typedef struct tip_arguments {
    dho_config_arguments from;
    dho_tip_sources files;
    dho_tip_options tip;
    const char *out, *scale, *steps;
} tip_arguments;

#define AT(member) offsetof(tip_arguments, member)
#define TRAINING .needs = "--fine-tune"
enum { MAX_STEPS = 10000 };

static const dho_option options[] = {
    DHO_OPTION("--out", "FILE", AT(out), "the head, safetensors", .required = true),
    DHO_OPTIONS_CONFIG(AT(from), "(", " |"),
    DHO_OPTION("--shots", "FILE", AT(files.shots),
               "the few-shot embeddings, instead of those of the cache", .before = ""),
    DHO_OPTION("--values", "FILE", AT(files.values),
               "their labels, when --shots is Tip-Adapter's keys_Nshots.pt", .before = "[",
               .after = "])", .needs = "--shots"),
    DHO_OPTION("--head", "FILE", AT(files.head),
               "the head it starts from (default: that of the configuration's cache)"),
    DHO_OPTION("--alpha", "X", AT(tip.alpha), "weight of the keys", DHO_OPTION_NUMBER, 0, 1000000,
               "1.17"),
    DHO_OPTION("--beta", "X", AT(tip.beta), "sharpness of the keys", DHO_OPTION_NUMBER, 0, 1000000,
               "1"),
    DHO_OPTION("--no-normalise", NULL, AT(files.no_normalise),
               "takes the keys of --shots with the length they have"),
    DHO_OPTION("--search", "FILE", AT(files.search), "chooses alpha and beta on these embeddings",
               .before = "["),
    DHO_OPTION("--search-every", "N", AT(tip.every), "on every N-th row of them only",
               DHO_OPTION_INT, 1, 1000000, "1", .needs = "--search", .before = "[", .after = "] |"),
    DHO_OPTION("--hold-out", "N", AT(tip.hold_out),
               "chooses alpha and beta on N shots of each class", DHO_OPTION_INT, 1, 1000000,
               .before = "", .after = "]"),
    DHO_OPTION("--search-scale", "B,A", AT(scale),
               "largest beta and alpha of the search (default 7,3)",
               .needs = "--search|--hold-out"),
    DHO_OPTION("--search-steps", "B,A", AT(steps),
               "values of beta and alpha of the search (default 200,20)",
               .needs = "--search|--hold-out"),
    DHO_OPTION("--test", "FILE", AT(files.test), "embeddings on which the result is measured"),
    DHO_OPTION("--fine-tune", NULL, AT(tip.fine_tune), "trains the keys (Tip-Adapter-F)",
               .before = "["),
    DHO_OPTION("--epochs", "N", AT(tip.training.epochs), "of the training", DHO_OPTION_INT, 1,
               100000, "20", TRAINING),
    DHO_OPTION("--batch", "N", AT(tip.training.batch), "rows of a step", DHO_OPTION_INT, 1, 1 << 20,
               "256", TRAINING),
    DHO_OPTION("--lr", "X", AT(tip.training.lr), "AdamW's learning rate", DHO_OPTION_NUMBER, 0,
               1000, "1e-3", TRAINING),
    DHO_OPTION("--eps", "X", AT(tip.training.eps), "AdamW's", DHO_OPTION_NUMBER, 0, 1, "1e-4",
               TRAINING),
    DHO_OPTION("--weight-decay", "X", AT(tip.training.weight_decay), "AdamW's", DHO_OPTION_NUMBER,
               0, 1000, "0.01", TRAINING),
    DHO_OPTION("--seed", "N", AT(tip.training.seed), "of the order of the rows", DHO_OPTION_INT64,
               0, INT64_MAX, "0", TRAINING, .before = "[", .after = "]]"),
    DHO_OPTION_SET(AT(from)),
};

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

static dho_status parse_grid(const tip_arguments *from, dho_tip_grid *out)
{
    double steps[2] = {200, 20};
    *out = (dho_tip_grid){.scale = {7, 3}};
    DHO_TRY(parse_pair("--search-scale", from->scale, out->scale));
    DHO_TRY(parse_pair("--search-steps", from->steps, steps));
    for (int i = 0; i < 2; i++) {
        if (floor(steps[i]) != steps[i] || steps[i] < 1)
            return dho_fail(DHO_ERR_CONFIG, "--search-steps: expected whole numbers, got \"%s\"",
                            from->steps);
        out->steps[i] = (int)steps[i];
    }
    return DHO_OK;
}

static dho_status check(const tip_arguments *from)
{
    const dho_tip_sources *files = &from->files;
    if ((files->shots != NULL) == (dho_cli_has_config(&from->from)))
        return dho_fail(DHO_ERR_CONFIG,
                        "where are the few-shot embeddings? give --shots FILE, or -c CONFIG for "
                        "those of its cache");
    if (files->shots != NULL && files->head == NULL)
        return dho_fail(DHO_ERR_CONFIG, "--head: is missing");
    if (files->search != NULL && from->tip.hold_out > 0)
        return dho_fail(DHO_ERR_CONFIG, "--search and --hold-out: choose one");
    if (files->no_normalise && (files->shots == NULL || from->tip.fine_tune))
        return dho_fail(DHO_ERR_CONFIG,
                        "--no-normalise: is for keys in a file that are not trained any more");
    return DHO_OK;
}

static void print_table(const dho_tip_result *result)
{
    if (result->line_count == 0) return;
    printf("%-28s %7s %7s", "", "alpha", "beta");
    for (int i = 0; i < DHO_TIP_COLUMNS; i++) {
        char cell[64];
        const dho_tip_column *column = &result->columns[i];
        snprintf(cell, sizeof cell, "%s n=%lld", column->name, (long long)column->rows);
        if (column->rows > 0) printf("  %18s", cell);
    }
    for (int k = 0; k < result->line_count; k++) {
        const dho_tip_line *line = &result->lines[k];
        printf("\n%-28s", line->name);
        if (line->has_keys)
            printf(" %7.4g %7.4g", (double)line->alpha, (double)line->beta);
        else
            printf(" %7s %7s", "-", "-");
        for (int i = 0; i < DHO_TIP_COLUMNS; i++) {
            const int64_t n = result->columns[i].rows, right = line->right[i];
            double low, high;
            if (n == 0) continue;
            dho_wilson_interval(right, n, &low, &high);
            printf("  %6.2f [%.1f %.1f]", 100 * (double)right / (double)n, 100 * low, 100 * high);
        }
    }
    printf("\ntop-1 %% [95 %% interval]\n");
}

/* By rank 0. */
static dho_status save(const dho_tip_result *result, const char *path)
{
    char word[96];
    print_table(result);
    DHO_TRY(dho_tip_save(result, path));
    dho_teacher_head_describe(&result->head, word, sizeof word);
    printf("%s: %s, alpha %.4g, beta %.4g\n", path, word, (double)result->head.alpha,
           (double)result->head.beta);
    fflush(stdout);
    return DHO_OK;
}

static dho_status open_local(const tip_arguments *from, const dho_config *config,
                             dho_tip_inputs *inputs, dho_compute **compute)
{
    DHO_TRY(dho_tip_inputs_load(inputs, &from->files, config));
    return dho_compute_create(compute, config != NULL ? config->compute.backend : DHO_BACKEND_AUTO,
                              DHO_DTYPE_FP32,
                              dho_setup_threads(config != NULL ? config->compute.threads : 0));
}

static dho_status tip_adapter(void *given, dho_comm *comm)
{
    tip_arguments *from = given;
    const bool configured = dho_cli_has_config(&from->from), first = dho_comm_rank(comm) == 0;
    dho_config config = {0};
    dho_tip_inputs inputs = {0};
    dho_tip_result result = {0};
    dho_compute *compute = NULL;
    dho_status status;
    DHO_TRY(check(from));
    DHO_TRY(parse_grid(from, &from->tip.grid));
    if (configured) DHO_TRY(dho_cli_load_config(&from->from, comm, &config));
    DHO_TRY_GOTO(dho_comm_agree(
        comm, dho_input_status(open_local(from, configured ? &config : NULL, &inputs, &compute))));
    DHO_TRY_GOTO(dho_comm_agree(comm, first ? dho_file_check_place(from->out) : DHO_OK));
    DHO_TRY_GOTO(dho_tip_run(compute, comm, &inputs, &from->tip, &result));
    status = dho_comm_agree(comm, first ? save(&result, from->out) : DHO_OK);
fail:
    dho_teacher_head_free(&result.head);
    dho_tip_inputs_free(&inputs);
    dho_compute_destroy(&compute);
    dho_config_free(&config);
    return status;
}

const dho_command dho_command_teacher_tip_adapter = {
    .name = "teacher tip-adapter",
    .line = "a head with keys out of few labelled images (docs/tip-adapter.md)",
    .help = "teacher.head of a configuration puts it on any cache of embeddings.",
    DHO_OPTIONS(options),
    .size = sizeof(tip_arguments),
    .run = tip_adapter,
};
