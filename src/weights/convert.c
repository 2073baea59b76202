/* A file of weights, written again as safetensors. */
#include "dho/alloc.h"
#include "dho/file.h"
#include "dho/log.h"
#include "dho/weights.h"

#include <string.h>

/* The tensors in `prefix`, without it; all of them without a prefix. */
static dho_status select_tensors(const dho_weights *weights, const char *prefix,
                                 dho_tensor_view *out, size_t *out_count)
{
    const size_t length = strlen(prefix);
    *out_count = 0;
    for (size_t i = 0; i < dho_weights_count(weights); i++) {
        const dho_tensor_view *tensor = dho_weights_at(weights, i);
        if (strncmp(tensor->name, prefix, length) != 0 || tensor->name[length] == '\0') continue;
        out[*out_count] = *tensor;
        out[(*out_count)++].name += length;
    }
    if (*out_count > 0) return DHO_OK;
    return dho_fail(DHO_ERR_CONFIG, "--strip: no tensor of %s begins with \"%.100s\"",
                    dho_weights_path(weights), prefix);
}

dho_status dho_weights_convert(const char *from, const char *key, const char *prefix,
                               const char *to)
{
    static const char *const metadata[] = {"format", "pt", NULL};
    dho_weights *weights = NULL;
    dho_tensor_view *tensors = NULL;
    dho_status status;
    size_t count;
    if (dho_path_is_same(from, to))
        return dho_fail(DHO_ERR_CONFIG, "%s: is the input: write to another file", to);
    DHO_TRY(dho_safetensors_check_place("OUT", to));
    DHO_TRY_GOTO(dho_input_status(dho_weights_open(&weights, from, key)));
    DHO_TRY_GOTO(dho_alloc(&tensors, dho_weights_count(weights), sizeof *tensors, "tensors"));
    DHO_TRY_GOTO(select_tensors(weights, prefix, tensors, &count));
    DHO_TRY_GOTO(dho_safetensors_save(to, tensors, count, metadata, NULL));
    dho_info("%s: %zu tensors of %s (%s%s%s); %zu without the prefix left out", to, count, from,
             dho_weights_format(weights), dho_weights_key(weights)[0] != '\0' ? ", key " : "",
             dho_weights_key(weights), dho_weights_count(weights) - count);
fail:
    dho_free(tensors);
    dho_weights_close(&weights);
    return status;
}
