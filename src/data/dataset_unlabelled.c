/* Images without classes: files by their names, a folder of any depth, tars, or a list of paths. */
#define _GNU_SOURCE
#include "base/text.h"
#include "data/folder_scan.h"
#include "data/tar_index.h"
#include "dho/alloc.h"
#include "dho/file.h"
#include "image/image_name.h"

#include <stdlib.h>
#include <string.h>

/* A list's entries, from its lines. */
static dho_status take_lines(dho_path_list *images, const dho_path_list *lines, const char *list,
                             dho_unused *unused)
{
    for (size_t i = 0; i < lines->count; i++) {
        const char *path = lines->pool + lines->entries[i].offset;
        while (strncmp(path, "./", 2) == 0) path += 2; /* as `find .` writes them */
        const dho_name_kind kind = dho_image_name_kind(dho_base_name(path));
        if (kind == DHO_NAME_IMAGE)
            DHO_TRY(dho_path_list_append(images, NULL, path, DHO_NO_LABEL));
        else /* `find . >list` lists the list, too */
            DHO_TRY(dho_unused_add(
                unused, kind == DHO_NAME_OTHER ? DHO_UNUSED_OTHER : DHO_UNUSED_NO_DECODER, NULL,
                path));
    }
    if (images->count > 1)
        qsort_r(images->entries, images->count, sizeof *images->entries, dho_path_compare_entries,
                images->pool);
    for (size_t i = 1; i < images->count; i++) {
        const char *path = images->pool + images->entries[i].offset;
        if (strcmp(path, images->pool + images->entries[i - 1].offset) == 0)
            return dho_fail(DHO_ERR_CONFIG, "%s: \"%.200s\" is listed twice", list, path);
    }
    return DHO_OK;
}

dho_status dho_folder_of(char **out, const char *file)
{
    const char *name = dho_base_name(file);
    if (name == file) return dho_strdup(out, ".");
    return dho_strndup(out, file, name - 1 > file ? (size_t)(name - 1 - file) : 1);
}

static dho_status read_list(dho_dataset *out, dho_path_list *images, const char *list)
{
    dho_path_list lines = {0};
    dho_status status;
    if (dho_image_name_kind(list) != DHO_NAME_OTHER)
        return dho_fail(DHO_ERR_CONFIG,
                        "%s: is an image: expected a folder, a tar, or a list of images", list);
    DHO_TRY_GOTO(dho_require_file(list));
    DHO_TRY_GOTO(dho_folder_of(&out->root, list));
    DHO_TRY_GOTO(dho_read_lines(&lines, list, true));
    DHO_TRY_GOTO(take_lines(images, &lines, list, out->unused));
fail:
    dho_path_list_free(&lines);
    return status;
}

static dho_status read_folder(dho_dataset *out, dho_path_list *images, const char *folder)
{
    size_t length = strlen(folder);
    while (length > 1 && folder[length - 1] == '/') length--;
    DHO_TRY(dho_strndup(&out->root, folder, length));
    return dho_scan_images(images, out->root, "", DHO_NO_LABEL, out->unused);
}

dho_status dho_dataset_open_unlabelled(dho_dataset *out, const char *path)
{
    dho_path_list images = {0};
    dho_status status;
    *out = (dho_dataset){0};
    if (!dho_path_exists(path))
        return dho_fail(DHO_ERR_CONFIG, "%s: no such folder, tar or list", path);
    const bool folder = dho_path_is_folder(path);
    bool tars = !folder && dho_tar_is_name(path);
    if (folder) DHO_TRY(dho_tar_is_folder(path, &tars));
    if (tars) return dho_dataset_open_unlabelled_tars(out, path);
    DHO_TRY_GOTO(dho_alloc_zero(&out->unused, 1, sizeof *out->unused, "dataset"));
    DHO_TRY_GOTO(folder ? read_folder(out, &images, path) : read_list(out, &images, path));
    DHO_TRY_GOTO(dho_dataset_finish(out, &images));
fail:
    if (status != DHO_OK) dho_dataset_free(out);
    dho_path_list_free(&images);
    return status;
}

dho_status dho_dataset_require_images(const dho_dataset *dataset, const char *path)
{
    char why[512];
    if (dataset->count > 0) return DHO_OK;
    dho_unused_describe(dataset->unused, 0, DHO_UNUSED_REASONS, why, sizeof why);
    return dho_fail(DHO_ERR_CONFIG, "%s: no image in it%s%s%s", path,
                    why[0] != '\0' ? " (not used: " : "", why, why[0] != '\0' ? ")" : "");
}

dho_status dho_dataset_open_files(dho_dataset *out, const char *const *paths, size_t count)
{
    dho_path_list list = {0};
    dho_status status;
    *out = (dho_dataset){0};
    for (size_t i = 0; i < count; i++)
        DHO_TRY_GOTO(dho_path_list_append(&list, NULL, paths[i], DHO_NO_LABEL));
    DHO_TRY_GOTO(dho_strdup(&out->root, ""));
    DHO_TRY_GOTO(dho_dataset_finish(out, &list));
fail:
    if (status != DHO_OK) dho_dataset_free(out);
    dho_path_list_free(&list);
    return status;
}
