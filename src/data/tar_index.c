/* The index file of tar shards: docs/shards.md has the layout. */
#include "data/tar_index.h"

#include "base/bytes.h"
#include "dho/alloc.h"
#include "dho/file.h"

#include <string.h>

enum { VERSION = 1, HEADER_BYTES = 64, FILE_BYTES = 8, MEMBER_BYTES = 24, CRC_BYTES = 4 };

static const char magic[8] = {'D', 'H', 'O', 'S', 'H', 'A', 'R', 'D'};

void dho_tar_index_free(dho_tar_index *index)
{
    for (uint32_t i = 0; index->files != NULL && i < index->file_count; i++)
        dho_free(index->files[i].name);
    for (int32_t i = 0; index->class_names != NULL && i < index->classes; i++)
        dho_free(index->class_names[i]);
    dho_free(index->files);
    dho_free(index->members);
    dho_free(index->class_names);
    dho_path_list_free(&index->paths);
    dho_unused_free(&index->unused);
    *index = (dho_tar_index){0};
}

dho_status dho_tar_index_add_file(dho_tar_index *index, const char *name, uint64_t bytes)
{
    const uint32_t count = index->file_count;
    if (count == DHO_TAR_MAX_FILES)
        return dho_fail(DHO_ERR_CONFIG, "%s: more than %d shards", name, DHO_TAR_MAX_FILES);
    if (count == 0 || (count >= 16 && (count & (count - 1)) == 0))
        DHO_TRY(dho_realloc(&index->files, count == 0 ? 16 : 2 * (size_t)count,
                            sizeof *index->files, "shards: files"));
    index->files[count] = (dho_tar_file){.bytes = bytes};
    DHO_TRY(dho_strdup(&index->files[count].name, name));
    index->file_count++;
    return DHO_OK;
}

dho_status dho_tar_index_add(dho_tar_index *index, const char *path, int32_t label,
                             const dho_tar_member *member)
{
    const size_t count = index->paths.count;
    DHO_TRY(dho_grow(&index->members, count, &index->member_capacity, sizeof *index->members,
                     "shards: samples"));
    DHO_TRY(dho_path_list_append(&index->paths, NULL, path, label));
    index->members[count] = *member;
    return DHO_OK;
}

/* --- writing --- */

static void write_number(dho_atomic_file *file, uint64_t value, int bytes)
{
    uint8_t buffer[8];
    dho_put_le(buffer, value, bytes);
    dho_atomic_file_write(file, buffer, (size_t)bytes); /* failures come back from commit */
}

static void write_text(dho_atomic_file *file, const char *text)
{
    dho_atomic_file_write(file, text, strlen(text) + 1);
}

static void write_header(dho_atomic_file *file, const dho_tar_index *index)
{
    uint8_t header[HEADER_BYTES] = {0};
    uint64_t text = 0;
    for (uint32_t i = 0; i < index->file_count; i++) text += strlen(index->files[i].name) + 1;
    for (int32_t i = 0; i < index->classes; i++) text += strlen(index->class_names[i]) + 1;
    for (size_t i = 0; i < index->paths.count; i++)
        text += strlen(index->paths.pool + index->paths.entries[i].offset) + 1;
    memcpy(header, magic, sizeof magic);
    dho_put_le(header + 8, VERSION, 4);
    dho_put_le(header + 12, HEADER_BYTES, 4);
    dho_put_le(header + 16, index->paths.count, 8);
    dho_put_le(header + 24, text, 8);
    dho_put_le(header + 32, index->file_count, 4);
    dho_put_le(header + 36, (uint64_t)index->classes, 4);
    dho_put_le(header + 40, index->has_crc, 4);
    dho_put_le(header + 60, dho_crc32(0, header, 60), 4);
    dho_atomic_file_write(file, header, sizeof header);
}

