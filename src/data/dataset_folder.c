/* ImageFolder listings. Written for ImageNet's 1.28 million files on a network file system: one
 * readdir stream a class folder, no stat of a file unless the file system hides its type. */
#define _GNU_SOURCE
#include "data/dataset_build.h"

#include "dho/alloc.h"
#include "dho/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

static bool has_image_extension(const char *name)
{
    static const char *const extensions[] = {"jpg", "jpeg", "jpe", "png"};
    const char *dot = strrchr(name, '.');
    if (dot == NULL) return false;
    for (size_t i = 0; i < sizeof extensions / sizeof *extensions; i++)
        if (strcasecmp(dot + 1, extensions[i]) == 0) return true;
    return false;
}

static bool is_class_folder(int folder, const struct dirent *entry)
{
    struct stat info;
    if (entry->d_type == DT_DIR) return true;
    if (entry->d_type != DT_LNK && entry->d_type != DT_UNKNOWN) return false;
    return fstatat(folder, entry->d_name, &info, 0) == 0 && S_ISDIR(info.st_mode);
}

/* Links count as files without a look at where they lead: farms of links are common, and one that
 * leads nowhere is reported (or skipped) like any other broken image. */
static bool is_image_file(int folder, const struct dirent *entry)
{
    struct stat info;
    if (!has_image_extension(entry->d_name)) return false;
    if (entry->d_type == DT_REG || entry->d_type == DT_LNK) return true;
    if (entry->d_type != DT_UNKNOWN) return false;
    return fstatat(folder, entry->d_name, &info, AT_SYMLINK_NOFOLLOW) == 0 &&
           (S_ISREG(info.st_mode) || S_ISLNK(info.st_mode));
}

/* Appends the names in `path` that `wanted` takes, as "prefix/name" (prefix may be NULL). */
static dho_status scan_folder(dho_path_list *list, const char *path, const char *prefix,
                              int32_t label, bool (*wanted)(int, const struct dirent *))
{
    DIR *folder = opendir(path);
    if (folder == NULL)
        return dho_fail(DHO_ERR_IO, "%s: cannot open folder: %s", path, strerror(errno));
    dho_status status = DHO_OK;
    for (;;) {
        errno = 0;
        const struct dirent *entry = readdir(folder);
        if (entry == NULL) {
            if (errno != 0)
                status = dho_fail(DHO_ERR_IO, "%s: cannot read folder: %s", path, strerror(errno));
            break;
        }
        if (entry->d_name[0] == '.' || !wanted(dirfd(folder), entry)) continue;
        DHO_TRY_GOTO(dho_path_list_append(list, prefix, entry->d_name, label));
    }
fail:
    closedir(folder);
    return status;
}

static int compare_entries(const void *a, const void *b, void *pool)
{
    const dho_path_entry *x = a, *y = b;
    if (x->label != y->label) return x->label < y->label ? -1 : 1;
    return strcmp((const char *)pool + x->offset, (const char *)pool + y->offset);
}

static void sort_entries(dho_path_list *list, size_t first)
{
    if (list->count - first > 1)
        qsort_r(list->entries + first, list->count - first, sizeof *list->entries, compare_entries,
                list->pool);
}

/* --- labels --- */

/* "0", "17": the canonical decimal form below `classes`; -1 for anything else. */
static int32_t integer_label(const char *name, int32_t classes)
{
    if (name[0] == '0' && name[1] != '\0') return -1;
    int64_t value = 0;
    for (const char *c = name; *c != '\0'; c++) {
        if (*c < '0' || *c > '9') return -1;
        value = 10 * value + (*c - '0');
        if (value >= classes) return -1;
    }
    return name[0] != '\0' ? (int32_t)value : -1;
}

typedef struct named_class {
    const char *name;
    int32_t label;
} named_class;

static int compare_classes(const void *a, const void *b)
{
    return strcmp(((const named_class *)a)->name, ((const named_class *)b)->name);
}

/* Labels the class folders by the reference's names. *out_known: how many names were found. */
static dho_status label_by_name(dho_path_list *folders, const dho_dataset *reference,
                                size_t *out_known)
{
    const size_t classes = (size_t)reference->classes;
    named_class *index;
    *out_known = 0;
    DHO_TRY(dho_alloc(&index, classes, sizeof *index, "dataset: class names"));
    for (size_t i = 0; i < classes; i++)
        index[i] = (named_class){.name = reference->class_names[i], .label = (int32_t)i};
    if (classes > 0) qsort(index, classes, sizeof *index, compare_classes);
    dho_status status = DHO_OK;
    for (size_t i = 0; i < folders->count && status == DHO_OK; i++) {
        const named_class key = {.name = folders->pool + folders->entries[i].offset};
        const named_class *found =
            classes > 0 ? bsearch(&key, index, classes, sizeof *index, compare_classes) : NULL;
        folders->entries[i].label = found != NULL ? found->label : -1;
        if (found == NULL) continue;
        (*out_known)++;
        if ((found > index && compare_classes(found - 1, found) == 0) ||
            (found + 1 < index + classes && compare_classes(found + 1, found) == 0))
            status = dho_fail(DHO_ERR_CONFIG, "folder \"%s\" is the name of two classes", key.name);
    }
    dho_free(index);
    return status;
}

