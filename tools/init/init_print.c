/* What dho init says: what it found, and what to do now. */
#include "init/init_plan.h"

#include "base/shell_word.h"

#include <inttypes.h>
#include <stdarg.h>

/* A command, each @ of which is the next argument, as a word of the shell. */
static void command(const char *what, const char *text, ...)
{
    va_list words;
    va_start(words, text);
    printf("\n# %s\n", what);
    for (; *text != '\0'; text++)
        if (*text == '@')
            dho_shell_write(va_arg(words, const char *), stdout);
        else
            putchar(*text);
    putchar('\n');
    va_end(words);
}

static void print_found(const dho_init_plan *plan)
{
    const dho_init_found *found = plan->found;
    printf("labelled    %s: %" PRId64 " images of %d classes, %" PRId64 " to %" PRId64 " a class\n",
           found->root, found->labelled.count, (int)found->labelled.classes, found->fewest,
           found->most);
    if (found->heap != NULL)
        printf("unlabelled  %s: %" PRId64 " images\n", found->heap, found->heap_images);
    for (int s = 0; s < found->set_count; s++) {
        const dho_init_set *set = &found->sets[s];
        printf("evaluated   %s: %s%s\n", set->name,
               set->path != NULL ? set->path : "a split of the split file",
               s == found->val ? ", on which alpha and beta are chosen" : "");
    }
    if (plan->holdout != NULL)
        printf("held out    %s%s of each class, on which alpha and beta are chosen\n",
               plan->holdout, plan->holdout[1] == '\0' ? " labelled image" : "");
    else if (found->val < 0)
        printf("held out    none: a class has fewer than %d images, so alpha and beta are not "
               "chosen (0.5 and 1)\n",
               DHO_INIT_HOLDOUT_LEAST);
    printf("sizes       short sides of %d to %d pixels, half of them at least %d (%" PRId64
           " images looked at)\n",
           found->least_side, found->most_side, found->short_side, found->looked_at);
}

/* No advice without both figures. */
static void print_figures(const dho_init_advice *advice)
{
    const dho_init_figure *teacher = &advice->by_teacher, *labels = &advice->by_labels;
    const double above = teacher->score.top1 - labels->score.top1;
    if (teacher->score.present)
        printf("teacher     %s: %.1f %% [%.1f %.1f] of %" PRId64 " %s right\n", advice->cache,
               teacher->score.top1, teacher->score.low, teacher->score.high, teacher->images,
               teacher->of);
    if (teacher->score.present && labels->score.present)
        printf("labels      %s: %.1f %% [%.1f %.1f] of %" PRId64 " %s right\n", advice->ce,
               labels->score.top1, labels->score.low, labels->score.high, labels->images,
               labels->of);
    if (advice->heads == DHO_INIT_HEADS_ONE)
        printf("advice      one head (method: single_head): the teacher is %.0f points above the "
               "labels alone.\n"
               "            Two heads gained nothing over one there (docs/results.md)\n",
               above);
    if (advice->heads == DHO_INIT_HEADS_TWO)
        printf("advice      two heads (method: dho): the teacher is not far above the labels alone "
               "(%+.0f points), and one\n"
               "            head would learn its errors; keep the labels alone (%s) to compare\n",
               above, advice->ce);
    if (advice->heads == DHO_INIT_HEADS_BETWEEN)
        printf("advice      try both (method: dho, single_head): the teacher is %.0f points above "
               "the labels alone,\n"
               "            between the cases that were measured (docs/results.md)\n",
               above);
}

static void print_teacher(const dho_init_plan *plan)
{
    const dho_init_options *o = plan->options;
    char steps[32], views[16];
    if (plan->advice.cache != NULL) return; /* it is made */
    snprintf(steps, sizeof steps, "train.steps=%" PRId64, plan->teacher_steps);
    snprintf(views, sizeof views, "%d", plan->views);
    if (o->clip == NULL) {
        command("a teacher, from the labels",
                "dho train @ --out @/teacher --set method=ce --set @ --set @", plan->file,
                plan->run, plan->teacher, steps);
        command("what the teacher says of every image, kept",
                "dho cache build -c @ --teacher @/teacher --views @", plan->file, plan->run, views);
        return;
    }
    command("the teacher's head: the classes' names in prompts",
            "dho teacher zero-shot --model @ --weights @ --merges @ \\\n"
            "    --templates @ -c @ --out @/head.safetensors",
            o->clip, o->weights, o->merges, plan->prompts, plan->file, plan->run);
    command("what the teacher says of every image, kept",
            "dho cache build -c @ --clip @ --weights @ \\\n"
            "    --head @/head.safetensors --views @",
            plan->file, o->clip, o->weights, plan->run, views);
}

/* What leads to advice on one head or two; it is not needed for a student. */
static void print_missing_figures(const dho_init_plan *plan)
{
    const dho_init_advice *advice = &plan->advice;
    if (advice->heads != DHO_INIT_HEADS_UNKNOWN) return;
    command("one head or two? dho init says it (with another --out) from the teacher's cache and "
            "from\n# the labels alone:",
            "#   dho train @ --set method=ce --out @ && dho eval @", plan->file, advice->ce,
            advice->ce);
    if (advice->is_model && !advice->by_teacher.score.present)
        printf("# and from its teacher's evaluation\n");
}

static void print_uses(const dho_init_plan *plan)
{
    const dho_init_found *found = plan->found;
    const bool measured = found->set_count > 0 || plan->holdout != NULL;
    if (measured)
        command("its accuracy", "dho eval @", plan->run);
    else
        printf("\n# its accuracy: cannot be measured without images that have a class and are not "
               "trained on:\n# add a set to eval.sets in %s\n",
               plan->file);
    if (measured) print_missing_figures(plan);
    if (measured && plan->options->clip == NULL)
        command("beside its teacher's", "dho eval @/teacher\ndho compare @/teacher @", plan->run,
                plan->run, plan->run);
    if (found->heap_is_files || found->format != DHO_FORMAT_SHARDS)
        command("the classes of images: of these here, or of any others",
                "dho predict @ @ >@/classes.jsonl", plan->run,
                found->heap_is_files ? found->heap : found->root, plan->run);
    command("the student for other programs, as ONNX (docs/export.md)",
            "dho export @ --out @/student.onnx", plan->run, plan->run);
}

void dho_init_print(const dho_init_plan *plan)
{
    print_found(plan);
    print_figures(&plan->advice);
    printf("written     %s\n", plan->file);
    if (plan->prompts != NULL) printf("written     %s\n", plan->prompts);
    printf(
        "\nNow (with mpirun -n N or launch/mpirun.sh N in front, N ranks share the work; at most "
        "%d):\n",
        plan->shards);
    command("are all images readable?", "dho data check @", plan->file);
    print_teacher(plan);
    command("how long will it take, how much memory and disk?", "dho train @ --dry-run",
            plan->file);
    command("the student", "dho train @", plan->file);
    print_uses(plan);
}
