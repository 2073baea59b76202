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

static void print_teacher(const dho_init_plan *plan)
{
    const dho_init_options *o = plan->options;
    char steps[32], views[16];
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
