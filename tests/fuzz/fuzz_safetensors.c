/* libFuzzer: the safetensors reader over memory, and the teacher's head if it holds one. The input
 * is the whole file, or, when its first byte is odd, header and data without the length (so that
 * the fuzzer need not guess it). */
#include "dho/head_file.h"
#include "dho/safetensors.h"
#include "dho/teacher_head.h"
#include "weights/tensor_index.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static volatile float sink;

static void read_everything(const dho_safetensors *file)
{
    for (size_t i = 0; i < dho_safetensors_table(file)->count; i++) {
        const dho_tensor_view *tensor = &dho_safetensors_table(file)->tensors[i], *again;
        if (dho_safetensors_find(file, tensor->name) != tensor) abort();
        if (dho_safetensors_require(file, tensor->name, tensor->dims, tensor->shape, &again) !=
            DHO_OK)
            abort();
        const size_t count = tensor->bytes / dho_dtype_size(tensor->dtype);
        float *values = malloc(count * sizeof *values + 1);
        int64_t *integers = malloc(count * sizeof *integers + 1);
        dho_tensor_to_float(tensor, values);
        for (size_t k = 0; k < count; k++) sink = values[k];
        if (dho_tensor_to_int64(tensor, integers) == DHO_OK && count > 0) sink = (float)integers[0];
        free(integers);
        free(values);
    }
    dho_safetensors_metadata(file, "format");
    dho_teacher_head head;
    if (dho_teacher_head_read(&head, file, "fuzz", 0, 0) == DHO_OK) {
        if (head.key_count > 0 && head.first_key[head.classes] != head.key_count) abort();
        dho_teacher_head_free(&head);
    }
    dho_head_file whole;
    if (dho_head_file_parse(&whole, file, "fuzz") == DHO_OK) dho_head_file_free(&whole);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    dho_safetensors *file;
    if (size < 2) return 0;
    uint8_t *bytes = malloc(size + 8); /* exactly what is used is told to the reader */
    size_t used = size - 1;
    if (data[0] % 2 == 0) {
        memcpy(bytes, data + 1, used);
    } else {
        const uint8_t *end = memchr(data + 1, '\n', used); /* ends the header */
        const uint64_t length = end != NULL ? (uint64_t)(end - data - 1) : used;
        memcpy(bytes, &length, 8);
        memcpy(bytes + 8, data + 1, used);
        used += 8;
    }
    uint8_t *exact = malloc(used);
    memcpy(exact, bytes, used);
    if (dho_safetensors_open_memory(&file, exact, used, "fuzz") == DHO_OK) {
        read_everything(file);
        dho_safetensors_close(&file);
    }
    free(exact);
    free(bytes);
    return 0;
}
