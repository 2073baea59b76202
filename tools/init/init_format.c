/* The configuration's text: each choice with its reason. */
#include "init/init_plan.h"

#include "base/shell_word.h"
#include "base/text.h"
#include "dho/alloc.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* A path or a name as YAML reads it back. */
static void add_path(dho_text *text, const char *path)
{
    static const char plain[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_./-";
    if (path[0] != '\0' && strspn(path, plain) == strlen(path) && path[0] != '-') {
        dho_text_add(text, "%s", path);
        return;
    }
    dho_text_add(text, "\"");
    for (; *path != '\0'; path++)
        dho_text_add(text, *path == '"' || *path == '\\' ? "\\%c" : "%c", *path);
    dho_text_add(text, "\"");
}

static void add_key(dho_text *text, const char *key, const char *path, const char *comment)
{
    dho_text_add(text, "  %s: ", key);
    add_path(text, path);
    dho_text_add(text, comment[0] != '\0' ? " # %s\n" : "%s\n", comment);
}

static void add_method(dho_text *text, const dho_init_advice *advice)
{
    const double teacher = advice->by_teacher.score.top1, labels = advice->by_labels.score.top1;
    if (advice->heads == DHO_INIT_HEADS_ONE)
        dho_text_add(
            text,
            "method: single_head # one head: the teacher (%.1f %%) is far above the labels "
            "alone (%.1f %%)\n",
            teacher, labels);
    else
        dho_text_add(text,
                     "method: dho # two heads: one learns from the labels, one from the teacher\n");
}

static void add_data(dho_text *text, const dho_init_plan *plan)
{
    const dho_init_found *found = plan->found;
    static const char *const formats[] = {[DHO_FORMAT_IMAGEFOLDER] = "imagefolder",
                                          [DHO_FORMAT_COOP] = "coop",
                                          [DHO_FORMAT_SHARDS] = "shards"};
    dho_text_add(text, "data:\n  # Paths start at the folder that dho is started in.\n");
    if (found->format != DHO_FORMAT_IMAGEFOLDER)
        dho_text_add(text, "  format: %s\n", formats[found->format]);
    add_key(text, "root", found->root, "the labelled images");
    if (found->split_file != NULL) add_key(text, "split_file", found->split_file, "");
    if (found->heap != NULL)
        add_key(text, "unlabelled", found->heap, "the others: the teacher alone teaches them");
    dho_text_add(
        text, "  labels: all # of the labelled images; fewer on trial: labels: shots, shots: 4\n");
    if (plan->holdout != NULL)
        dho_text_add(
            text,
            "  # There is no val folder: this part of each class's labelled images is not trained\n"
            "  # on, and alpha and beta are chosen on it. With a val folder: remove it.\n"
            "  holdout: %s\n",
            plan->holdout);
    dho_text_add(
        text,
        "  image_size: %d # half of the images have at least %d pixels on their short side\n"
        "  crop_scale: [0.5, 1.0] # random crops; smaller ones often lose the object\n",
        plan->image_size, plan->found->short_side);
}

static void add_student(dho_text *text, const dho_init_plan *plan)
{
    dho_text_add(
        text, "student:\n  model: %s # or mobilenet_v2, resnet50, vit_s16 ... (docs/weights.md)\n",
        plan->model);
    if (plan->width > 0)
        dho_text_add(
            text,
            "  width: %d # half of the published one: enough for %d pixels, four times as fast\n",
            plan->width, plan->image_size);
    else
        dho_text_add(
            text, "  # Pretrained weights help most with few labels; any file of torchvision's:\n"
                  "  # init: resnet18-f37072fd.pth\n");
}

static void add_teacher(dho_text *text, const dho_init_plan *plan)
{
    char cache[4096];
    snprintf(cache, sizeof cache, "%s/teacher-cache", plan->run);
    dho_text_add(text, "teacher:\n");
    if (plan->options->clip != NULL)
        dho_text_add(
            text,
            "  # %s tells from the classes' names what it sees (zero-shot). Its prompts are\n"
            "  # in a file of their own: words that suit your images make it better.\n",
            plan->options->clip);
    else
        dho_text_add(
            text, "  # Without CLIP weights the teacher is a larger network that is trained here "
                  "with the\n"
                  "  # labels. It knows no more than they say. A CLIP teacher is worth far more:\n"
                  "  # dho init ... --clip clip_vit_b16 --weights FILE --merges FILE "
                  "(docs/teachers.md).\n");
    add_key(text, "cache", cache, "");
}

static void add_train(dho_text *text, const dho_init_plan *plan)
{
    dho_text_add(
        text,
        "train:\n"
        "  shards: %d # the most ranks that can share a run; the same bits on 1, 2, 4 ...\n"
        "  batch_labelled: %d # images a step, over all ranks\n"
        "  batch_unlabelled: %d\n"
        "  epochs: %g # passes over the %" PRId64 " images%s\n"
        "  lr: 1.0e-3\n"
        "  weight_decay: 0.01\n"
        "  schedule: cosine\n"
        "  warmup_fraction: 0.1\n",
        plan->shards, plan->batch_labelled, plan->batch_unlabelled, plan->epochs, plan->images,
        plan->epochs > 20 ? ": about 3000 steps, at most 100 passes" : "");
}

static void add_eval(dho_text *text, const dho_init_plan *plan)
{
    const dho_init_found *found = plan->found;
    dho_text_add(text, "eval:\n");
    if (found->val >= 0)
        add_key(text, "select_on", found->sets[found->val].name,
                "alpha and beta are chosen here, and it is said");
    else if (plan->holdout != NULL)
        dho_text_add(text,
                     "  select_on: holdout # alpha and beta are chosen on the images held out\n");
    else
        dho_text_add(
            text,
            "  # Too few labels to hold some out, and no val folder: these are used as they are.\n"
            "  alpha: 0.5\n  beta: 1\n");
    dho_text_add(text, "  resize: %d # then the middle, image_size wide\n",
                 found->short_side < plan->image_size * 8 / 7 ? plan->image_size
                                                              : plan->image_size * 8 / 7);
    dho_text_add(text, found->set_count > 0
                           ? "  sets:\n"
                           : "  sets: [] # add {name: test, root: FOLDER} to measure on\n");
    for (int s = 0; s < found->set_count; s++) {
        const dho_init_set *set = &found->sets[s];
        dho_text_add(text, "    - {name: ");
        add_path(text, set->name);
        dho_text_add(text, ", ");
        if (set->path == NULL) {
            dho_text_add(text, "format: coop, split: %s}\n", set->name);
            continue;
        }
        if (found->format != DHO_FORMAT_IMAGEFOLDER) dho_text_add(text, "format: imagefolder, ");
        dho_text_add(text, "root: ");
        add_path(text, set->path);
        dho_text_add(text, "}\n");
    }
}

dho_status dho_init_format(const dho_init_plan *plan, char **out)
{
    dho_text text = {0};
    char *file;
    DHO_TRY(dho_shell_word(plan->file, &file));
    dho_text_add(
        &text, "# Written by dho init. Every key, with its meaning: dho train %s --print-config\n",
        file);
    dho_free(file);
    add_method(&text, &plan->advice);
    dho_text_add(&text, "out: ");
    add_path(&text, plan->run);
    dho_text_add(&text, "\n");
    add_data(&text, plan);
    add_student(&text, plan);
    add_teacher(&text, plan);
    add_train(&text, plan);
    add_eval(&text, plan);
    *out = text.data;
    if (text.status != DHO_OK) {
        dho_text_free(&text);
        *out = NULL;
    }
    return text.status;
}
