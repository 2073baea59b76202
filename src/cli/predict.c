/* dho predict */
#include "predict/predict.h"

#include "cli/cli.h"

#include <math.h>
#include <stdlib.h>

typedef struct predict_arguments {
    dho_checkpoint_choice model;
    const char *list, *html, *threshold, *accept;
    dho_arguments inputs;
    int top, reject;
    int64_t pictures;
    float temperature;
    bool csv;
    dho_config_arguments from;
} predict_arguments;

#define AT(member) offsetof(predict_arguments, member)

static const dho_option options[] = {
    DHO_OPTION(
        "MODEL", NULL, AT(model.path),
        "the folder of a run (its newest checkpoint), one of its checkpoints, or a file of dho "
        "export",
        .required = true),
    DHO_OPTION("IMAGE|FOLDER|TAR|-", NULL, AT(inputs),
               "images, folders of any depth, tars; -: names of images on standard input",
               DHO_OPTION_WORDS, .high = 1 << 20, .before = "[", .after = "]"),
    DHO_OPTIONS_CHOICE(AT(model)),
    DHO_OPTION("--list", "FILE", AT(list), "a file with names of images, one a line"),
    DHO_OPTION("--top", "K", AT(top), "so many classes of each image", DHO_OPTION_INT, 1, 1 << 20,
               "5"),
    DHO_OPTION_TEMPERATURE(AT(temperature)),
    DHO_OPTION("--csv", NULL, AT(csv), "CSV on standard output, instead of JSON lines"),
    DHO_OPTION("--html", "FILE", AT(html), "also writes a page with thumbnails"),
    DHO_OPTION("--pictures", "N", AT(pictures), "the first so many images are on the page",
               DHO_OPTION_INT64, 0, DHO_PREDICT_MAX_PICTURES, "200", .needs = "--html"),
    DHO_OPTION("--reject", "energy|probability", AT(reject),
               "by what an image is \"none of these\" classes; with --threshold or --accept",
               DHO_OPTION_CHOICE),
    DHO_OPTION("--threshold", "X", AT(threshold),
               "the largest energy, or the smallest probability, that is taken",
               .needs = "--reject"),
    DHO_OPTION("--accept", "95%", AT(accept),
               "the threshold that takes so much of the images of the run's evaluation",
               .needs = "--reject"),
    DHO_OPTION_SET(AT(from)),
};

/* "95%" or "95". */
static dho_status read_percent(const char *text, double *out)
{
    char *end;
    *out = strtod(text, &end) / 100;
    if (end != text && *end == '%') end++;
    if (end != text && *end == '\0' && *out >= 0.01 && *out <= 1) return DHO_OK;
    return dho_fail(DHO_ERR_CONFIG, "--accept: expected 1%% to 100%%, got \"%s\"", text);
}

static dho_status check(const predict_arguments *from, dho_predict_options *out)
{
    if (from->inputs.count == 0 && from->list == NULL) return dho_fail_usage(&dho_command_predict);
    if (from->reject == 0) return DHO_OK;
    if ((from->threshold != NULL) == (from->accept != NULL))
        return dho_fail(DHO_ERR_CONFIG, "--reject: needs either --threshold or --accept");
    if (from->accept != NULL) return read_percent(from->accept, &out->accept);
    char *end;
    out->threshold = strtod(from->threshold, &end);
    if (end != from->threshold && *end == '\0' && isfinite(out->threshold)) return DHO_OK;
    return dho_fail(DHO_ERR_CONFIG, "--threshold: expected a number, got \"%s\"", from->threshold);
}

static dho_status predict(void *given, dho_comm *comm)
{
    predict_arguments *from = given;
    dho_predict_options what = {.model = from->model,
                                .inputs = (const char *const *)from->inputs.values,
                                .input_count = (size_t)from->inputs.count,
                                .list = from->list,
                                .top = from->top,
                                .temperature = (double)from->temperature,
                                .csv = from->csv,
                                .html = from->html,
                                .pictures = from->pictures,
                                .reject = (dho_reject)from->reject};
    dho_config config;
    DHO_TRY(check(from, &what));
    DHO_TRY(dho_cli_load_config_or_defaults(&from->from, comm, &config));
    const dho_status status = dho_predict(&config, comm, &what);
    dho_config_free(&config);
    return status;
}

const dho_command dho_command_predict = {
    .name = "predict",
    .line = "the classes of images, as JSON lines, CSV or a page (docs/predict.md)",
    .help =
        "All ranks share the images; the lines are in their order. An image that cannot be read "
        "has a line with the error, and the exit code is then 1.",
    DHO_OPTIONS(options),
    .size = sizeof(predict_arguments),
    .run = predict,
};
