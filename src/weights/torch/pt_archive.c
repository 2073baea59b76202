/* minizip walks the archive's directory; since entries are stored, it need not read any of them:
 * it says where they begin, and tensors stay views into the mapped file. */
#include "weights/torch/pt_archive.h"

#include "base/text.h"
#include "dho/alloc.h"
#include "dho/file.h"
#include "weights/tensor_index.h"

#include <minizip/unzip.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_ENTRIES = 1 << 20, MAX_NAME_BYTES = 1024 };

/* --- minizip's stream over memory --- */

typedef struct memory_stream {
    const uint8_t *bytes;
    ZPOS64_T size, at;
} memory_stream;

static voidpf ZCALLBACK stream_open(voidpf opaque, const void *name, int mode)
{
    (void)name, (void)mode;
    return opaque;
}

static uLong ZCALLBACK stream_read(voidpf opaque, voidpf stream, void *out, uLong bytes)
{
    memory_stream *memory = stream;
    (void)opaque;
    const ZPOS64_T left = memory->size - memory->at;
    const size_t taken = bytes < left ? (size_t)bytes : (size_t)left;
    if (taken > 0) memcpy(out, memory->bytes + memory->at, taken);
    memory->at += taken;
    return (uLong)taken;
}

static ZPOS64_T ZCALLBACK stream_tell(voidpf opaque, voidpf stream)
{
    (void)opaque;
    return ((const memory_stream *)stream)->at;
}

static long ZCALLBACK stream_seek(voidpf opaque, voidpf stream, ZPOS64_T offset, int origin)
{
    memory_stream *memory = stream;
    (void)opaque;
    const ZPOS64_T from = origin == ZLIB_FILEFUNC_SEEK_CUR   ? memory->at
                          : origin == ZLIB_FILEFUNC_SEEK_END ? memory->size
                                                             : 0;
    ZPOS64_T to;
    if (__builtin_add_overflow(from, offset, &to) || to > memory->size) return -1;
    memory->at = to;
    return 0;
}

static int ZCALLBACK stream_close(voidpf opaque, voidpf stream)
{
    (void)opaque, (void)stream;
    return 0;
}

static int ZCALLBACK stream_error(voidpf opaque, voidpf stream)
{
    (void)opaque, (void)stream;
    return 0;
}

/* --- the directory --- */

static dho_status bad_entry(const pt_archive *archive, const char *entry, const char *why)
{
    char shown[DHO_NAME_SHOWN + 4];
    return dho_fail(DHO_ERR_FORMAT, "%s: zip entry \"%s\": %s", archive->file,
                    dho_name_shown(entry, shown), why);
}

static dho_status add_entry(pt_archive *archive, const char *name, const pt_entry *entry)
{
    DHO_TRY(dho_grow(&archive->entries, archive->count, &archive->capacity,
                     sizeof *archive->entries, archive->file));
    char *copy;
    DHO_TRY(dho_strdup(&copy, name));
    archive->entries[archive->count] = *entry;
    archive->entries[archive->count++].name = copy;
    return DHO_OK;
}

/* The entry that minizip stands at. *used: bytes of the entries so far. */
static dho_status read_entry(pt_archive *archive, unzFile zip, const memory_stream *memory,
                             size_t *used)
{
    char name[MAX_NAME_BYTES + 1] = "?";
    unz_file_info64 info;
    if (unzGetCurrentFileInfo64(zip, &info, NULL, 0, NULL, 0, NULL, 0) != UNZ_OK)
        return dho_fail(DHO_ERR_FORMAT, "%s: zip entry %zu: cannot be read: damaged", archive->file,
                        archive->count);
    if (info.size_filename == 0 || info.size_filename > MAX_NAME_BYTES)
        return bad_entry(archive, name, "its name is empty or too long");
    if (unzGetCurrentFileInfo64(zip, &info, name, sizeof name, NULL, 0, NULL, 0) != UNZ_OK ||
        strlen(name) != info.size_filename)
        return bad_entry(archive, name, "its name cannot be read");
    if (info.flag & 1) return bad_entry(archive, name, "is encrypted");
    if (info.compression_method != 0) /* the sources inside a TorchScript program */
        return add_entry(archive, name, &(pt_entry){.compressed = true});
    if (info.compressed_size != info.uncompressed_size)
        return bad_entry(archive, name, "is stored, but its two sizes differ");
    const int opened = unzOpenCurrentFile(zip);
    if (opened != UNZ_OK) return bad_entry(archive, name, "its header is damaged");
    const ZPOS64_T at = unzGetCurrentFileZStreamPos64(zip);
    unzCloseCurrentFile(zip);
    if (at > memory->size || info.uncompressed_size > memory->size - at)
        return bad_entry(archive, name, "lies outside the file: truncated or damaged");
    /* Entries that overlap could make a small file look like a huge one. */
    if (__builtin_add_overflow(*used, (size_t)info.uncompressed_size, used) || *used > memory->size)
        return bad_entry(archive, name, "overlaps other entries");
    const pt_entry entry = {.data = memory->bytes + at,
                            .size = (size_t)info.uncompressed_size,
                            .crc = (uint32_t)info.crc};
    return add_entry(archive, name, &entry);
}

