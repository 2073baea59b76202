#define _GNU_SOURCE
#include "dho/file.h"

#include "base/activity.h"
#include "base/file_kind.h"
#include "base/file_private.h"
#include "base/text.h"
#include "dho/alloc.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <libdeflate.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

dho_status dho_sync_parent(const char *path)
{
    char folder[PATH_MAX];
    const char *slash = strrchr(path, '/');
    if (slash == NULL) return dho_sync_folder(".");
    if (slash == path) return dho_sync_folder("/");
    snprintf(folder, sizeof folder, "%.*s", (int)(slash - path), path);
    return dho_sync_folder(folder);
}

dho_status dho_file_check_place(const char *path)
{
    dho_atomic_file *file;
    if (dho_path_is_folder(path)) return dho_fail(DHO_ERR_IO, "%s: is a folder", path);
    DHO_TRY(dho_atomic_file_create(&file, path));
    dho_atomic_file_discard(&file);
    return DHO_OK;
}

dho_status dho_file_write_text(const char *path, const char *text)
{
    dho_atomic_file *file;
    DHO_TRY(dho_atomic_file_create(&file, path));
    dho_atomic_file_write(file, text, strlen(text)); /* a failure comes back from commit */
    return dho_atomic_file_commit(&file);
}

static dho_status make_folders(const char *path, bool durable)
{
    char partial[PATH_MAX];
    const size_t length = strlen(path);
    if (length >= sizeof partial) return dho_fail(DHO_ERR_IO, "%.200s...: path too long", path);
    for (size_t i = 1; i <= length; i++) {
        if (path[i] != '/' && path[i] != '\0') continue;
        memcpy(partial, path, i);
        partial[i] = '\0';
        const bool made = mkdir(partial, 0777) == 0;
        if (!made && errno != EEXIST) return dho_io_error(partial, "create folder");
        if (made && durable) DHO_TRY(dho_sync_parent(partial));
    }
    if (!dho_path_is_folder(path)) return dho_fail(DHO_ERR_IO, "%s: is not a folder", path);
    return DHO_OK;
}

dho_status dho_make_folders(const char *path)
{
    return make_folders(path, false);
}

dho_status dho_make_folders_durable(const char *path)
{
    return make_folders(path, true);
}

dho_status dho_sync_folder(const char *path)
{
    const int descriptor = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    /* One that may not be read has no fsync to give. */
    if (descriptor < 0) return errno == EACCES ? DHO_OK : dho_io_error(path, "open");
    dho_activity_begin("writes", path, true);
    const int failed = fsync(descriptor);
    dho_activity_end();
    close(descriptor);
    /* Some file systems do not know fsync of a folder (EINVAL); they have no more to give. */
    if (failed != 0 && errno != EINVAL) return dho_io_error(path, "fsync");
    return DHO_OK;
}

dho_status dho_remove_tree(const char *path)
{
    struct stat info;
    if (lstat(path, &info) != 0) return errno == ENOENT ? DHO_OK : dho_io_error(path, "stat");
    if (!S_ISDIR(info.st_mode))
        return unlink(path) == 0 || errno == ENOENT ? DHO_OK : dho_io_error(path, "remove");
    dho_name_list list;
    DHO_TRY(dho_list_folder(&list, path));
    dho_status status = DHO_OK;
    for (size_t i = 0; i < list.count && status == DHO_OK; i++) {
        char *child;
        status = dho_path_join(&child, path, list.names[i]);
        if (status == DHO_OK) status = dho_remove_tree(child);
        dho_free(child);
    }
    dho_name_list_free(&list);
    DHO_TRY(status);
    return rmdir(path) == 0 || errno == ENOENT ? DHO_OK : dho_io_error(path, "remove");
}

bool dho_path_exists(const char *path)
{
    return access(path, F_OK) == 0;
}

bool dho_path_is_folder(const char *path)
{
    struct stat info;
    return stat(path, &info) == 0 && S_ISDIR(info.st_mode);
}

