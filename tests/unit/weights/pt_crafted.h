/* Golden checkpoints, and pickles that no PyTorch would write. */
#ifndef DHO_TESTS_PT_CRAFTED_H
#define DHO_TESTS_PT_CRAFTED_H

#include "check_main.h"
#include "dho/alloc.h"
#include "dho/file.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* Valid until the second call from now. */
static inline const char *golden(const char *name)
{
    static char paths[2][512];
    static int turn;
    char *path = paths[turn++ % 2];
    snprintf(path, sizeof paths[0], "tests/golden/torch/%s", name);
    return path;
}

/* In a block of exactly the file's size, for the sanitizer to see its end. */
static inline uint8_t *load(const char *path, size_t *size)
{
    uint8_t *bytes = NULL, *exact;
    size_t capacity = 0;
    ck_assert_ok(dho_file_read(path, 1 << 20, &bytes, &capacity, size));
    exact = malloc(*size);
    memcpy(exact, bytes, *size);
    dho_free(bytes);
    return exact;
}

#define PROTO "\x80\x02"
#define STORAGE(key, elements)                             \
    "(U\x07storagectorch\nFloatStorage\nU\x01" key "U\x03" \
    "cpu" elements "tQ"
#define TENSOR(storage, offset, shape, stride) \
    "ctorch._utils\n_rebuild_tensor_v2\n(" storage offset shape stride "\x89)tR"
#define DICT(value) PROTO "}U\x01w" value "s."
#define OF4(offset, shape, stride) DICT(TENSOR(STORAGE("0", "K\x04"), offset, shape, stride))
#define LONG8(text) "\x8a\x08" text
#define HUGE8 LONG8("\xff\xff\xff\xff\xff\xff\xff\x7f")

typedef struct crafted {
    const char *bytes;
    size_t size;
    const char *message; /* NULL: must be accepted */
} crafted;

#define CRAFTED(text, message)         \
    {                                  \
        text, sizeof text - 1, message \
    }

/* Accepted, or refused with the message. */
static inline void check_crafted(const crafted *craft, int i, dho_status status)
{
    if (craft->message == NULL) {
        ck_assert_msg(status == DHO_OK, "case %d: %s", i, dho_error_message());
        return;
    }
    ck_assert_msg(status == DHO_ERR_FORMAT, "case %d", i);
    ck_assert_msg(strstr(dho_error_message(), craft->message) != NULL, "case %d: %s", i,
                  dho_error_message());
}

#endif
