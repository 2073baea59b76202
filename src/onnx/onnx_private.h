/* The model's insides. Private to src/onnx. */
#ifndef DHO_ONNX_ONNX_PRIVATE_H
#define DHO_ONNX_ONNX_PRIVATE_H

#include "onnx/onnx_file.h"

#include "onnx/onnx_file.pb-c.h"

#include <stdbool.h>

/* A growing array of pointers. */
typedef struct dho_onnx_list {
    void **items; /* owned */
    size_t count, capacity;
} dho_onnx_list;

struct dho_onnx {
    dho_onnx_list blocks; /* owned: all memory of the messages below */
    dho_onnx_list nodes, constants, inputs, outputs, properties;
    int names; /* given so far */
    dho_status failure;
    char message[256];
};

/* Zeroed memory that lives as long as the model; NULL after a failure. */
void *dho_onnx_keep(dho_onnx *onnx, size_t count, size_t size);
/* A copy of a text; NULL after a failure. */
char *dho_onnx_keep_text(dho_onnx *onnx, const char *text);
/* False after a failure. */
bool dho_onnx_push(dho_onnx *onnx, dho_onnx_list *list, void *item);

#endif
