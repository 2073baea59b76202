#include "dho/data_check.h"

#include "base/utf8.h"
#include "data/data_check_read.h"
#include "data/unused.h"
#include "dho/alloc.h"
#include "dho/run_setup.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { TEXT_BYTES = 4096 + 1024 };

typedef struct check {
    const dho_config *config;
    dho_comm *comm;
    const dho_data_check_options *options;
    dho_data_findings *out;
    bool lists;   /* rank 0 */
    bool no_heap; /* data.unlabelled cannot be opened */
    dho_status
        status; /* DHO_ERR_MEMORY when the list could not grow: all ranks learn it at the end */
} check;

static dho_status append(dho_data_findings *out, dho_finding_kind kind, const char *format,
                         va_list arguments)
{
    char text[TEXT_BYTES], shown[TEXT_BYTES];
    if (out->listed == out->room) {
        const size_t room = 2 * out->room + 16;
        DHO_TRY(dho_realloc(&out->list, room, sizeof *out->list, "findings"));
        out->room = room;
    }
    vsnprintf(text, sizeof text, format, arguments);
    dho_utf8_print(text, shown, sizeof shown); /* as the log: names may hold control characters */
    out->list[out->listed] = (dho_finding){.kind = kind};
    return dho_strdup(&out->list[out->listed++].text, shown);
}

__attribute__((format(printf, 3, 4))) static void add(check *c, dho_finding_kind kind,
                                                      const char *format, ...)
{
    va_list arguments;
    c->out->problems += kind == DHO_FINDING_PROBLEM;
    if (!c->lists || c->status != DHO_OK) return;
    va_start(arguments, format);
    c->status = append(c->out, kind, format, arguments);
    va_end(arguments);
}

void dho_data_findings_free(dho_data_findings *findings)
{
    for (size_t i = 0; i < findings->listed; i++) dho_free(findings->list[i].text);
    dho_free(findings->list);
    *findings = (dho_data_findings){0};
}

/* --- reading the images --- */

static dho_status read_all(check *c, const dho_dataset *dataset)
{
    dho_broken_images *all;
    int64_t broken;
    const bool decode = c->options->decode;
    DHO_TRY(dho_data_check_read(dataset, c->comm, decode,
                                dho_setup_threads(c->config->data.loader_threads), &broken, &all));
    add(c, DHO_FINDING_NOTE, "%s %lld images: %lld cannot be read",
        decode                    ? "decoded"
        : dataset->shards != NULL ? "read (checksums)"
                                  : "opened",
        (long long)dataset->count, (long long)broken);
    int left = DHO_BROKEN_SHOWN;
    for (int r = 0; all != NULL && r < dho_comm_size(c->comm); r++)
        for (int i = 0; i < all[r].shown && left > 0; i++, left--)
            add(c, DHO_FINDING_EXAMPLE, "%s", all[r].first[i].message);
    if (broken > DHO_BROKEN_SHOWN)
        add(c, DHO_FINDING_EXAMPLE, "... and %lld more", (long long)broken - DHO_BROKEN_SHOWN);
    if (broken > 0)
        add(c, DHO_FINDING_PROBLEM, "%lld unreadable image%s: convert or remove %s",
            (long long)broken, broken == 1 ? "" : "s", broken == 1 ? "it" : "them");
    dho_free(all);
    return DHO_OK;
}

/* --- counting --- */

static const char *layout_of(const dho_dataset *dataset)
{
    bool wnids = dataset->classes > 0, integers = wnids;
    for (int32_t i = 0; i < dataset->classes; i++) {
        const char *name = dataset->class_names[i];
        const size_t digits = strspn(name[0] == 'n' ? name + 1 : name, "0123456789");
        wnids = wnids && name[0] == 'n' && digits == 8 && name[9] == '\0';
        integers = integers && name[0] != 'n' && digits > 0 && name[digits] == '\0';
    }
    return wnids ? "wnids" : integers ? "integers" : "names";
}

/* "13000 images of 1000 classes, 10 to 13 a class" of the given samples (NULL: all); with `gaps`,
 * classes without an image are said. */
static dho_status count_classes(const dho_dataset *dataset, const dho_id_list *list, bool gaps,
                                int64_t **out_counts, char *text, size_t size)
{
    const int64_t count = list != NULL ? list->count : dataset->count;
    int64_t low = INT64_MAX, high = 0;
    int32_t present = 0;
    DHO_TRY(
        dho_alloc_zero(out_counts, (size_t)dataset->classes, sizeof **out_counts, "data check"));
    for (int64_t i = 0; i < count; i++)
        (*out_counts)[dataset->samples[list != NULL ? list->ids[i] : i].label]++;
    for (int32_t c = 0; c < dataset->classes; c++) {
        const int64_t n = (*out_counts)[c];
        if (n == 0) continue;
        present++;
        if (n < low) low = n;
        if (n > high) high = n;
    }
    char empty[48] = "";
    if (gaps && present < dataset->classes)
        snprintf(empty, sizeof empty, ", %d of them without an image",
                 (int)(dataset->classes - present));
    snprintf(text, size, "%lld images of %d classes%s, %lld to %lld a class", (long long)count,
             empty[0] != '\0' ? (int)dataset->classes : (int)present, empty,
             present > 0 ? (long long)low : 0, (long long)high);
    return DHO_OK;
}