bool dho_path_is_same(const char *a, const char *b)
{
    struct stat x, y;
    return stat(a, &x) == 0 && stat(b, &y) == 0 && x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

/* A relative path's missing half; "" for an absolute one. */
static const char *relative_to(const char *path, char out[PATH_MAX + 64])
{
    char here[PATH_MAX];
    out[0] = '\0';
    if (path[0] != '/' && path[0] != '\0' && getcwd(here, sizeof here) != NULL)
        snprintf(out, PATH_MAX + 64, " in %s, the folder that dho was started in", here);
    return out;
}

dho_status dho_require_folder(const char *path)
{
    char where[PATH_MAX + 64];
    struct stat info;
    if (path[0] == '\0') return dho_fail(DHO_ERR_CONFIG, "\"\": no such folder");
    if (stat(path, &info) == 0) {
        if (S_ISDIR(info.st_mode)) return DHO_OK;
        return dho_fail(DHO_ERR_CONFIG, "%s: is %s, not a folder", path,
                        S_ISREG(info.st_mode) ? "a file" : dho_file_kind(info.st_mode));
    }
    if (errno != ENOENT && errno != ENOTDIR)
        return dho_fail(DHO_ERR_CONFIG, "%s: cannot open: %s", path, strerror(errno));
    if (lstat(path, &info) == 0)
        return dho_fail(DHO_ERR_CONFIG, "%s: is a link that leads nowhere", path);
    return dho_fail(DHO_ERR_CONFIG, "%s: no such folder%s", path, relative_to(path, where));
}

dho_status dho_require_file(const char *path)
{
    char where[PATH_MAX + 64];
    struct stat info;
    if (stat(path, &info) == 0) {
        if (S_ISREG(info.st_mode)) return DHO_OK;
        return dho_fail(DHO_ERR_CONFIG, "%s: is %s, not a regular file", path,
                        dho_file_kind(info.st_mode));
    }
    if (errno != ENOENT && errno != ENOTDIR)
        return dho_fail(DHO_ERR_CONFIG, "%s: cannot open: %s", path, strerror(errno));
    return dho_fail(DHO_ERR_CONFIG, "%s: no such file%s", path, relative_to(path, where));
}

dho_status dho_path_join(char **out, const char *folder, const char *name)
{
    if (name[0] == '/' || folder[0] == '\0') return dho_strdup(out, name);
    const size_t length = strlen(folder);
    return dho_asprintf(out, "%s%s%s", folder, folder[length - 1] == '/' ? "" : "/", name);
}

dho_status dho_list_folder(dho_name_list *out, const char *path)
{
    *out = (dho_name_list){0};
    size_t capacity = 0;
    dho_status status = DHO_OK;
    DIR *folder = opendir(path);
    if (folder == NULL) return dho_io_error(path, "open folder");
    for (;;) {
        errno = 0;
        const struct dirent *entry = readdir(folder);
        if (entry == NULL) {
            if (errno != 0) status = dho_io_error(path, "read folder");
            break;
        }
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) continue;
        DHO_TRY_GOTO(dho_grow(&out->names, out->count, &capacity, sizeof *out->names, path));
        DHO_TRY_GOTO(dho_strdup(&out->names[out->count], entry->d_name));
        out->count++;
    }
    if (out->count > 0) qsort(out->names, out->count, sizeof *out->names, dho_compare_texts);
fail:
    closedir(folder);
    if (status != DHO_OK) dho_name_list_free(out);
    return status;
}

void dho_name_list_free(dho_name_list *list)
{
    for (size_t i = 0; i < list->count; i++) dho_free(list->names[i]);
    dho_free(list->names);
    *list = (dho_name_list){0};
}

uint32_t dho_crc32(uint32_t crc, const void *data, size_t bytes)
{
    if (bytes == 0) return crc; /* libdeflate answers 0 to a NULL pointer, whatever crc is */
    return libdeflate_crc32(crc, data, bytes);
}