dho_status dho_tar_index_save(const dho_tar_index *index, const char *path)
{
    dho_atomic_file *file;
    DHO_TRY(dho_atomic_file_create(&file, path));
    write_header(file, index);
    for (uint32_t i = 0; i < index->file_count; i++) write_number(file, index->files[i].bytes, 8);
    for (size_t i = 0; i < index->paths.count; i++) {
        const dho_tar_member *member = &index->members[i];
        write_number(file, member->offset, 8);
        write_number(file, member->bytes, 4);
        write_number(file, member->shard, 4);
        write_number(file, (uint32_t)index->paths.entries[i].label, 4);
        write_number(file, index->has_crc ? member->crc : 0, 4);
    }
    for (uint32_t i = 0; i < index->file_count; i++) write_text(file, index->files[i].name);
    for (int32_t i = 0; i < index->classes; i++) write_text(file, index->class_names[i]);
    for (size_t i = 0; i < index->paths.count; i++)
        write_text(file, index->paths.pool + index->paths.entries[i].offset);
    write_number(file, dho_atomic_file_crc(file), CRC_BYTES);
    return dho_atomic_file_commit(&file);
}

/* --- reading --- */

typedef struct reader {
    const uint8_t *data;
    const char *name; /* of the file */
    uint64_t count, text_bytes;
    size_t members_at, text_end; /* offsets */
    size_t cursor;               /* the next text */
} reader;

static dho_status check_header(reader *r, size_t size, dho_tar_index *out, uint32_t *out_files)
{
    const uint8_t *data = r->data;
    if (size < HEADER_BYTES + CRC_BYTES || memcmp(data, magic, sizeof magic) != 0)
        return dho_fail(DHO_ERR_FORMAT, "%s: is no index of tar shards", r->name);
    if (dho_get_le(data + 60, 4) != dho_crc32(0, data, 60))
        return dho_fail(DHO_ERR_FORMAT, "%s: offset 0: the header is damaged", r->name);
    if (dho_get_le(data + 8, 4) != VERSION || dho_get_le(data + 12, 4) != HEADER_BYTES)
        return dho_fail(DHO_ERR_CONFIG, "%s: version %u of the format; this program knows %d",
                        r->name, (unsigned)dho_get_le(data + 8, 4), VERSION);
    r->count = dho_get_le(data + 16, 8);
    r->text_bytes = dho_get_le(data + 24, 8);
    const uint64_t files = dho_get_le(data + 32, 4), classes = dho_get_le(data + 36, 4),
                   crc = dho_get_le(data + 40, 4);
    if (r->count < 1 || r->count > (uint64_t)1 << 40 || files < 1 || files > DHO_TAR_MAX_FILES ||
        classes > DHO_TAR_MAX_CLASSES || crc > 1 || r->text_bytes > (uint64_t)1 << 50)
        return dho_fail(DHO_ERR_FORMAT, "%s: offset 16: %llu samples, %llu shards, %llu classes",
                        r->name, (unsigned long long)r->count, (unsigned long long)files,
                        (unsigned long long)classes);
    const uint64_t wanted =
        HEADER_BYTES + files * FILE_BYTES + r->count * MEMBER_BYTES + r->text_bytes + CRC_BYTES;
    if (wanted != size)
        return dho_fail(DHO_ERR_FORMAT, "%s: %zu bytes, expected %llu: the file is cut or damaged",
                        r->name, size, (unsigned long long)wanted);
    if (dho_get_le(data + size - CRC_BYTES, 4) != dho_crc32(0, data, size - CRC_BYTES))
        return dho_fail(DHO_ERR_FORMAT, "%s: offset %zu: the checksum is wrong: damaged", r->name,
                        size - CRC_BYTES);
    r->members_at = HEADER_BYTES + (size_t)files * FILE_BYTES;
    r->cursor = r->members_at + (size_t)r->count * MEMBER_BYTES;
    r->text_end = size - CRC_BYTES;
    *out_files = (uint32_t)files;
    out->classes = (int32_t)classes;
    out->has_crc = crc == 1;
    return DHO_OK;
}