dho_status dho_dataset_label_names(dho_path_list *names, const char *root,
                                   const dho_dataset *reference)
{
    size_t known;
    const dho_status status = label_by_name(names, reference, &known);
    if (status != DHO_OK) return dho_fail_prefix(status, "%s: ", root);
    const char *unknown = NULL;
    for (size_t i = 0; i < names->count; i++) {
        dho_path_entry *entry = &names->entries[i];
        const char *name = names->pool + entry->offset;
        if (known == 0) entry->label = integer_label(name, reference->classes);
        if (entry->label < 0 && (unknown == NULL || strcmp(name, unknown) < 0)) unknown = name;
    }
    if (unknown == NULL) return DHO_OK;
    return dho_fail(DHO_ERR_CONFIG,
                    "%s: folder \"%s\" is none of the %d classes of the reference (nor are all "
                    "folders integers 0 .. %d)",
                    root, unknown, (int)reference->classes, (int)reference->classes - 1);
}

static dho_status label_folders(dho_path_list *folders, const char *root,
                                const dho_dataset *reference)
{
    if (reference != NULL) DHO_TRY(dho_dataset_label_names(folders, root, reference));
    sort_entries(folders, 0); /* without a reference all labels are 0 still: by name */
    for (size_t i = 0; i < folders->count && reference == NULL; i++)
        folders->entries[i].label = (int32_t)i;
    return DHO_OK;
}

static dho_status copy_class_names(dho_dataset *out, const dho_path_list *folders,
                                   const dho_dataset *reference)
{
    const int32_t classes = reference != NULL ? reference->classes : (int32_t)folders->count;
    DHO_TRY(dho_alloc_zero(&out->class_names, (size_t)classes, sizeof *out->class_names,
                           "dataset: class names"));
    out->classes = classes;
    for (int32_t i = 0; i < classes; i++) {
        const char *name = reference != NULL ? reference->class_names[i]
                                             : folders->pool + folders->entries[i].offset;
        DHO_TRY(dho_strdup(&out->class_names[i], name));
    }
    return DHO_OK;
}

/* --- the listing --- */

static dho_status list_class(dho_path_list *files, const char *root, const char *name,
                             int32_t label)
{
    char *path;
    const size_t first = files->count;
    DHO_TRY(dho_path_join(&path, root, name));
    dho_status status = scan_folder(files, path, name, label, is_image_file);
    if (status == DHO_OK && files->count == first)
        status = dho_fail(DHO_ERR_CONFIG,
                          "%s: class folder without an image (*.jpg, *.jpeg, *.jpe, *.png; folders "
                          "inside it are not searched)",
                          path);
    sort_entries(files, first);
    dho_free(path);
    return status;
}

dho_status dho_dataset_open_folder(dho_dataset *out, const char *root, const dho_dataset *reference)
{
    dho_path_list folders = {0}, files = {0};
    dho_status status;
    *out = (dho_dataset){0};
    DHO_TRY(dho_require_folder(root));
    DHO_TRY_GOTO(scan_folder(&folders, root, NULL, 0, is_class_folder));
    if (folders.count == 0 || folders.count > INT32_MAX) {
        status = dho_fail(DHO_ERR_CONFIG, "%s: %s", root,
                          folders.count == 0 ? "no class folder in it" : "too many class folders");
        goto fail;
    }
    DHO_TRY_GOTO(dho_strdup(&out->root, root));
    DHO_TRY_GOTO(label_folders(&folders, root, reference));
    DHO_TRY_GOTO(copy_class_names(out, &folders, reference));
    for (size_t i = 0; i < folders.count; i++) {
        const dho_path_entry *folder = &folders.entries[i];
        DHO_TRY_GOTO(list_class(&files, root, folders.pool + folder->offset, folder->label));
    }
    DHO_TRY_GOTO(dho_dataset_finish(out, &files));
fail:
    if (status != DHO_OK) dho_dataset_free(out);
    dho_path_list_free(&files);
    dho_path_list_free(&folders);
    return status;
}
