/* The teacher cache: what the teacher said of each image, and of which crop of it.
 *
 * A folder: cache.json (the manifest; its presence makes the cache complete), head.safetensors (how
 * embeddings become logits) and shard-SSSSS-of-NNNNN.bin. Sample id lives in cache shard id mod S;
 * with train.shards V dividing S, virtual shard v is the union of the cache shards s with
 * s mod V == v, so of the unlabelled images a rank maps only its own shards; labelled ones, a
 * stream that all ranks share, are looked up in whichever shard they are. docs/teacher-cache.md has
 * the layout.
 *
 * Every record is one view of one image: crop box and flip (or none: "free", the student crops as
 * it likes), and the payload: the teacher's embedding or its logits. Blocks of records carry a
 * CRC-32 that is checked when a block is first touched. */
#ifndef DHO_TEACHER_CACHE_H
#define DHO_TEACHER_CACHE_H

#include "dho/config.h"
#include "dho/image.h"
#include "dho/status.h"
#include "dho/teacher_head.h"
#include "dho/tip_adapter.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

enum {
    DHO_CACHE_MAX_SHARDS = 65536,
    DHO_CACHE_MAX_VIEWS = 65535,
    DHO_CACHE_MAX_TOP = 255 /* logits that DHO_CACHE_TOPK keeps */
};

typedef enum dho_cache_payload { DHO_CACHE_EMBEDDING, DHO_CACHE_LOGITS } dho_cache_payload;
typedef enum dho_cache_encoding {
    DHO_CACHE_FP16,
    /* 1 was int8 with one scale a record, which is not read any more */
    DHO_CACHE_TOPK = 2, /* logits only: the `top` largest, and one number for the rest */
    DHO_CACHE_INT8X,    /* int8, one scale a record; the 4 values largest in magnitude are floats */
    DHO_CACHE_ENCODINGS
} dho_cache_encoding;

/* What became the teacher's input: the record's box; or, with free crops, the whole image. */
typedef enum dho_cache_resize {
    DHO_CACHE_CROP,
    DHO_CACHE_SHORTEST, /* the short side resized, the centre cropped */
    DHO_CACHE_SQUASH    /* resized to a square */
} dho_cache_resize;

/* What a record's bits depend on beside image, box and weights. */
typedef struct dho_cache_transform {
    bool known; /* false: nothing is recorded (imports, format versions 1 and 2) */
    dho_filter filter;
    dho_cache_resize resize;
    int short_side; /* DHO_CACHE_SHORTEST: pixels; otherwise 0 */
    float mean[3], std[3];
    char compute[16]; /* backend and dtype: "onednn fp32" */
} dho_cache_transform;

typedef struct dho_cache_spec {
    uint64_t fingerprint; /* dho_dataset.fingerprint it was made from */
    int64_t count;        /* images */
    int shards;           /* S */
    int views;            /* K >= 1 records an image */
    bool free_crops;      /* no boxes stored: any crop of the image goes with the record */
    dho_cache_payload payload;
    dho_cache_encoding encoding;
    int dim;        /* floats of a payload: embedding width or number of classes */
    int classes;    /* of the head / of the logits */
    int top;        /* DHO_CACHE_TOPK: logits that are kept, 1 to 255; otherwise 0 */
    int image_size; /* the crop was resized to this for the teacher; 0 = unknown */
    double crop_scale[2], crop_ratio[2]; /* the boxes' distribution; 0 for free_crops */
    bool flip;
    uint64_t seed;     /* of the boxes */
    char teacher[128]; /* who it is, for people to read */
    dho_cache_transform transform;
} dho_cache_spec;

typedef struct dho_cache_record {
    dho_box box; /* all 0 with free crops */
    bool flip;
    float *payload; /* [dim], borrowed from the caller */
} dho_cache_record;

/* "fp16", "int8", "topk", "int8x": as in the manifest. */
const char *dho_cache_encoding_name(dho_cache_encoding encoding);

const char *dho_cache_resize_name(dho_cache_resize resize); /* "crop", "shortest", "squash" */

/* The word about a teacher: "KIND NAME crc32 XXXXXXXX SUFFIX", the name being the last 80 bytes of
 * a path at most. The CRC tells teachers of one name apart. Local. */
void dho_cache_describe_teacher(const char *kind, const char *path, uint32_t crc,
                                const char *suffix, char out[128]);

/* --- reading --- */
typedef struct dho_cache dho_cache;

/* Reads manifest and head and checks them; maps no shard yet. Local.
 * Errors: DHO_ERR_CONFIG (no cache there; not complete), DHO_ERR_FORMAT. */
dho_status dho_cache_open(dho_cache **out, const char *folder);
void dho_cache_close(dho_cache **cache);
const dho_cache_spec *dho_cache_get_spec(const dho_cache *cache);
const char *dho_cache_folder(const dho_cache *cache); /* as given to open */
/* Borrowed; all zero but scale 1, classes and dim for logits. */
const dho_teacher_head *dho_cache_get_head(const dho_cache *cache);

