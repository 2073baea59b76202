/* What dho train --dry-run says. */
#include "cli/cli.h"

#include <inttypes.h>

/* "12.3 MiB", "1.2 GiB". */
static const char *size_of(int64_t bytes, char out[32])
{
    if (bytes == INT64_MAX)
        snprintf(out, 32, "an unknown size");
    else if (bytes >= INT64_C(1) << 30)
        snprintf(out, 32, "%.1f GiB", (double)bytes / 0x1p30);
    else
        snprintf(out, 32, "%.1f MiB", (double)bytes / 0x1p20);
    return out;
}

static const char *time_of(double seconds, char out[32])
{
    const int64_t minutes = (int64_t)(seconds / 60 + 0.5);
    if (seconds < 120)
        snprintf(out, 32, seconds < 10 ? "%.1f s" : "%.0f s", seconds);
    else if (minutes < 120)
        snprintf(out, 32, "%" PRId64 " min", minutes);
    else
        snprintf(out, 32, "%" PRId64 " h %02d min", minutes / 60, (int)(minutes % 60));
    return out;
}

static void print_part(const char *name, int64_t bytes)
{
    char size[32];
    if (bytes > 0) printf(", %s %s", name, size_of(bytes, size));
}

static void print_memory(const dho_dry_run *run)
{
    char a[32], b[32], c[32];
    const int64_t rest = run->rank_bytes - run->weights - run->gradients - run->optimizer -
                         run->activations - run->average - run->evaluation - run->copies;
    printf("memory   %s a rank: weights %s, gradients %s", size_of(run->rank_bytes, a),
           size_of(run->weights, b), size_of(run->gradients, c));
    print_part("optimizer", run->optimizer);
    print_part("average", run->average);
    print_part("activations", run->activations);
    print_part("evaluation", run->evaluation);
    print_part("copies for checkpoints", run->copies);
    printf(",\n         images decoded ahead and the rest %s (the most that was allocated)\n",
           size_of(rest, a));
    if (run->ranks > 1)
        printf("         %s for all %d ranks together\n", size_of(run->all_bytes, a), run->ranks);
    printf("         rank 0's machine has %s left beside\n", size_of(run->memory_left, a));
}

static void print_time(const dho_dry_run *run, const dho_config *config)
{
    char total[32];
    const int64_t left = run->total_steps - run->first_step;
    printf("time     %.4g s a step: the mean of %" PRId64
           " step%s on the real images, run just now "
           "on %d rank%s x %d\n         thread%s after %" PRId64 " to warm up\n",
           run->step_seconds, run->timed, run->timed == 1 ? "" : "s", run->ranks,
           run->ranks == 1 ? "" : "s", run->threads, run->threads == 1 ? "" : "s", run->warm_up);
    const double steps = run->step_seconds * (double)left;
    const double evaluations = run->evaluation_seconds * (double)run->evaluations;
    printf("         %s for %" PRId64 " step%s, without checkpoints%s\n", time_of(steps, total),
           left, left == 1 ? "" : "s", run->evaluations > 0 ? "" : " and evaluations");
    if (run->evaluations == 0) return;
    printf("         %s for %" PRId64 " evaluation%s on %s", time_of(evaluations, total),
           run->evaluations, run->evaluations == 1 ? "" : "s", dho_config_eval_on(config));
    printf(" of %s each; ", time_of(run->evaluation_seconds, total));
    printf("%s together\n", time_of(steps + evaluations, total));
}

static void print_files(const dho_dry_run *run, const dho_config *config)
{
    char a[32], b[32], c[32];
    const bool best = config->train.keep_best != DHO_BEST_NONE;
    printf("writes   %s: at most %" PRId64 " checkpoint%s of %s (train.checkpoint_keep: %" PRId64
           "%s%s),\n",
           config->out, run->checkpoints, run->checkpoints == 1 ? "" : "s",
           size_of(run->checkpoint_bytes, a), config->train.checkpoint_keep,
           best ? ", the best" : "",
           run->checkpoints > config->train.checkpoint_keep + best
               ? ", and the one that is being written"
               : "");
    printf("         metrics.jsonl about %s%s; config.yaml, sessions.jsonl, log.txt.\n"
           "         The disk has %s left\n",
           size_of(run->metrics_bytes, b),
           config->train.tensorboard ? ", the same as TensorBoard's event files" : "",
           size_of(run->disk_left, c));
    if (run->checkpoints * run->checkpoint_bytes + run->metrics_bytes > run->disk_left)
        printf("         WARNING: that is not enough\n");
}

static void print_images(const dho_dry_run *run)
{
    printf("images   %" PRId64 " of %d classes, %" PRId64 " labelled", run->images, run->classes,
           run->labelled);
    if (run->held_out > 0) printf(", %" PRId64 " held out", run->held_out);
    if (run->heap > 0) printf("; %" PRId64 " more without a class", run->heap);
    printf("\n");
}

void dho_cli_print_dry_run(const dho_dry_run *run, const dho_config *config)
{
    printf("student  %s, method %s: %" PRId64 " parameters\n", config->student.model,
           dho_method_name(config->method), run->parameters);
    print_images(run);
    printf("length   %s\n", run->length);
    if (run->first_step > 0)
        printf("         the run goes on from step %" PRId64 "\n", run->first_step);
    print_memory(run);
    if (run->step_seconds > 0) {
        print_time(run, config);
        print_files(run, config);
    } else {
        printf("time     none: all %" PRId64 " steps are done\n", run->total_steps);
    }
    printf("nothing was written: dho train without --dry-run starts the run\n");
    fflush(stdout);
}