static int compare_entries(const void *a, const void *b)
{
    return strcmp(((const pt_entry *)a)->name, ((const pt_entry *)b)->name);
}

/* Entries are "<folder>/data.pkl" ...: finds the folder, drops it from the names and with it
 * everything outside of it. */
static dho_status strip_folder(pt_archive *archive)
{
    size_t kept = 0, length = 0;
    char folder[MAX_NAME_BYTES + 1] = "";
    for (size_t i = 0; i < archive->count; i++) {
        const char *name = archive->entries[i].name;
        if (!dho_ends_with(name, "/data.pkl") || strchr(name, '/') != strrchr(name, '/')) continue;
        if (length > 0) return bad_entry(archive, name, "is a second data.pkl");
        length = strlen(name) - strlen("data.pkl");
        memcpy(folder, name, length);
    }
    if (length == 0)
        return dho_fail(DHO_ERR_FORMAT,
                        "%s: a zip archive without data.pkl: not made by torch.save",
                        archive->file);
    for (size_t i = 0; i < archive->count; i++) {
        pt_entry entry = archive->entries[i];
        if (strncmp(entry.name, folder, length) == 0) {
            memmove(entry.name, entry.name + length, strlen(entry.name + length) + 1);
            archive->entries[kept++] = entry;
        } else {
            dho_free(entry.name);
        }
    }
    archive->count = kept;
    qsort(archive->entries, kept, sizeof *archive->entries, compare_entries);
    for (size_t i = 1; i < kept; i++)
        if (compare_entries(&archive->entries[i - 1], &archive->entries[i]) == 0)
            return bad_entry(archive, archive->entries[i].name, "is there twice");
    return DHO_OK;
}

static dho_status list_entries(pt_archive *archive, unzFile zip, const memory_stream *memory)
{
    size_t used = 0;
    int at = unzGoToFirstFile(zip);
    while (at == UNZ_OK) {
        if (archive->count == MAX_ENTRIES)
            return dho_fail(DHO_ERR_FORMAT, "%s: more than %d zip entries", archive->file,
                            MAX_ENTRIES);
        DHO_TRY(read_entry(archive, zip, memory, &used));
        at = unzGoToNextFile(zip);
    }
    if (at != UNZ_END_OF_LIST_OF_FILE)
        return dho_fail(DHO_ERR_FORMAT, "%s: the zip directory is damaged at entry %zu",
                        archive->file, archive->count);
    return DHO_OK;
}

dho_status pt_archive_open(pt_archive *out, const uint8_t *bytes, size_t size, const char *file)
{
    memory_stream memory = {.bytes = bytes, .size = size};
    zlib_filefunc64_def functions = {.zopen64_file = stream_open,
                                     .zread_file = stream_read,
                                     .ztell64_file = stream_tell,
                                     .zseek64_file = stream_seek,
                                     .zclose_file = stream_close,
                                     .zerror_file = stream_error,
                                     .opaque = &memory};
    *out = (pt_archive){.file = file};
    unzFile zip = unzOpen2_64(file, &functions);
    if (zip == NULL)
        return dho_fail(DHO_ERR_FORMAT,
                        "%s: a zip archive without its directory: truncated or damaged", file);
    dho_status status = list_entries(out, zip, &memory);
    unzClose(zip);
    if (status == DHO_OK) status = strip_folder(out);
    if (status != DHO_OK) pt_archive_close(out);
    return status;
}

void pt_archive_close(pt_archive *archive)
{
    for (size_t i = 0; i < archive->count; i++) dho_free(archive->entries[i].name);
    dho_free(archive->entries);
    archive->entries = NULL;
    archive->count = archive->capacity = 0;
}

dho_status pt_archive_find(pt_archive *archive, const char *name, const pt_entry **out)
{
    size_t low = 0, high = archive->count;
    *out = NULL;
    while (low < high && *out == NULL) {
        const size_t middle = low + (high - low) / 2;
        pt_entry *entry = &archive->entries[middle];
        const int order = strcmp(name, entry->name);
        if (order < 0) high = middle;
        if (order > 0) low = middle + 1;
        if (order != 0) continue;
        if (entry->compressed)
            return bad_entry(archive, name, "is compressed; torch.save stores without compression");
        if (!entry->checked && dho_crc32(0, entry->data, entry->size) != entry->crc)
            return bad_entry(archive, name, "the CRC-32 is wrong: damaged");
        entry->checked = true;
        *out = entry;
    }
    return DHO_OK;
}