/* Is it the cache of this dataset? Errors: DHO_ERR_CONFIG with both fingerprints and counts. */
dho_status dho_cache_check_dataset(const dho_cache *cache, uint64_t fingerprint, int64_t count);
/* Is the configuration's cache of this dataset, and does teacher.head, if there is one, fit it? */
dho_status dho_cache_check_run(const dho_config *config, uint64_t fingerprint, int64_t count);

/* Decodes record (id, view). Maps the shard on first use. Thread-safe.
 * Errors: DHO_ERR_IO, DHO_ERR_FORMAT "file: block B at offset O: CRC ..." */
dho_status dho_cache_read(dho_cache *cache, int64_t id, int view, dho_cache_record *inout);
/* All views of the images ids[count], as shots. labels [count] is copied. *out is owned
 * (dho_shots_free). Local. Errors: those of dho_cache_read; DHO_ERR_CONFIG for a cache of logits;
 * DHO_ERR_NUMERIC for an embedding that is 0. */
dho_status dho_cache_read_shots(dho_cache *cache, const int64_t *ids, const int64_t *labels,
                                int64_t count, dho_shots *out);

/* Files that a Tip-Adapter is made of. */
typedef struct dho_tip_sources {
    const char *head;           /* NULL: that of the cache */
    const char *shots, *values; /* NULL: the cache's labelled images; see dho_shots_load_torch */
    const char *search, *test;  /* sets to choose and to test on; NULL: none */
    bool no_normalise;          /* of the shots */
} dho_tip_sources;

/* Shots of the images that the configuration labels, from its cache; config NULL: those of a file.
 * Free it also on failure. Local. Errors: those of the readers, naming the file. */
dho_status dho_tip_inputs_load(dho_tip_inputs *out, const dho_tip_sources *from,
                               const dho_config *config);
/* Only the view's box and flip. Thread-safe. */
dho_status dho_cache_read_view(dho_cache *cache, int64_t id, int view, dho_box *box, bool *flip);
/* Checks every byte of every shard (of those with index mod ranks == rank). Local. */
dho_status dho_cache_verify(dho_cache *cache, int rank, int ranks);

/* --- writing --- */

/* Fills the records of one image: views[K], payload pointers are set. Called in id order inside a
 * shard. Returning an error ends the writing of this shard. */
typedef dho_status (*dho_cache_fill)(void *context, int64_t id, dho_cache_record *views);

/* Bytes a record takes on disk, without its part of the CRC table (4 bytes for about 64 KiB). */
size_t dho_cache_record_bytes(const dho_cache_spec *spec);

/* Before the first shard is written: says the bytes of a view and of all, makes the folder, and
 * refuses one in which another cache is, or was begun with another number of shards, or to which
 * another build is writing. *out_lock: a descriptor that keeps other builds away until it is closed
 * after dho_cache_finish; -1 after an error. Rank 0 only.
 * Local. Errors: DHO_ERR_CONFIG naming the file and the setting, DHO_ERR_IO. */
dho_status dho_cache_begin(const char *folder, const dho_cache_spec *spec, int *out_lock);

/* Writes shard s atomically, unless a whole, valid one with the same spec is there already
 * (*out_written false then). Local. Errors also when another spec's shard is in the way. */
dho_status dho_cache_write_shard(const char *folder, const dho_cache_spec *spec, int shard,
                                 dho_cache_fill fill, void *context, bool *out_written);

/* Writes head.safetensors (unless head is NULL), then the manifest, after checking that all shards
 * are there: the cache is complete now. Rank 0 only, after all ranks are done. Local. */
dho_status dho_cache_finish(const char *folder, const dho_cache_spec *spec,
                            const dho_teacher_head *head);

/* The same where `written` shards are new. When none is, and the cache is whole already and has
 * this head, nothing is touched, which is said. */
dho_status dho_cache_finish_new(const char *folder, const dho_cache_spec *spec,
                                const dho_teacher_head *head, int64_t written);

/* --- import --- */

/* What a cache is made of: rows in the dataset's order. */
typedef struct dho_tensor_import {
    const char *out;  /* the cache's folder */
    const char *rows; /* safetensors with `features` [N, D], or `logits` [N, classes]; `labels` [N],
                         if there, must equal the dataset's */
    const char *head; /* of features (dho_teacher_head_load); NULL: the rows are logits */
    float scale;      /* instead of the head's; 0: the head's */
    bool no_normalise; /* of features: keep their length, instead of 1 */
    dho_cache_encoding encoding;
    int top; /* of DHO_CACHE_TOPK, for logits: the largest that are kept; otherwise 0 */
    int shards;
    uint64_t fingerprint; /* of the dataset, as all below */
    int64_t count;
    const int32_t *labels; /* [count], or NULL */
    int classes;
} dho_tensor_import;

/* Free crops, one view. Local (one rank does it). Errors: DHO_ERR_CONFIG (rows or labels do not
 * match the dataset, dims differ), DHO_ERR_FORMAT. */
dho_status dho_cache_import(const dho_tensor_import *import);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif

#endif
