/* libFuzzer: the reader of PyTorch checkpoints over memory. The first byte says what the rest is:
 * even, the whole file, zip or legacy; odd, a pickle that the harness puts into a proper archive
 * (with two storages), so that the fuzzer need not guess CRCs; with bit 1 it is read as a list of
 * arrays. Seeds: tests/fuzz/seeds/torch_file. */
#include "../unit/weights/pt_fixture.h"
#include "dho/torch_file.h"
#include "weights/tensor_index.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static volatile unsigned sink;

static void read_everything(const dho_torch_file *file)
{
    for (size_t i = 0; i < dho_torch_file_count(file); i++) {
        const dho_tensor_view *tensor = dho_torch_file_at(file, i);
        if (dho_tensor_index_find(dho_torch_file_table(file), tensor->name) != tensor) abort();
        if (tensor->dims < 0 || tensor->dims > DHO_MAX_DIMS) abort();
        size_t bytes = dho_dtype_size(tensor->dtype);
        for (int d = 0; d < tensor->dims; d++) {
            if (tensor->shape[d] < 0) abort();
            bytes *= (size_t)tensor->shape[d];
        }
        if (bytes != tensor->bytes) abort();
        for (size_t k = 0; k < bytes; k++) sink += ((const uint8_t *)tensor->data)[k];
    }
    sink += (unsigned)strlen(dho_torch_file_key(file));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint8_t storage[64] = {1, 2, 3};
    dho_torch_file *file;
    pt_zip zip = {0};
    if (size < 1) return 0;
    if (data[0] % 2 == 1) {
        pt_zip_add(&zip, "data.pkl", data + 1, size - 1);
        pt_zip_add(&zip, "data/0", storage, 64);
        pt_zip_add(&zip, "data/1", storage, 24);
        pt_zip_finish(&zip);
    } else {
        zip.size = size - 1;
        zip.bytes = malloc(zip.size > 0 ? zip.size : 1); /* exactly: the sanitizer sees its end */
        memcpy(zip.bytes, data + 1, zip.size);
    }
    const char *key = data[0] & 2 ? DHO_TORCH_LIST : NULL;
    if (dho_torch_file_open_memory(&file, zip.bytes, zip.size, "fuzz", key) == DHO_OK) {
        read_everything(file);
        dho_torch_file_close(&file);
    }
    free(zip.bytes);
    return 0;
}
