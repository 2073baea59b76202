/* Reading tars without an index, through libarchive (ustar, GNU and pax). Only headers and labels
 * are read; the images are skipped. */
#define _GNU_SOURCE
#include "base/text.h"
#include "data/tar_index.h"
#include "image/image_name.h"

#include "base/utf8.h"
#include "dho/alloc.h"
#include "dho/file.h"

#include <archive.h>
#include <archive_entry.h>
#include <ctype.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

enum { READ_BYTES = 1 << 16, LABEL_BYTES = 32 };
enum { NO_PART = -1, IN_MEMORY = -1 };

/* An image and its label: the members that are alike up to the last dot. */
typedef struct part {
    char *stem;       /* owned */
    char *image_name; /* owned; of the member; NULL: none yet */
    dho_tar_member image;
    int32_t label; /* or DHO_NO_LABEL */
    int64_t label_offset;
} part;

/* The members of one WebDataset key, one after the other. */
typedef struct scan {
    dho_tar_index *index;
    struct archive *archive;
    const char *name; /* of the tar */
    uint64_t file_bytes;
    uint32_t shard;
    char *key;   /* owned, up to the first dot; NULL: none */
    part *parts; /* owned */
    size_t count, capacity;
    int64_t plain, dotted; /* index of the part "key", and of the newest other one, or NO_PART */
    char *other_name;      /* owned; of a member that is neither image nor label; NULL: none */
} scan;

/* --- the end of a key --- */

/* A label without an image would be a sample that is lost without a word. */
static dho_status missing_image(const scan *s, const part *p)
{
    const char *beside = s->other_name;
    for (size_t i = 0; i < s->count && beside == NULL; i++) beside = s->parts[i].image_name;
    return dho_fail(DHO_ERR_FORMAT,
                    "%s: offset %lld: \"%s.cls\" has no image that can be read (jpg, png, webp, "
                    "...)%s%s%s",
                    s->name, (long long)p->label_offset, p->stem,
                    beside != NULL ? "; beside it is \"" : "", beside != NULL ? beside : "",
                    beside != NULL ? "\"" : "");
}

static dho_status end_part(scan *s, const part *p, const part *plain)
{
    char *path;
    const bool dotted = strlen(p->stem) > strlen(s->key);
    const bool field = dotted && plain != NULL; /* of a sample that has the plain names */
    const bool unlabelled = s->index->unlabelled;
    const bool alone = !field || plain->image_name == NULL;
    if (p->image_name != NULL && (p->label != DHO_NO_LABEL || (unlabelled && alone))) {
        DHO_TRY(dho_tar_sample_path(&path, p->image_name));
        const dho_status status =
            dho_tar_index_add(s->index, path, unlabelled ? DHO_NO_LABEL : p->label, &p->image);
        dho_free(path);
        s->index->dotted += dotted;
        return status;
    }
    if (p->image_name != NULL && !alone)
        return dho_unused_add(s->index->unused, DHO_UNUSED_FIELD, NULL, p->image_name);
    if (p->image_name != NULL)
        return dho_fail(DHO_ERR_FORMAT,
                        "%s: offset %llu: \"%s\" has no label: no member \"%s.cls\"", s->name,
                        (unsigned long long)p->image.offset, p->image_name, p->stem);
    if (unlabelled || (field && plain->label != DHO_NO_LABEL)) return DHO_OK;
    return missing_image(s, p);
}

static dho_status end_key(scan *s)
{
    const part *plain = s->plain != NO_PART ? &s->parts[s->plain] : NULL;
    dho_status status = DHO_OK;
    for (size_t i = 0; i < s->count && status == DHO_OK; i++)
        status = end_part(s, &s->parts[i], plain);
    for (size_t i = 0; i < s->count; i++) {
        dho_free(s->parts[i].stem);
        dho_free(s->parts[i].image_name);
    }
    dho_free(s->other_name);
    dho_free(s->key);
    s->count = 0;
    s->plain = s->dotted = NO_PART;
    s->key = s->other_name = NULL;
    return status;
}

/* --- members --- */

/* The part of a member; made when it is the first of it. The two members of a dotted one follow
 * each other. Without labels "0.jpg" and "0.png" are two images. */
static dho_status find_part(scan *s, const char *name, bool label, part **out)
{
    const size_t length = (size_t)(strrchr(name, '.') - name);
    int64_t *place = length == strlen(s->key) ? &s->plain : &s->dotted;
    *out = *place != NO_PART ? &s->parts[*place] : NULL;
    const bool known =
        *out != NULL && strlen((*out)->stem) == length && memcmp((*out)->stem, name, length) == 0;
    if (known && (label || !s->index->unlabelled || (*out)->image_name == NULL)) return DHO_OK;
    DHO_TRY(dho_grow(&s->parts, s->count, &s->capacity, sizeof *s->parts, "shards: key"));
    *out = &s->parts[s->count];
    **out = (part){.label = DHO_NO_LABEL};
    DHO_TRY(dho_strndup(&(*out)->stem, name, length));
    *place = (int64_t)s->count++;
    return DHO_OK;
}

