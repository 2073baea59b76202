/* tokenize VOCABULARY CONTEXT <records >rows: for texts that hold any byte. A record is the
 * number of bytes as 4 little-endian bytes and the text; a row is CONTEXT int32, -1 where the text
 * is refused.
 * tokenize unassigned >codes: the code points that libunistring's version of Unicode lacks, int32.
 */
#include "dho/tokenizer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unictype.h>

static int fail(void)
{
    fprintf(stderr, "tokenize: %s\n", dho_error_message());
    return EXIT_FAILURE;
}

static int write_unassigned(void)
{
    for (int32_t code = 0; code <= 0x10ffff; code++)
        if (uc_is_general_category_withtable((uint32_t)code, UC_CATEGORY_MASK_Cn) &&
            fwrite(&code, sizeof code, 1, stdout) != 1)
            return EXIT_FAILURE;
    return fflush(stdout) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

int main(int argc, char **argv)
{
    enum { MOST = 1 << 16, LONGEST = 4096 };
    static char text[MOST];
    int32_t ids[LONGEST];
    uint8_t size[4];
    if (argc == 2 && strcmp(argv[1], "unassigned") == 0) return write_unassigned();
    const int context = argc == 3 ? atoi(argv[2]) : 0;
    if (context < 2 || context > LONGEST) return EXIT_FAILURE;
    dho_tokenizer *tokenizer;
    if (dho_tokenizer_open(&tokenizer, argv[1]) != DHO_OK) return fail();
    while (fread(size, 1, 4, stdin) == 4) {
        const size_t bytes =
            (size_t)size[0] | (size_t)size[1] << 8 | (size_t)size[2] << 16 | (size_t)size[3] << 24;
        if (bytes > MOST || fread(text, 1, bytes, stdin) != bytes) return EXIT_FAILURE;
        const dho_status status =
            dho_tokenizer_encode(tokenizer, text, bytes, ids, (size_t)context, NULL, NULL);
        if (status == DHO_ERR_CONFIG)
            memset(ids, 0xff, (size_t)context * sizeof *ids);
        else if (status != DHO_OK)
            return fail();
        if (fwrite(ids, sizeof *ids, (size_t)context, stdout) != (size_t)context)
            return EXIT_FAILURE;
    }
    dho_tokenizer_close(&tokenizer);
    return fflush(stdout) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
