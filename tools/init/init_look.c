/* Which folder is what: labelled images, a heap, sets to evaluate on. */
#include "init/init_found.h"

#include "base/text.h"
#include "dho/alloc.h"
#include "dho/file.h"

#include <string.h>

/* Names that people give to such folders. */
static const char *const train_names[] = {"train", "training", "labelled", "labeled", NULL};
static const char *const val_names[] = {"val", "valid", "validation", "dev", NULL};
static const char *const heap_names[] = {"unlabelled", "unlabeled", "heap", NULL};

/* A folder's name, whatever slashes stand behind it. *out: owned. */
static dho_status name_of(char **out, const char *path)
{
    size_t length = strlen(path);
    while (length > 1 && path[length - 1] == '/') length--;
    DHO_TRY(dho_strndup(out, path, length));
    const char *base = dho_base_name(*out);
    memmove(*out, base, strlen(base) + 1);
    return DHO_OK;
}

static bool has_tars(const dho_name_list *names)
{
    for (size_t i = 0; i < names->count; i++)
        if (strcmp(names->names[i], "shards.index") == 0 || dho_ends_with(names->names[i], ".tar"))
            return true;
    return false;
}

/* --- what is taken for what --- */

static dho_status take_root(dho_init_found *out, dho_format format, const char *root,
                            dho_dataset *dataset)
{
    out->format = format;
    out->labelled = *dataset;
    *dataset = (dho_dataset){0};
    return dho_strdup(&out->root, root);
}

/* A heap that was named replaces one that was found beside the labelled images. */
static dho_status take_heap(dho_init_found *out, const char *path)
{
    dho_dataset heap;
    if (out->heap_is_guess) {
        dho_free(out->heap);
        out->heap = NULL;
        out->heap_is_guess = false;
    }
    if (out->heap != NULL)
        return dho_fail(DHO_ERR_CONFIG,
                        "%s and %s: two heaps of unlabelled images: put them into one folder, or "
                        "list all of their images in one text file",
                        out->heap, path);
    DHO_TRY(dho_dataset_open_unlabelled(&heap, path));
    const dho_status status = dho_dataset_require_images(&heap, path);
    out->heap_images = heap.count;
    out->heap_is_files = heap.shards == NULL && dho_path_is_folder(path);
    dho_dataset_free(&heap);
    DHO_TRY(status);
    return dho_strdup(&out->heap, path);
}