static dho_status next_text(reader *r, const char **out)
{
    const uint8_t *from = r->data + r->cursor;
    const uint8_t *end = memchr(from, 0, r->text_end - r->cursor);
    if (end == NULL || end == from)
        return dho_fail(DHO_ERR_FORMAT, "%s: offset %zu: %s name", r->name, r->cursor,
                        end == NULL ? "an unfinished" : "an empty");
    *out = (const char *)from;
    r->cursor += (size_t)(end - from) + 1;
    return DHO_OK;
}

static dho_status read_names(reader *r, uint32_t files, dho_tar_index *out)
{
    const char *text = NULL;
    for (uint32_t i = 0; i < files; i++) {
        const size_t at = r->cursor;
        DHO_TRY(next_text(r, &text));
        if (strchr(text, '/') != NULL || text[0] == '.' || strlen(text) > DHO_TAR_MAX_NAME)
            return dho_fail(DHO_ERR_FORMAT, "%s: offset %zu: \"%.300s\" is no name of a shard",
                            r->name, at, text);
        DHO_TRY(dho_tar_index_add_file(out, text,
                                       dho_get_le(r->data + HEADER_BYTES + 8 * (size_t)i, 8)));
    }
    DHO_TRY(dho_alloc_zero(&out->class_names, (size_t)out->classes, sizeof *out->class_names,
                           "shards: class names"));
    for (int32_t i = 0; i < out->classes; i++) {
        DHO_TRY(next_text(r, &text));
        DHO_TRY(dho_strdup(&out->class_names[i], text));
    }
    return DHO_OK;
}

static dho_status read_members(reader *r, dho_tar_index *out)
{
    for (uint64_t i = 0; i < r->count; i++) {
        const size_t at = r->members_at + (size_t)i * MEMBER_BYTES;
        const uint8_t *from = r->data + at;
        const dho_tar_member member = {.offset = dho_get_le(from, 8),
                                       .bytes = (uint32_t)dho_get_le(from + 8, 4),
                                       .shard = (uint32_t)dho_get_le(from + 12, 4),
                                       .crc = (uint32_t)dho_get_le(from + 20, 4)};
        const uint64_t label = dho_get_le(from + 16, 4);
        const char *path = NULL;
        const bool known = out->classes > 0 ? label < (uint64_t)out->classes : label == UINT32_MAX;
        if (member.shard >= out->file_count || !known)
            return dho_fail(DHO_ERR_FORMAT, "%s: offset %zu: shard %u of %u, label %u of %d",
                            r->name, at, member.shard, out->file_count, (unsigned)label,
                            (int)out->classes);
        const uint64_t bytes = out->files[member.shard].bytes;
        if (member.bytes >= DHO_TAR_MAX_IMAGE_BYTES || member.bytes > bytes ||
            member.offset > bytes - member.bytes)
            return dho_fail(DHO_ERR_FORMAT, "%s: offset %zu: %u bytes at %llu are not inside %s",
                            r->name, at, member.bytes, (unsigned long long)member.offset,
                            out->files[member.shard].name);
        DHO_TRY(next_text(r, &path));
        DHO_TRY(dho_tar_index_add(out, path, out->classes > 0 ? (int32_t)label : DHO_NO_LABEL,
                                  &member));
    }
    if (r->cursor != r->text_end)
        return dho_fail(DHO_ERR_FORMAT, "%s: offset %zu: bytes behind the last name", r->name,
                        r->cursor);
    return DHO_OK;
}

dho_status dho_tar_index_parse(dho_tar_index *out, const uint8_t *data, size_t size,
                               const char *name)
{
    reader r = {.data = data, .name = name};
    uint32_t files = 0;
    dho_status status;
    *out = (dho_tar_index){0};
    DHO_TRY_GOTO(check_header(&r, size, out, &files));
    DHO_TRY_GOTO(read_names(&r, files, out));
    DHO_TRY_GOTO(read_members(&r, out));
fail:
    if (status != DHO_OK) dho_tar_index_free(out);
    return status;
}
