/* Reading class folders. Written for ImageNet's 1.28 million files on a network file system: one
 * readdir stream a folder, no stat of a file unless the file system hides its type.
 *
 * As torchvision's ImageFolder, folders inside a class folder are searched, links to folders
 * followed. A link with an image's name counts as a file without a look at where it leads: farms of
 * links are common, and one that leads nowhere is reported (or skipped) like any broken image. */
#define _GNU_SOURCE
#include "data/folder_scan.h"

#include "dho/alloc.h"
#include "dho/file.h"
#include "image/image_name.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { MAX_DEPTH = 64 };

/* A folder that is being read, and those it is in: a link to one of them would never end. */
typedef struct level {
    const struct level *up;
    dev_t device;
    ino_t node;
    int depth;
} level;

typedef struct scan {
    dho_path_list *files; /* NULL: images are counted as hidden */
    dho_unused *unused;
    const char *root;
    int32_t label;
} scan;

typedef enum entry_kind { IS_FILE, IS_FOLDER, IS_DEAD, IS_SPECIAL } entry_kind;

static entry_kind kind_of_mode(mode_t mode)
{
    return S_ISDIR(mode) ? IS_FOLDER : S_ISREG(mode) ? IS_FILE : IS_SPECIAL;
}

static entry_kind kind_of(int folder, const struct dirent *entry, bool is_image)
{
    struct stat info;
    unsigned char type = entry->d_type;
    if (type == DT_UNKNOWN && fstatat(folder, entry->d_name, &info, AT_SYMLINK_NOFOLLOW) == 0)
        type = IFTODT(info.st_mode);
    if (type == DT_REG || (type == DT_LNK && is_image)) return IS_FILE;
    if (type == DT_DIR) return IS_FOLDER;
    if (type != DT_LNK && type != DT_UNKNOWN) return IS_SPECIAL;
    return fstatat(folder, entry->d_name, &info, 0) == 0 ? kind_of_mode(info.st_mode) : IS_DEAD;
}

/* What operating systems and tools leave behind; never a class, never an image. */
static bool is_litter(const char *name)
{
    static const char *const names[] = {"__MACOSX",    "Thumbs.db",    "ehthumbs.db",
                                        "desktop.ini", "$RECYCLE.BIN", "System Volume Information",
                                        "lost+found",  "@eaDir"};
    if (strncmp(name, "._", 2) == 0) return true; /* AppleDouble */
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(name, names[i]) == 0) return true;
    return false;
}

static dho_status open_folder(DIR **out, const char *root, const char *name, level *here)
{
    char *path;
    struct stat info;
    DHO_TRY(dho_path_join(&path, root, name));
    *out = opendir(path);
    dho_status status = DHO_OK;
    if (*out == NULL || fstat(dirfd(*out), &info) != 0) {
        status = dho_fail(DHO_ERR_IO, "%s: cannot open folder: %s", path, strerror(errno));
        if (*out != NULL) closedir(*out);
    } else {
        here->device = info.st_dev;
        here->node = info.st_ino;
    }
    dho_free(path);
    return status;
}

static bool is_loop(const level *here)
{
    for (const level *up = here->up; up != NULL; up = up->up)
        if (up->device == here->device && up->node == here->node) return true;
    return here->depth > MAX_DEPTH;
}

static dho_status scan_folder(const scan *s, const char *name, const level *up);

/* Images in a hidden folder are counted: torchvision would use them. */
static dho_status scan_hidden(const scan *s, const char *path, const level *up)
{
    scan hidden = *s;
    hidden.files = NULL;
    return scan_folder(&hidden, path, up);
}

/* An entry that is no folder, of a class folder. */
static dho_status take_file(const scan *s, const char *folder, const char *name, entry_kind kind)
{
    const dho_name_kind by_name = dho_image_name_kind(name);
    if (kind == IS_DEAD) return dho_unused_add(s->unused, DHO_UNUSED_DEAD_LINK, folder, name);
    if (is_litter(name)) return dho_unused_add(s->unused, DHO_UNUSED_SYSTEM, folder, name);
    const bool hidden = name[0] == '.' || s->files == NULL;
    if (by_name == DHO_NAME_OTHER)
        return s->files == NULL
                   ? DHO_OK
                   : dho_unused_add(s->unused, hidden ? DHO_UNUSED_SYSTEM : DHO_UNUSED_OTHER,
                                    folder, name);
    if (hidden) return dho_unused_add(s->unused, DHO_UNUSED_HIDDEN, folder, name);
    if (kind == IS_SPECIAL) return dho_unused_add(s->unused, DHO_UNUSED_SPECIAL, folder, name);
    if (by_name == DHO_NAME_NO_DECODER)
        return dho_unused_add(s->unused, DHO_UNUSED_NO_DECODER, folder, name);
    return dho_path_list_append(s->files, folder, name, s->label);
}