/* A set's name in the configuration: letters, digits, _ . - */
static void make_name(char *name)
{
    for (; *name != '\0'; name++)
        if (strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-") == 0)
            *name = '_';
}

/* path NULL: a split of the CoOp file. */
static dho_status take_set(dho_init_found *out, const char *name, const char *path)
{
    if (out->set_count == DHO_INIT_MAX_SETS)
        return dho_fail(DHO_ERR_CONFIG, "%s: more than %d sets", path, DHO_INIT_MAX_SETS);
    dho_init_set *set = &out->sets[out->set_count++];
    DHO_TRY(dho_strdup(&set->name, name));
    make_name(set->name);
    if (out->val < 0 && dho_is_one_of(name, val_names)) out->val = out->set_count - 1;
    return dho_strdup(&set->path, path);
}

/* Class folders that are some of the labelled images' classes. */
static bool is_evaluation_set(const dho_init_found *found, const char *path)
{
    dho_dataset dataset;
    if (dho_dataset_open_folder(&dataset, path, &found->labelled) != DHO_OK) return false;
    dho_dataset_free(&dataset);
    return true;
}

/* --- a folder beside, or in, the training folder --- */

/* What the name says, if there are images that fit. */
static dho_status take_by_name(dho_init_found *out, const char *folder, const char *name)
{
    char *path;
    const bool set = dho_is_one_of(name, val_names) || strncmp(name, "test", 4) == 0;
    DHO_TRY(dho_path_join(&path, folder, name));
    dho_status status = DHO_OK;
    if (set && dho_path_is_folder(path) && is_evaluation_set(out, path)) {
        status = take_set(out, name, path);
    } else if (dho_is_one_of(name, heap_names) && out->heap == NULL) {
        status = take_heap(out, path);
        out->heap_is_guess = status == DHO_OK;
    }
    dho_free(path);
    return status;
}

static dho_status take_beside(dho_init_found *out, const char *folder)
{
    dho_name_list names;
    DHO_TRY(dho_list_folder(&names, folder));
    dho_status status = DHO_OK;
    for (size_t i = 0; i < names.count && status == DHO_OK; i++)
        status = take_by_name(out, folder, names.names[i]);
    dho_name_list_free(&names);
    return status;
}

/* --- CoOp's split file --- */

/* Its paths start at the folder, or at one that is in it. *out: owned, NULL when at none. */
static dho_status find_split_root(char **out, const char *folder, const char *image,
                                  const dho_name_list *names)
{
    *out = NULL;
    for (size_t i = 0; i <= names->count; i++) {
        char *root, *path = NULL;
        DHO_TRY(i == 0 ? dho_strdup(&root, folder)
                       : dho_path_join(&root, folder, names->names[i - 1]));
        const dho_status status = dho_path_join(&path, root, image);
        if (status == DHO_OK && dho_path_exists(path)) *out = root;
        dho_free(path);
        if (*out != NULL) return DHO_OK;
        dho_free(root);
        DHO_TRY(status);
    }
    return DHO_OK;
}

static dho_status open_split(dho_init_found *out, const char *folder, const char *file,
                             const dho_name_list *names)
{
    dho_dataset dataset;
    char *root = NULL;
    DHO_TRY(dho_dataset_open_coop(&dataset, folder, file, "train"));
    dho_status status = find_split_root(&root, folder, dataset.samples[0].path, names);
    if (status == DHO_OK && root == NULL)
        status = dho_fail(DHO_ERR_CONFIG, "%s: its first image, %s, is not in %s", file,
                          dataset.samples[0].path, folder);
    dho_dataset_free(&dataset);
    if (status == DHO_OK) status = dho_dataset_open_coop(&dataset, root, file, "train");
    if (status == DHO_OK) status = dho_strdup(&out->split_file, file);
    if (status == DHO_OK) status = take_root(out, DHO_FORMAT_COOP, root, &dataset);
    if (status == DHO_OK) status = take_set(out, "val", NULL);
    if (status == DHO_OK) status = take_set(out, "test", NULL);
    dho_dataset_free(&dataset);
    dho_free(root);
    return status;
}

/* *out_is_split: the folder has such a file. */
static dho_status look_for_split(dho_init_found *out, const char *folder,
                                 const dho_name_list *names, bool *out_is_split)
{
    *out_is_split = false;
    for (size_t i = 0; i < names->count; i++) {
        const char *name = names->names[i];
        char *file;
        if (strncmp(name, "split", 5) != 0 || !dho_ends_with(name, ".json")) continue;
        *out_is_split = true;
        DHO_TRY(dho_path_join(&file, folder, name));
        const dho_status status = open_split(out, folder, file, names);
        dho_free(file);
        return status;
    }
    return DHO_OK;
}

/* --- one folder after another --- */

/* Class folders have no image beside them, and there are several. */
static dho_status looks_labelled(const char *path, bool *out)
{
    dho_dataset all;
    size_t length = 0;
    int folders = 0;
    *out = false;
    DHO_TRY(dho_dataset_open_unlabelled(&all, path));
    bool beside = false;
    for (int64_t i = 0; i < all.count && !beside; i++) {
        const char *image = all.samples[i].path, *slash = strchr(image, '/');
        beside = slash == NULL;
        if (beside || (i > 0 && (size_t)(slash - image) == length &&
                       memcmp(image, all.samples[i - 1].path, length) == 0))
            continue;
        length = (size_t)(slash - image);
        folders++;
    }
    *out = !beside && folders > 1;
    dho_dataset_free(&all);
    return DHO_OK;
}

static dho_status take_class_folders(dho_init_found *out, const char *path)
{
    dho_dataset dataset;
    char *name, *parent = NULL;
    DHO_TRY(dho_dataset_open_folder(&dataset, path, NULL));
    DHO_TRY(take_root(out, DHO_FORMAT_IMAGEFOLDER, path, &dataset));
    DHO_TRY(name_of(&name, path));
    dho_status status = DHO_OK;
    if (dho_is_one_of(name, train_names)) {
        status = dho_path_join(&parent, path, "..");
        /* "data/train/.." reads badly where "data" is meant. */
        const size_t length = strlen(path) - (path[strlen(path) - 1] == '/');
        const size_t base = strlen(name);
        if (status == DHO_OK && length > base + 1 && path[length - base - 1] == '/') {
            dho_free(parent);
            status = dho_strndup(&parent, path, length - base - 1);
        }
        if (status == DHO_OK) status = take_beside(out, parent);
    }
    dho_free(name);
    dho_free(parent);
    return status;
}

/* Tars with labels, or a heap of them. */
static dho_status take_tars(dho_init_found *out, const char *path)
{
    dho_dataset dataset;
    if (out->root == NULL && dho_dataset_open_shards(&dataset, path, NULL) == DHO_OK)
        return take_root(out, DHO_FORMAT_SHARDS, path, &dataset);
    return take_heap(out, path);
}

static dho_status take_folder(dho_init_found *out, const char *path, const dho_name_list *names)
{
    bool split = false, labelled = false;
    char *name;
    if (has_tars(names)) return take_tars(out, path);
    if (out->root == NULL) DHO_TRY(look_for_split(out, path, names, &split));
    if (split) return DHO_OK;
    for (size_t i = 0; i < names->count && out->root == NULL; i++) {
        if (!dho_is_one_of(names->names[i], train_names)) continue;
        char *root;
        DHO_TRY(dho_path_join(&root, path, names->names[i]));
        const dho_status status = take_class_folders(out, root);
        dho_free(root);
        return status;
    }
    if (out->root == NULL) {
        DHO_TRY(looks_labelled(path, &labelled));
        return labelled ? take_class_folders(out, path) : take_heap(out, path);
    }
    if (!is_evaluation_set(out, path)) return take_heap(out, path);
    DHO_TRY(name_of(&name, path));
    const dho_status status = take_set(out, name, path);
    dho_free(name);
    return status;
}

/* The labelled images first: what the others are depends on them. */
static dho_status take_all(dho_init_found *out, const dho_init_options *options)
{
    for (int i = 0; i < options->count; i++) {
        const char *path = options->folders[i];
        dho_name_list names;
        bool known = false;
        for (int s = 0; s < out->set_count; s++)
            known |= out->sets[s].path != NULL && dho_path_is_same(path, out->sets[s].path);
        if (out->heap != NULL && dho_path_is_same(path, out->heap)) {
            out->heap_is_guess = false;
            continue;
        }
        if (known) continue;
        if (!dho_path_exists(path)) return dho_fail(DHO_ERR_CONFIG, "%s: no such folder", path);
        if (!dho_path_is_folder(path)) {
            DHO_TRY(take_heap(out, path));
            continue;
        }
        DHO_TRY(dho_list_folder(&names, path));
        const dho_status status = take_folder(out, path, &names);
        dho_name_list_free(&names);
        DHO_TRY(status);
    }
    if (out->root != NULL) return DHO_OK;
    return dho_fail(
        DHO_ERR_CONFIG,
        "%s: no labelled images: expected class folders (FOLDER/CLASS/IMAGE), tars with "
        "labels or a CoOp split file; unlabelled images go beside them (dho init "
        "LABELLED HEAP)",
        options->folders[0]);
}

dho_status dho_init_look(dho_init_found *out, const dho_init_options *options)
{
    *out = (dho_init_found){.val = -1};
    DHO_TRY(dho_input_status(take_all(out, options)));
    return dho_init_measure(out);
}

void dho_init_found_free(dho_init_found *found)
{
    for (int s = 0; s < found->set_count; s++) {
        dho_free(found->sets[s].name);
        dho_free(found->sets[s].path);
    }
    dho_free(found->root);
    dho_free(found->split_file);
    dho_free(found->heap);
    dho_dataset_free(&found->labelled);
    *found = (dho_init_found){0};
}