static dho_status read_label(scan *s, part *p, const char *name, int64_t size)
{
    char bytes[LABEL_BYTES + 1], *end;
    if (s->index->unlabelled) { /* it is of no interest, but its image is no field */
        p->label = 0;
        return DHO_OK;
    }
    const la_ssize_t got =
        size <= LABEL_BYTES ? archive_read_data(s->archive, bytes, LABEL_BYTES) : 0;
    bytes[got > 0 ? got : 0] = '\0';
    const char *text = bytes + dho_text_mark(bytes, got > 0 ? (size_t)got : 0);
    const long value = isdigit((unsigned char)text[0]) ? strtol(text, &end, 10) : -1;
    if (value >= 0)
        while (isspace((unsigned char)*end)) end++;
    if (value < 0 || value >= DHO_TAR_MAX_CLASSES || *end != '\0' || p->label != DHO_NO_LABEL)
        return dho_fail(DHO_ERR_FORMAT, "%s: \"%s\": expected one integer label from 0 to %d",
                        s->name, name, DHO_TAR_MAX_CLASSES - 1);
    p->label = (int32_t)value;
    p->label_offset = archive_read_header_position(s->archive);
    return DHO_OK;
}

static dho_status take_image(scan *s, part *p, const char *name, int64_t size)
{
    const int64_t offset = archive_filter_bytes(s->archive, 0);
    const bool packed = s->index->files != NULL && s->index->files[s->shard].packed;
    if (p->image_name != NULL)
        return dho_fail(DHO_ERR_FORMAT, "%s: offset %lld: \"%s\" and \"%s\" have the same key",
                        s->name, (long long)offset, p->image_name, name);
    if (size < 0 || offset < 0 || (uint64_t)size >= DHO_TAR_MAX_IMAGE_BYTES ||
        (!packed &&
         ((uint64_t)offset > s->file_bytes || (uint64_t)size > s->file_bytes - (uint64_t)offset)))
        return dho_fail(DHO_ERR_FORMAT, "%s: offset %lld: \"%s\" has %lld bytes: the tar is cut",
                        s->name, (long long)offset, name, (long long)size);
    p->image =
        (dho_tar_member){.offset = (uint64_t)offset, .bytes = (uint32_t)size, .shard = s->shard};
    return dho_strdup(&p->image_name, name);
}

/* What cannot be of a sample. *out_passed: counted, or nothing to count (a folder). */
static dho_status pass_over(scan *s, struct archive_entry *entry, const char *name,
                            bool *out_passed)
{
    const char *base = dho_base_name(name);
    const dho_name_kind kind = dho_image_name_kind(base);
    const bool link =
        archive_entry_hardlink(entry) != NULL || archive_entry_filetype(entry) == AE_IFLNK;
    *out_passed = true;
    if (strncmp(name, "__MACOSX/", 9) == 0 || strncmp(base, "._", 2) == 0)
        return dho_unused_add(s->index->unused, DHO_UNUSED_SYSTEM, NULL, name);
    if (base[0] == '.' && base[1] != '\0')
        return dho_unused_add(s->index->unused,
                              kind == DHO_NAME_OTHER ? DHO_UNUSED_SYSTEM : DHO_UNUSED_HIDDEN, NULL,
                              name);
    if (link) return dho_unused_add(s->index->unused, DHO_UNUSED_TAR_LINK, NULL, name);
    if (archive_entry_filetype(entry) != AE_IFREG) return DHO_OK;
    if (strchr(base, '.') == NULL)
        return dho_unused_add(s->index->unused, DHO_UNUSED_OTHER, NULL, name);
    *out_passed = false;
    return DHO_OK;
}

