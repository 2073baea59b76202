#include "weights/wrong_file.h"

#include <string.h>
#include <strings.h>

/* A file's first bytes, and what to say. */
static const struct {
    const char *magic;
    size_t length, offset;
    const char *text;
} kinds[] = {
    {"version https://git-lfs", 23, 0,
     "is a git LFS pointer, not the file itself: run git lfs pull, or download the file"},
    {"\x1f\x8b", 2, 0, "is compressed by gzip: gunzip it first"},
    {"BZh", 3, 0, "is compressed by bzip2: bunzip2 it first"},
    {"\xfd"
     "7zXZ",
     5, 0, "is compressed by xz: unxz it first"},
    {"\x28\xb5\x2f\xfd", 4, 0, "is compressed by zstd: unzstd it first"},
    {"\x89HDF", 4, 0, "is an HDF5 file (Keras): save the weights as safetensors"},
    {"\x93NUMPY", 6, 0, "is a NumPy array: save the weights as safetensors, with their names"},
    {"GGUF", 4, 0, "is a GGUF file: use the model's safetensors"},
    {"ustar", 5, 257, "is a tar archive: unpack it first"},
    {"%PDF", 4, 0, "is a PDF document"},
    {"\x08\x00\x12", 3, 0, "looks like an ONNX model: use the weights it was made of"},
};

/* What a server answers in place of a file. */
static const char *const page_beginnings[] = {"<!doctype", "<html",  "<?xml",
                                              "<head",     "<error", "{\"error\""};

const char *dho_weights_look_wrong(const uint8_t *bytes, size_t size)
{
    if (size == 0) return "is empty (0 bytes): the download or the copy has failed";
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (size >= kinds[i].offset + kinds[i].length &&
            memcmp(bytes + kinds[i].offset, kinds[i].magic, kinds[i].length) == 0)
            return kinds[i].text;
    size_t at = size >= 3 && memcmp(bytes, "\xef\xbb\xbf", 3) == 0 ? 3 : 0;
    while (at < size && at < 64 && (bytes[at] == ' ' || (bytes[at] >= '\t' && bytes[at] <= '\r')))
        at++;
    for (size_t i = 0; i < sizeof page_beginnings / sizeof *page_beginnings; i++) {
        const size_t length = strlen(page_beginnings[i]);
        if (size - at >= length &&
            strncasecmp((const char *)bytes + at, page_beginnings[i], length) == 0)
            return "is a web page or a server's answer, not the file: download it again (a link to "
                   "the file itself, a login)";
    }
    for (size_t i = 0; i < size; i++)
        if (bytes[i] != 0 || size < 64) return NULL;
    return "holds nothing but zeros: the download or the copy has failed";
}