/* The entries of an open folder; folders inside it go to *inner. */
static dho_status read_entries(const scan *s, DIR *folder, const char *name, dho_path_list *inner)
{
    const char *in = name[0] != '\0' ? name : NULL; /* "": the folder of all */
    for (;;) {
        errno = 0;
        const struct dirent *entry = readdir(folder);
        if (entry == NULL && errno != 0)
            return dho_fail(DHO_ERR_IO, "%s/%s: cannot read folder: %s", s->root, name,
                            strerror(errno));
        if (entry == NULL) return DHO_OK;
        const char *file = entry->d_name;
        if (strcmp(file, ".") == 0 || strcmp(file, "..") == 0) continue;
        const entry_kind kind =
            kind_of(dirfd(folder), entry, dho_image_name_kind(file) == DHO_NAME_IMAGE);
        if (kind != IS_FOLDER)
            DHO_TRY(take_file(s, in, file, kind));
        else if (is_litter(file))
            DHO_TRY(dho_unused_add(s->unused, DHO_UNUSED_SYSTEM, in, file));
        else
            DHO_TRY(dho_path_list_append(inner, in, file, file[0] == '.'));
    }
}

static dho_status scan_folder(const scan *s, const char *name, const level *up)
{
    level here = {.up = up, .depth = up != NULL ? up->depth + 1 : 0};
    DIR *folder;
    dho_path_list inner = {0};
    dho_status status;
    DHO_TRY(open_folder(&folder, s->root, name, &here));
    if (is_loop(&here)) {
        closedir(folder);
        return dho_unused_add(s->unused, DHO_UNUSED_LOOP, NULL, name);
    }
    status = read_entries(s, folder, name, &inner);
    closedir(folder); /* before those inside it: no more than one is open */
    for (size_t i = 0; i < inner.count && status == DHO_OK; i++) {
        const char *path = inner.pool + inner.entries[i].offset;
        status =
            inner.entries[i].label != 0 ? scan_hidden(s, path, &here) : scan_folder(s, path, &here);
    }
    dho_path_list_free(&inner);
    return status;
}

int dho_path_compare_entries(const void *a, const void *b, void *pool)
{
    const dho_path_entry *x = a, *y = b;
    return dho_path_compare((const char *)pool + x->offset, (const char *)pool + y->offset);
}

dho_status dho_scan_images(dho_path_list *files, const char *root, const char *name, int32_t label,
                           dho_unused *unused)
{
    const scan s = {.files = files, .unused = unused, .root = root, .label = label};
    const size_t first = files->count;
    DHO_TRY(scan_folder(&s, name, NULL));
    if (files->count - first > 1)
        qsort_r(files->entries + first, files->count - first, sizeof *files->entries,
                dho_path_compare_entries, files->pool);
    return DHO_OK;
}

/* --- the folder of the class folders --- */

static dho_status take_beside(dho_unused *unused, const char *name, entry_kind kind)
{
    const bool image = dho_image_name_kind(name) != DHO_NAME_OTHER;
    return dho_unused_add(unused,
                          kind == IS_DEAD                     ? DHO_UNUSED_DEAD_LINK
                          : is_litter(name) || name[0] == '.' ? DHO_UNUSED_SYSTEM
                          : image                             ? DHO_UNUSED_NO_LABEL
                                                              : DHO_UNUSED_OTHER,
                          NULL, name);
}

dho_status dho_scan_classes(dho_path_list *folders, const char *root, dho_unused *unused)
{
    level here = {0};
    DIR *folder;
    dho_status status = DHO_OK;
    DHO_TRY(open_folder(&folder, root, "", &here));
    for (;;) {
        errno = 0;
        const struct dirent *entry = readdir(folder);
        if (entry == NULL) break;
        const char *name = entry->d_name;
        if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0) continue;
        const entry_kind kind = kind_of(dirfd(folder), entry, false);
        if (kind == IS_FOLDER && name[0] != '.' && !is_litter(name)) {
            DHO_TRY_GOTO(dho_path_list_append(folders, NULL, name, 0));
            continue;
        }
        DHO_TRY_GOTO(take_beside(unused, name, kind));
        if (kind == IS_FOLDER && name[0] == '.')
            DHO_TRY_GOTO(scan_hidden(&(scan){.unused = unused, .root = root}, name, &here));
    }
    if (errno != 0)
        status = dho_fail(DHO_ERR_IO, "%s: cannot read folder: %s", root, strerror(errno));
fail:
    closedir(folder);
    return status;
}
