/* The metrics: DHO_METRIC(ID, columns of dho_metric_row). dho/metrics.h includes this list for the
 * index DHO_METRIC_ID and train/metrics.c for the table. The order of the rows is that of the keys
 * in metrics.jsonl, of the progress line and of a report's curves. No include guard: it is read
 * twice. */
DHO_METRIC(EPOCH, .name = "epoch", .what = "Epochs done", .line = DHO_LINE_LAST,
           .written = DHO_RUNS_ALL, .printed = DHO_RUNS_ALL, .print = " epoch %.2f")
DHO_METRIC(LOSS, .name = "loss", .what = "Loss, weighted sum", .unit = "nats",
           .step = DHO_STEP_MEAN, .written = DHO_RUNS_ALL, .printed = DHO_RUNS_ALL,
           .print = " | loss %.4f", .chart = DHO_CHART_TRAINING, .smooth = true,
           .log_if_wide = true)
DHO_METRIC(CE, .name = "ce", .what = "Cross-entropy of labelled images", .unit = "nats",
           .step = DHO_STEP_MEAN, .written = DHO_RUNS_ALL, .printed = DHO_RUNS_ALL,
           .print = " (ce %.3f", .chart = DHO_CHART_TRAINING, .smooth = true, .log_if_wide = true)
DHO_METRIC(KD_LABELLED, .name = "kd_labelled", .what = "KL to the teacher × T², labelled",
           .unit = "nats", .step = DHO_STEP_MEAN, .written = DHO_RUNS_ALL,
           .printed = DHO_RUNS_WITH_TEACHER, .print = ", kd %.3f", .chart = DHO_CHART_TRAINING,
           .smooth = true, .log_if_wide = true)
DHO_METRIC(KD_UNLABELLED, .name = "kd_unlabelled", .what = "KL to the teacher × T², unlabelled",
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
DHO_METRIC(COMM_SECONDS, .name = "comm_seconds", .what = "Seconds a step in communication, rank 0",
           .written = DHO_RUNS_ALL, .chart = DHO_CHART_SPEED, .smooth = true, .from_zero = true)
