/* Images without labels: single files, a folder of any depth, a tar. */
#include "data/folder_scan.h"
#include "data/tar_index.h"

#include "dho/alloc.h"
#include "dho/file.h"

#include <string.h>
#include <sys/stat.h>

static dho_status finish(dho_dataset *out, const char *root, dho_path_list *list)
{
    DHO_TRY(dho_strdup(&out->root, root));
    return dho_dataset_finish(out, list);
}

dho_status dho_dataset_open_files(dho_dataset *out, const char *const *paths, size_t count)
{
    dho_path_list list = {0};
    dho_status status = DHO_OK;
    *out = (dho_dataset){0};
    for (size_t i = 0; i < count && status == DHO_OK; i++)
        status = dho_path_list_append(&list, NULL, paths[i], DHO_NO_LABEL);
    if (status == DHO_OK) status = finish(out, "", &list);
    if (status != DHO_OK) dho_dataset_free(out);
    dho_path_list_free(&list);
    return status;
}

/* Its length without the slashes at its end. */
static size_t folder_length(const char *folder)
{
    size_t length = strlen(folder);
    while (length > 1 && folder[length - 1] == '/') length--;
    return length;
}

dho_status dho_dataset_open_heap(dho_dataset *out, const char *folder)
{
    dho_path_list list = {0};
    char *root = NULL;
    dho_status status;
    *out = (dho_dataset){0};
    DHO_TRY_GOTO(dho_strndup(&root, folder, folder_length(folder)));
    DHO_TRY_GOTO(dho_alloc_zero(&out->unused, 1, sizeof *out->unused, "images"));
    DHO_TRY_GOTO(dho_scan_images(&list, "", root, DHO_NO_LABEL, out->unused));
    for (size_t i = 0; i < list.count; i++) list.entries[i].offset += strlen(root) + 1;
    DHO_TRY_GOTO(finish(out, root, &list));
fail:
    if (status != DHO_OK) dho_dataset_free(out);
    dho_path_list_free(&list);
    dho_free(root);
    return status;
}

/* The folder of a path and the name in it. */
static dho_status split_path(const char *path, char **out_folder, const char **out_name)
{
    const char *slash = strrchr(path, '/');
    *out_name = slash != NULL ? slash + 1 : path;
    if (slash == NULL) return dho_strdup(out_folder, ".");
    return dho_strndup(out_folder, path, slash > path ? (size_t)(slash - path) : 1);
}

dho_status dho_dataset_open_tar(dho_dataset *out, const char *tar)
{
    dho_tar_index index = {.every_image = true};
    const char *name;
    char *folder = NULL;
    struct stat info;
    dho_status status;
    *out = (dho_dataset){0};
    DHO_TRY_GOTO(split_path(tar, &folder, &name));
    DHO_TRY_GOTO(
        dho_tar_index_add_file(&index, name, stat(tar, &info) == 0 ? (uint64_t)info.st_size : 0));
    DHO_TRY_GOTO(dho_tar_scan(&index, tar, 0));
    out->unused = index.unused;
    index.unused = NULL;
    DHO_TRY_GOTO(finish(out, tar, &index.paths));
    DHO_TRY_GOTO(dho_tar_set_take(&out->shards, &index, folder));
fail:
    if (status != DHO_OK) dho_dataset_free(out);
    dho_tar_index_free(&index);
    dho_free(folder);
    return status;
}
