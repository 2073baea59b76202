/* Files: whole reads, atomic writes, mapped reads, folders. Every error names the path. */
#ifndef DHO_FILE_H
#define DHO_FILE_H

#include "dho/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

/* Opens a file for reading: the one way to open what a user names. It never waits: pipes, sockets,
 * devices and folders are refused. *out: a descriptor (close); *out_size: bytes.
 * Errors: DHO_ERR_IO. */
dho_status dho_file_open(int *out, const char *path, uint64_t *out_size);

/* Opens a file for reading and appending, as dho_file_open; made when it is not there. *out: a
 * descriptor (close). Errors: DHO_ERR_IO. */
dho_status dho_file_append(int *out, const char *path);

/* Reads a whole file into *inout_data, a block of *inout_capacity bytes that grows when needed
 * (start with NULL and 0; release with dho_free). *out_size: bytes read. A NUL that is not counted
 * follows the data.
 * Errors: DHO_ERR_IO; DHO_ERR_FORMAT when the file is larger than max_bytes. */
dho_status dho_file_read(const char *path, size_t max_bytes, uint8_t **inout_data,
                         size_t *inout_capacity, size_t *out_size);

/* dho_file_read of a text: without the byte-order mark that some editors put in front of UTF-8.
 * Errors: those, and DHO_ERR_FORMAT for UTF-16. */
dho_status dho_file_read_text(const char *path, size_t max_bytes, uint8_t **inout_data,
                              size_t *inout_capacity, size_t *out_size);
/* Bytes of the byte-order mark in front of a text: 3 or 0. */
size_t dho_text_mark(const void *text, size_t size);

/* A file that appears at `path` whole or not at all: written to "path.tmp.PID", then fsync, rename,
 * fsync of the folder. Errors of any write are kept and come back from commit. */
typedef struct dho_atomic_file dho_atomic_file;

dho_status dho_atomic_file_create(dho_atomic_file **out, const char *path);
/* Appends bytes (buffered); updates the running CRC. */
dho_status dho_atomic_file_write(dho_atomic_file *file, const void *data, size_t bytes);
/* Bytes written so far and the CRC-32 of all of them. */
uint64_t dho_atomic_file_size(const dho_atomic_file *file);
uint32_t dho_atomic_file_crc(const dho_atomic_file *file);
/* Makes the file appear; *file is released and nulled, also on failure (nothing appears then). */
dho_status dho_atomic_file_commit(dho_atomic_file **file);
/* Gives up: removes the temporary file; *file is nulled. NULL does nothing. */
void dho_atomic_file_discard(dho_atomic_file **file);

/* Removes what killed programs have left of an atomic file, "path.tmp.PID" of any process: only for
 * who alone may write `path` now. Failing here loses nothing. */
void dho_atomic_file_remove_left(const char *path);

/* Can an atomic file be written to `path`? For asking before long work. Nothing is left there.
 * Errors: DHO_ERR_IO naming the path. */
dho_status dho_file_check_place(const char *path);

/* Writes a small text atomically. */
dho_status dho_file_write_text(const char *path, const char *text);

/* A read-only mapping of a whole file. */
typedef struct dho_mapping {
    const uint8_t *data; /* owned: unmapped by dho_mapping_close; NULL for an empty file */
    size_t size;
} dho_mapping;

dho_status dho_mapping_open(dho_mapping *out, const char *path);
void dho_mapping_close(dho_mapping *mapping);

/* mkdir -p. An existing folder is fine. */
dho_status dho_make_folders(const char *path);
/* The same, and what it makes survives a crash: its parents are synced. For what holds results. */
dho_status dho_make_folders_durable(const char *path);
/* fsync of a folder, so that a rename in it survives a crash. */
dho_status dho_sync_folder(const char *path);
/* rm -r; a path that does not exist is fine. Does not follow symbolic links. */
dho_status dho_remove_tree(const char *path);

bool dho_path_exists(const char *path);
bool dho_path_is_folder(const char *path);
/* Two names of one file or folder that is there. */
bool dho_path_is_same(const char *a, const char *b);
/* Is the folder, the regular file there? A relative path is looked for in the working folder, and
 * the message names it. Errors: DHO_ERR_CONFIG "no such folder", or that it is something else. */
dho_status dho_require_folder(const char *path);
dho_status dho_require_file(const char *path);

/* "folder/name" as a fresh string (dho_free); an absolute name stays as it is. */
dho_status dho_path_join(char **out, const char *folder, const char *name);

/* Names in a folder in byte order, without "." and "..". */
typedef struct dho_name_list {
    char **names; /* owned */
    size_t count;
} dho_name_list;

dho_status dho_list_folder(dho_name_list *out, const char *path);
void dho_name_list_free(dho_name_list *list);

/* CRC-32 (IEEE 802.3, zlib's and Python's zlib.crc32); start with crc 0. Any size. */
uint32_t dho_crc32(uint32_t crc, const void *data, size_t bytes);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif

#endif