static dho_status report_counts(check *c, const char *name, const dho_config_set *set,
                                const dho_dataset *dataset, bool is_training)
{
    int64_t *counts;
    char text[160];
    DHO_TRY(count_classes(dataset, NULL, is_training, &counts, text, sizeof text));
    add(c, DHO_FINDING_SET, "%s: %s %s: %s", name, dho_dataset_layout_of(set->format)->what,
        set->root, text);
    add(c, DHO_FINDING_NOTE, "class names: %s (\"%s\", ...)", layout_of(dataset),
        dataset->class_names[0]);
    for (int32_t i = 0; i < dataset->classes && c->options->classes; i++)
        add(c, DHO_FINDING_EXAMPLE, "%5d %-24s %lld", (int)i, dataset->class_names[i],
            (long long)counts[i]);
    dho_free(counts);
    return DHO_OK;
}

/* What torchvision or webdataset would have used or refused is a problem; the rest is said. */
static void report_unused(check *c, const dho_dataset *dataset)
{
    char text[1024];
    for (int r = 0; r < DHO_UNUSED_REASONS; r++) {
        if (dho_unused_count(dataset->unused, r, r + 1) == 0) continue;
        dho_unused_describe(dataset->unused, r, r + 1, text, sizeof text);
        add(c, r < DHO_UNUSED_PROBLEMS ? DHO_FINDING_PROBLEM : DHO_FINDING_NOTE, "not used: %s",
            text);
        const dho_path_list *first = &dataset->unused->first;
        for (size_t i = 0; i < first->count; i++)
            if (first->entries[i].label == r) {
                dho_utf8_print(first->pool + first->entries[i].offset, text, sizeof text);
                add(c, DHO_FINDING_EXAMPLE, "%s", text);
            }
    }
}

static dho_status report_list(check *c, const dho_dataset *dataset, const char *what,
                              const dho_id_list *list)
{
    int64_t *counts;
    char text[160];
    const dho_status status = count_classes(dataset, list, false, &counts, text, sizeof text);
    if (status == DHO_OK) add(c, DHO_FINDING_NOTE, "%s: %s", what, text);
    dho_free(counts);
    return status;
}

static dho_status report_labels(check *c, dho_dataset *dataset)
{
    dho_id_list labelled, holdout;
    const dho_status status = dho_setup_split(c->config, dataset, &labelled, &holdout);
    if (status == DHO_ERR_MEMORY) return status;
    if (status != DHO_OK) {
        add(c, DHO_FINDING_PROBLEM, "%s", dho_error_message());
        return DHO_OK;
    }
    dho_status counted = report_list(c, dataset, "labelled", &labelled);
    if (counted == DHO_OK && holdout.count > 0)
        counted = report_list(c, dataset, "held out (data.holdout)", &holdout);
    dho_id_list_free(&labelled);
    dho_id_list_free(&holdout);
    return counted;
}

/* --- sets --- */

/* Can the set be evaluated by a student of these classes? */
static void compare_with_training(check *c, const dho_dataset *training, const dho_dataset *dataset)
{
    int32_t present = 0;
    if (dataset->classes != training->classes) {
        add(c, DHO_FINDING_PROBLEM, "%d classes, the training set has %d", (int)dataset->classes,
            (int)training->classes);
        return;
    }
    for (int32_t i = 0; i < dataset->classes; i++) {
        present += dataset->class_present[i];
        if (strcmp(dataset->class_names[i], training->class_names[i]) == 0) continue;
        add(c, DHO_FINDING_PROBLEM, "its class %d is \"%s\", the training set's is \"%s\"", (int)i,
            dataset->class_names[i], training->class_names[i]);
        return;
    }
    if (present < dataset->classes)
        add(c, DHO_FINDING_NOTE, "%d of the %d classes have images: the others are masked",
            (int)present, (int)dataset->classes);
}

/* Is a set, opened on this rank or not, open on all? *out_open false (and a problem said) when it
 * is not. */
static dho_status agree_on_set(check *c, const char *title, dho_status opened, dho_dataset *out,
                               bool *out_open)
{
    dho_status status = dho_comm_agree(c->comm, opened);
    if (status == DHO_OK)
        status = dho_comm_check_equal(c->comm, &out->fingerprint, sizeof out->fingerprint,
                                      "the list of images");
    *out_open = status == DHO_OK;
    if (*out_open) return DHO_OK;
    dho_dataset_free(out);
    if (status == DHO_ERR_COMM || status == DHO_ERR_MEMORY) return status;
    add(c, DHO_FINDING_SET, "%s", title);
    add(c, DHO_FINDING_PROBLEM, "%s", dho_error_message());
    return DHO_OK;
}

