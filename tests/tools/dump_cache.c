/* dump_cache FOLDER: every record in the order of ids and views, as 32-bit words: id, view, the
 * crop's x, y, width and height (0 without a box), flip, then the logits as floats. */
#include "dho/alloc.h"
#include "dho/teacher.h"

#include <stdio.h>
#include <stdlib.h>

static dho_status dump(dho_cache *cache, dho_compute *compute, float *payload, float *scratch,
                       float *logits)
{
    const dho_cache_spec *spec = dho_cache_get_spec(cache);
    for (int64_t id = 0; id < spec->count; id++) {
        for (int view = 0; view < spec->views; view++) {
            const dho_draw draw = {.id = id, .pass = view};
            dho_box box = {0};
            bool flip = false;
            DHO_TRY(dho_teacher_logits(compute, cache, dho_cache_get_head(cache), &draw, 1, payload,
                                       scratch, logits));
            if (!spec->free_crops) DHO_TRY(dho_cache_read_view(cache, id, view, &box, &flip));
            const int32_t words[7] = {(int32_t)id, view, box.x, box.y, box.width, box.height, flip};
            if (fwrite(words, sizeof words, 1, stdout) != 1 ||
                fwrite(logits, sizeof *logits, (size_t)spec->classes, stdout) !=
                    (size_t)spec->classes)
                return dho_fail(DHO_ERR_IO, "standard output: cannot write");
        }
    }
    return DHO_OK;
}

int main(int argc, char **argv)
{
    dho_cache *cache = NULL;
    dho_compute *compute = NULL;
    float *payload = NULL, *scratch = NULL, *logits = NULL;
    dho_status status = DHO_ERR_CONFIG;
    if (argc != 2) return EXIT_FAILURE;
    DHO_TRY_GOTO(dho_cache_open(&cache, argv[1]));
    DHO_TRY_GOTO(dho_compute_create(&compute, DHO_BACKEND_REF, DHO_DTYPE_FP32, 1));
    DHO_TRY_GOTO(dho_alloc(&payload, (size_t)dho_cache_get_spec(cache)->dim, sizeof(float), "row"));
    DHO_TRY_GOTO(
        dho_alloc(&logits, (size_t)dho_cache_get_spec(cache)->classes, sizeof(float), "row"));
    DHO_TRY_GOTO(dho_alloc(&scratch, dho_teacher_head_scratch(dho_cache_get_head(cache), 1),
                           sizeof(float), "row"));
    DHO_TRY_GOTO(dump(cache, compute, payload, scratch, logits));
    if (fflush(stdout) != 0) status = dho_fail(DHO_ERR_IO, "standard output: cannot write");
fail:
    if (status != DHO_OK) fprintf(stderr, "dump_cache: %s\n", dho_error_message());
    dho_free(payload);
    dho_free(scratch);
    dho_free(logits);
    dho_compute_destroy(&compute);
    dho_cache_close(&cache);
    return status == DHO_OK ? EXIT_SUCCESS : EXIT_FAILURE;
}
