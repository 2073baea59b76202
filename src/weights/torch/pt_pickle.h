/* The restricted unpickler: values of a pickle as plain data, nothing executed. Private to
 * src/weights.
 *
 * Values, and the cells that containers link them with, live in two growing arrays and are named
 * by their index; a pickle may build any graph with them, so nothing here recurses. */
#ifndef DHO_WEIGHTS_TORCH_PT_PICKLE_H
#define DHO_WEIGHTS_TORCH_PT_PICKLE_H

#include "dho/safetensors.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum pt_kind {
    PT_NONE,
    PT_BOOL,
    PT_INT,
    PT_STRING,
    PT_TUPLE,
    PT_LIST,
    PT_DICT,   /* cells in the order of insertion; a key may come again: the last one counts */
    PT_GLOBAL, /* a known name */
    PT_STORAGE,
    PT_TENSOR,
    PT_OPAQUE /* something that no state dict's tensor needs: a number, or an object */
} pt_kind;

enum { PT_MAX_SIZE = 1 << 26 }; /* of a pickle */

typedef uint32_t pt_id; /* index of a value (0 is None) or of a cell */

typedef struct pt_value {
    pt_kind kind;
    /* TUPLE, LIST, DICT: cells. STORAGE, TENSOR: first is the index. OPAQUE: the callable (0: this
     * is no object) and its arguments. */
    pt_id first, last;
    uint32_t count; /* TUPLE, LIST, DICT: number of cells. STRING: bytes. OPAQUE: the state's id */
    union {
        int64_t integer;    /* BOOL, INT; GLOBAL: index of its name */
        const char *text;   /* STRING: inside the pickle, not terminated */
        bool holds_tensors; /* DICT: some key is a string and its value a tensor */
    };
} pt_value;

typedef struct pt_cell {
    pt_id key, value, next; /* key: DICT only */
} pt_cell;

typedef struct pt_storage {
    dho_dtype dtype;
    const char *key; /* the entry's name behind "data/"; inside the pickle, not terminated */
    size_t key_bytes;
    uint64_t elements;
    const uint8_t *data; /* inside the file; NULL: in the archive's entry, or missing */
} pt_storage;

/* A tensor that lies inside its storage: offset + sum((shape - 1) * stride) < elements. */
typedef struct pt_tensor {
    uint32_t storage;
    int dims;
    uint64_t offset;                                   /* elements */
    int64_t shape[DHO_MAX_DIMS], stride[DHO_MAX_DIMS]; /* >= 0 */
    uint64_t count;                                    /* product of the shape */
} pt_tensor;

typedef struct pt_pickle {
    /* What to run, set by the caller; all borrowed. */
    const char *file, *part; /* for messages: "x.pt", "data.pkl: " */
    const uint8_t *bytes;
    size_t size, at; /* the pickle begins at `at`; afterwards it is behind its end */

    size_t opcode_at;

    pt_value *values; /* owned, as the arrays below */
    pt_cell *cells;
    pt_id *stack, *memo;
    size_t *marks; /* heights of the stack */
    pt_storage *storages;
    pt_tensor *tensors;
    size_t value_count, cell_count, stack_count, memo_count, mark_count, storage_count,
        tensor_count;
    size_t value_capacity, cell_capacity, stack_capacity, memo_capacity, mark_capacity,
        storage_capacity, tensor_capacity;
} pt_pickle;

/* Runs a pickle to its end. *out_root: the value it made. The bytes must outlive the values.
 * Errors: DHO_ERR_FORMAT "file: part: offset N: why". pt_pickle_free in any case. */
dho_status pt_pickle_run(pt_pickle *inout, pt_id *out_root);
void pt_pickle_free(pt_pickle *pickle);

/* --- for pt_rebuild.c --- */

dho_status pt_bad(const pt_pickle *pickle, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
dho_status pt_new(pt_pickle *pickle, pt_kind kind, pt_id *out);
/* Appends a cell to a tuple, a list or a dict. */
dho_status pt_append(pt_pickle *pickle, pt_id container, pt_id key, pt_id value);
/* Makes room for one element more in one of the arrays. */
dho_status pt_grow(pt_pickle *pickle, void *inout_array, size_t count, size_t *capacity,
                   size_t element, size_t limit, const char *what);

/* --- what the names in a pickle mean (pt_rebuild.c) --- */

/* Looks a global up. Errors: DHO_ERR_FORMAT naming it. */
dho_status pt_global_find(const pt_pickle *pickle, const char *module, size_t module_bytes,
                          const char *name, size_t name_bytes, int64_t *out);
/* Is the value this text? */
bool pt_text_is(const pt_pickle *pickle, pt_id id, const char *text, size_t length);
/* Is the value a known global of this name? */
bool pt_global_is(const pt_pickle *pickle, pt_id id, const char *name);
/* The items of a tuple: `least` to `room` of them into out. false for anything else. */
bool pt_unpack(const pt_pickle *pickle, pt_id id, size_t least, size_t room, pt_id *out);
/* A tuple of integers >= 0: a shape, or strides (`what`). */
dho_status pt_extents(const pt_pickle *pickle, pt_id id, const char *what, int *dims,
                      int64_t out[DHO_MAX_DIMS]);
/* callable(*arguments) and class.__new__(*arguments) for the known globals. */
dho_status pt_reduce(pt_pickle *pickle, pt_id callable, pt_id arguments, pt_id *out);
/* ("storage", type, key, device, elements), in legacy files with a view's place or None */
dho_status pt_persistent(pt_pickle *pickle, pt_id id, pt_id *out);

#endif