static dho_status open_set(check *c, const char *name, const dho_config_set *set,
                           const dho_dataset *reference, dho_dataset *out, bool *out_open)
{
    char title[TEXT_BYTES], none[] = "";
    dho_config_set bare = *set;
    bare.class_file = none; /* compared later, so that the counts are seen */
    snprintf(title, sizeof title, "%s: %s %s", name, dho_dataset_layout_of(set->format)->what,
             set->root);
    return agree_on_set(c, title, dho_setup_set_quietly(&bare, reference, out), out, out_open);
}

/* Can the label list name images of data.unlabelled? Then it is read when these are there, too. */
static bool lists_heap(const dho_config *config)
{
    return config->data.labels == DHO_LABELS_FILE && config->data.unlabelled[0] != '\0';
}

static dho_status check_set(check *c, const char *name, const dho_config_set *set,
                            const dho_dataset *training, dho_dataset *out)
{
    bool open;
    const bool is_training = training == NULL;
    const bool compared = !is_training && training->count > 0;
    DHO_TRY(open_set(c, name, set, compared ? training : NULL, out, &open));
    if (!open) return DHO_OK;
    DHO_TRY(dho_comm_agree(c->comm, report_counts(c, name, set, out, is_training)));
    if (set->class_file[0] != '\0' && dho_dataset_check_classes(out, set->class_file) != DHO_OK)
        add(c, DHO_FINDING_PROBLEM, "%s", dho_error_message());
    else if (set->class_file[0] != '\0')
        add(c, DHO_FINDING_NOTE, "classes: those of %s", set->class_file);
    if (is_training && c->config->data.class_names[0] != '\0' &&
        dho_dataset_load_titles(out, c->config->data.class_names) != DHO_OK)
        add(c, DHO_FINDING_PROBLEM, "data.class_names: %s", dho_error_message());
    report_unused(c, out);
    if (compared) compare_with_training(c, training, out);
    if (is_training && !lists_heap(c->config))
        DHO_TRY(dho_comm_agree(c->comm, report_labels(c, out)));
    return read_all(c, out);
}

/* data.unlabelled, which becomes part of the training set. */
static dho_status check_heap(check *c, dho_dataset *training)
{
    char title[TEXT_BYTES];
    dho_dataset heap;
    bool open;
    const char *path = c->config->data.unlabelled;
    snprintf(title, sizeof title, "unlabelled: %s", path);
    DHO_TRY(agree_on_set(c, title, dho_setup_heap_quietly(c->config, &heap), &heap, &open));
    c->no_heap = !open;
    if (!open) return DHO_OK;
    add(c, DHO_FINDING_SET, "%s: %lld images", title, (long long)heap.count);
    report_unused(c, &heap);
    dho_status status = read_all(c, &heap);
    if (status == DHO_OK && training->count > 0)
        status = dho_comm_agree(c->comm, dho_dataset_add_heap(training, &heap));
    dho_dataset_free(&heap);
    return status;
}

static dho_status check_all(check *c, dho_dataset *training)
{
    const dho_config *config = c->config;
    const dho_config_set set = {.format = config->data.format,
                                .root = config->data.root,
                                .split_file = config->data.split_file,
                                .split = config->data.split,
                                .class_file = config->data.class_file};
    if (set.root[0] != '\0') DHO_TRY(check_set(c, "training", &set, NULL, training));
    if (config->data.unlabelled[0] != '\0') DHO_TRY(check_heap(c, training));
    if (lists_heap(config) && training->count > 0 && !c->no_heap)
        DHO_TRY(dho_comm_agree(c->comm, report_labels(c, training)));
    for (size_t i = 0; i < config->eval.set_count; i++) {
        dho_dataset dataset = {0};
        const dho_config_set *eval = &config->eval.sets[i];
        const dho_status status = check_set(c, eval->name, eval, training, &dataset);
        dho_dataset_free(&dataset);
        DHO_TRY(status);
    }
    return DHO_OK;
}

dho_status dho_data_check(const dho_config *config, dho_comm *comm,
                          const dho_data_check_options *options, dho_data_findings *out)
{
    dho_dataset training = {0};
    *out = (dho_data_findings){0};
    check c = {.config = config,
               .comm = comm,
               .options = options,
               .out = out,
               .lists = dho_comm_rank(comm) == 0};
    dho_status status = check_all(&c, &training);
    if (status == DHO_OK) status = dho_comm_agree(comm, c.status);
    out->count = c.no_heap ? 0 : training.count;
    out->fingerprint = training.fingerprint;
    dho_dataset_free(&training);
    return status;
}
