/* The metrics: DHO_METRIC(ID, columns of dho_metric_row). dho/metrics.h includes this list for the
 * index DHO_METRIC_ID and train/metrics.c for the table. The order of the rows is that of the keys
 * in metrics.jsonl, of the progress line and of a report's curves.
 *
 * DHO_METRIC_SCORE(ID, WORD, columns): a metric of an evaluation that train.keep_best can name by
 * its word; in metrics.jsonl it is eval_WORD. dho/config.h includes the list for these words. No
 * include guard: it is read more than once. */
#ifndef DHO_METRIC_SCORE
#define DHO_METRIC_SCORE(id, word, ...) \
    DHO_METRIC(id, .name = "eval_" #word, .evaluation = true, __VA_ARGS__)
#endif
DHO_METRIC(EPOCH, .name = "epoch", .what = "Epochs done", .line = DHO_LINE_LAST,
           .written = DHO_RUNS_ALL, .printed = DHO_RUNS_ALL, .print = " epoch %.2f")
DHO_METRIC(LOSS, .name = "loss", .what = "Loss, weighted sum", .unit = "nats",
           .step = DHO_STEP_MEAN, .written = DHO_RUNS_ALL, .printed = DHO_RUNS_ALL,
           .print = " | loss %.4f", .chart = DHO_CHART_TRAINING, .smooth = true,
           .log_if_wide = true)
DHO_METRIC(CE, .name = "ce", .what = "Cross-entropy of labelled images", .unit = "nats",
           .step = DHO_STEP_MEAN, .written = DHO_RUNS_ALL, .printed = DHO_RUNS_ALL,
           .print = " (ce %.3f", .chart = DHO_CHART_TRAINING, .smooth = true, .log_if_wide = true)
DHO_METRIC(KD_LABELLED, .name = "kd_labelled", .what = "Divergence from the teacher, labelled",
           .unit = "nats", .step = DHO_STEP_MEAN, .written = DHO_RUNS_ALL,
           .printed = DHO_RUNS_WITH_TEACHER, .print = ", kd %.3f", .chart = DHO_CHART_TRAINING,
           .smooth = true, .log_if_wide = true)
DHO_METRIC(KD_UNLABELLED, .name = "kd_unlabelled", .what = "Divergence from the teacher, unlabelled",
           .unit = "nats", .step = DHO_STEP_MEAN, .written = DHO_RUNS_ALL,
           .printed = DHO_RUNS_WITH_TEACHER, .print = " + %.3f", .chart = DHO_CHART_TRAINING,
           .smooth = true, .log_if_wide = true)
DHO_METRIC(FEATURE_LABELLED, .name = "feature_labelled", .what = "Feature distance, labelled",
           .step = DHO_STEP_MEAN, .written = DHO_RUNS_WITH_FEATURES,
           .printed = DHO_RUNS_WITH_FEATURES, .print = ", feature %.4f",
           .chart = DHO_CHART_TRAINING, .smooth = true, .log_if_wide = true)
DHO_METRIC(FEATURE_UNLABELLED, .name = "feature_unlabelled", .what = "Feature distance, unlabelled",
           .step = DHO_STEP_MEAN, .written = DHO_RUNS_WITH_FEATURES,
           .printed = DHO_RUNS_WITH_FEATURES, .print = " + %.4f", .chart = DHO_CHART_TRAINING,
           .smooth = true, .log_if_wide = true)
DHO_METRIC(ACCURACY, .name = "accuracy", .what = "Labelled training images right", .unit = "share",
           .step = DHO_STEP_SHARE, .written = DHO_RUNS_ALL, .printed = DHO_RUNS_ALL,
           .print = ") acc %.3f", .chart = DHO_CHART_TRAINING, .smooth = true, .from_zero = true)
DHO_METRIC(LR, .name = "lr", .what = "Learning rate", .line = DHO_LINE_LAST,
           .written = DHO_RUNS_ALL, .printed = DHO_RUNS_ALL, .print = " | lr %.2e",
           .chart = DHO_CHART_SCHEDULE, .from_zero = true)
DHO_METRIC(GRADIENT_NORM, .name = "gradient_norm", .what = "Norm of the gradient",
           .line = DHO_LINE_LAST, .written = DHO_RUNS_ALL, .may_break = true,
           .chart = DHO_CHART_TRAINING, .smooth = true, .log_if_wide = true, .from_zero = true)
DHO_METRIC(IMAGES_PER_SECOND, .name = "images_per_second", .what = "Images a second, all ranks",
           .line = DHO_LINE_RATE, .written = DHO_RUNS_ALL, .printed = DHO_RUNS_ALL,
           .print = " | %.1f images/s", .chart = DHO_CHART_SPEED, .smooth = true, .from_zero = true)
DHO_METRIC(STEP_SECONDS, .name = "step_seconds", .what = "Seconds a step", .written = DHO_RUNS_ALL,
           .chart = DHO_CHART_SPEED, .smooth = true, .from_zero = true)
DHO_METRIC(DATA_SECONDS, .name = "data_wait_seconds", .what = "Seconds a step waiting for images",
           .written = DHO_RUNS_ALL, .chart = DHO_CHART_SPEED, .smooth = true, .from_zero = true)
DHO_METRIC(COMM_SECONDS, .name = "comm_seconds", .what = "Seconds a step waiting for communication, rank 0",
           .written = DHO_RUNS_ALL, .chart = DHO_CHART_SPEED, .smooth = true, .from_zero = true)
DHO_METRIC(COMM_HIDDEN, .name = "comm_hidden",
           .what = "Share of the communication beside the computing, rank 0", .unit = "share",
           .written = DHO_RUNS_ALL)
/* Of an evaluation while training (train.eval_every): lines of their own. */
DHO_METRIC_SCORE(EVAL_TOP1, top1, .what = "Top-1, both heads combined", .unit = "share",
                 .written = DHO_RUNS_ALL, .printed = DHO_RUNS_ALL, .print = ": top-1 %.4f",
                 .chart = DHO_CHART_EVALUATION)
DHO_METRIC_SCORE(EVAL_TOP5, top5, .what = "Top-5, both heads combined", .unit = "share",
                 .written = DHO_RUNS_ALL, .printed = DHO_RUNS_ALL, .print = ", top-5 %.4f")
DHO_METRIC_SCORE(EVAL_NLL, nll, .what = "Negative log-likelihood, both heads combined",
                 .unit = "nats", .written = DHO_RUNS_ALL, .printed = DHO_RUNS_ALL,
                 .print = ", nll %.4f", .chart = DHO_CHART_EVALUATION, .log_if_wide = true,
                 .lower_is_better = true)
DHO_METRIC_SCORE(EVAL_TOP1_CE, top1_ce, .what = "Top-1, supervised head", .unit = "share",
                 .written = DHO_RUNS_WITH_TWO_HEADS, .printed = DHO_RUNS_WITH_TWO_HEADS,
                 .print = " | top-1 of ce %.4f", .chart = DHO_CHART_EVALUATION)
DHO_METRIC_SCORE(EVAL_TOP1_KD, top1_kd, .what = "Top-1, distillation head", .unit = "share",
                 .written = DHO_RUNS_WITH_TWO_HEADS, .printed = DHO_RUNS_WITH_TWO_HEADS,
                 .print = ", of kd %.4f", .chart = DHO_CHART_EVALUATION)
DHO_METRIC_SCORE(EVAL_NLL_CE, nll_ce, .what = "Negative log-likelihood, supervised head",
                 .unit = "nats", .written = DHO_RUNS_WITH_TWO_HEADS, .lower_is_better = true)
DHO_METRIC_SCORE(EVAL_NLL_KD, nll_kd, .what = "Negative log-likelihood, distillation head",
                 .unit = "nats", .written = DHO_RUNS_WITH_TWO_HEADS, .lower_is_better = true)
DHO_METRIC(EVAL_ALPHA, .name = "eval_alpha", .what = "Alpha of the combination", .evaluation = true,
           .written = DHO_RUNS_WITH_TWO_HEADS, .printed = DHO_RUNS_WITH_TWO_HEADS,
           .print = " | alpha %g")
DHO_METRIC(EVAL_BETA, .name = "eval_beta", .what = "Beta of the combination", .evaluation = true,
           .written = DHO_RUNS_WITH_TWO_HEADS, .printed = DHO_RUNS_WITH_TWO_HEADS,
           .print = ", beta %g")
DHO_METRIC(EVAL_SECONDS, .name = "eval_seconds", .what = "Seconds of the evaluation",
           .evaluation = true, .written = DHO_RUNS_ALL, .printed = DHO_RUNS_ALL,
           .print = " | %.1f s")
#undef DHO_METRIC_SCORE