static dho_status take_member(scan *s, struct archive_entry *entry)
{
    /* NULL: pax, and bytes that are no UTF-8 */
    const char *name = archive_entry_pathname(entry), *extension;
    size_t key;
    bool passed;
    part *p;
    if (name == NULL)
        return dho_fail(DHO_ERR_FORMAT, "%s: offset %lld: a name that is not UTF-8", s->name,
                        (long long)archive_read_header_position(s->archive));
    if (strncmp(name, "./", 2) == 0) name += 2; /* as `tar -c .` writes them */
    DHO_TRY(pass_over(s, entry, name, &passed));
    if (passed) return DHO_OK;
    DHO_TRY(dho_utf8_check_name(name, s->name, "rename the files and make the tar anew"));
    dho_tar_split_name(name, &key, &extension);
    if (s->key == NULL || strlen(s->key) != key || memcmp(s->key, name, key) != 0) {
        DHO_TRY(end_key(s));
        DHO_TRY(dho_strndup(&s->key, name, key));
    }
    const int64_t size = archive_entry_size(entry);
    const char *last = strrchr(name, '.') + 1;
    const bool label = strcasecmp(last, "cls") == 0;
    if (!label && !dho_is_image_extension(last)) {
        DHO_TRY(dho_unused_add(s->index->unused,
                               dho_image_name_kind(name) == DHO_NAME_NO_DECODER
                                   ? DHO_UNUSED_NO_DECODER
                                   : DHO_UNUSED_OTHER,
                               NULL, name));
        return s->other_name == NULL ? dho_strdup(&s->other_name, name) : DHO_OK;
    }
    DHO_TRY(find_part(s, name, label, &p));
    if (label) return read_label(s, p, name, size);
    if (archive_entry_sparse_count(entry) > 0)
        return dho_fail(DHO_ERR_FORMAT, "%s: \"%s\" is a sparse member", s->name, name);
    return take_image(s, p, name, size);
}

static dho_status scan_members(scan *s)
{
    struct archive_entry *entry;
    for (;;) {
        const int code = archive_read_next_header(s->archive, &entry);
        if (code == ARCHIVE_EOF) return end_key(s);
        if (code != ARCHIVE_OK && code != ARCHIVE_WARN) {
            const char *why = archive_error_string(s->archive);
            return dho_fail(DHO_ERR_FORMAT, "%s: offset %lld: %s", s->name,
                            (long long)archive_read_header_position(s->archive),
                            why != NULL ? why : "not a tar");
        }
        if (s->index->files != NULL && archive_filter_code(s->archive, 0) != ARCHIVE_FILTER_NONE)
            s->index->files[s->shard].packed = true;
        DHO_TRY(take_member(s, entry));
    }
}

/* Reads the descriptor `file`, or the memory when that is IN_MEMORY. */
static dho_status open_archive(scan *s, int file, const uint8_t *data, size_t size)
{
    s->archive = archive_read_new();
    if (s->archive == NULL) return dho_fail(DHO_ERR_MEMORY, "%s: cannot start to read", s->name);
    archive_read_support_format_tar(s->archive);
    dho_tar_support_filters(s->archive);
    const int code = file != IN_MEMORY ? archive_read_open_fd(s->archive, file, READ_BYTES)
                                       : archive_read_open_memory(s->archive, data, size);
    if (code == ARCHIVE_OK) return DHO_OK;
    char head[24] = "";
    if (file != IN_MEMORY && pread(file, head, sizeof head - 1, 0) > 0 &&
        strcmp(head, "version https://git-lfs") == 0)
        return dho_fail(DHO_ERR_FORMAT, "%s: is a Git LFS pointer, not the tar: git lfs pull",
                        s->name);
    return dho_fail(DHO_ERR_FORMAT, "%s: %s", s->name, archive_error_string(s->archive));
}

static dho_status run_scan(scan *s, int file, const uint8_t *data, size_t size)
{
    s->plain = s->dotted = NO_PART;
    if (s->index->unused == NULL)
        DHO_TRY(dho_alloc_zero(&s->index->unused, 1, sizeof *s->index->unused, "shards"));
    /* libarchive turns names into the locale's characters: keep them UTF-8. */
    const locale_t utf8 = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);
    const locale_t before = utf8 != (locale_t)0 ? uselocale(utf8) : (locale_t)0;
    dho_status status = open_archive(s, file, data, size);
    if (status == DHO_OK) status = scan_members(s);
    if (s->archive != NULL) archive_read_free(s->archive);
    if (utf8 != (locale_t)0) {
        uselocale(before);
        freelocale(utf8);
    }
    for (size_t i = 0; i < s->count; i++) {
        dho_free(s->parts[i].stem);
        dho_free(s->parts[i].image_name);
    }
    dho_free(s->parts);
    dho_free(s->key);
    dho_free(s->other_name);
    return status;
}

dho_status dho_tar_scan_memory(dho_tar_index *index, const uint8_t *data, size_t size,
                               const char *name, uint32_t shard)
{
    scan s = {.index = index, .name = name, .shard = shard, .file_bytes = size};
    return run_scan(&s, IN_MEMORY, data, size);
}

dho_status dho_tar_scan(dho_tar_index *index, const char *path, uint32_t shard)
{
    int file;
    scan s = {.index = index, .name = path, .shard = shard};
    DHO_TRY(dho_file_open(&file, path, &s.file_bytes));
    if (s.file_bytes < 16) {
        close(file);
        return dho_fail(DHO_ERR_FORMAT, "%s: %llu bytes are no tar", path,
                        (unsigned long long)s.file_bytes);
    }
    const dho_status status = run_scan(&s, file, NULL, 0);
    close(file);
    return status;
}
