/* Sample paths and tar member names. WebDataset takes everything before the first dot of a file's
 * name as the key, and the rest as the extension; names of images may have more dots
 * (ImageNet-A: "0.000116_digital clock _ digital clock_0.865662.jpg"). */
#include "base/text.h"
#include "data/tar_index.h"
#include "dho/alloc.h"
#include "image/image_name.h"

#include <string.h>
#include <strings.h>

bool dho_tar_split_name(const char *name, size_t *out_key, const char **out_extension)
{
    const char *base = dho_base_name(name), *dot = strchr(base, '.');
    if (dot == NULL || dot == base) return false;
    *out_key = (size_t)(dot - name);
    *out_extension = dot + 1;
    return true;
}

dho_status dho_tar_member_name(char **out, const char *path)
{
    const char *base = dho_base_name(path), *dot = strrchr(base, '.');
    *out = NULL;
    if (dot == NULL || dot == base || !dho_is_image_extension(dot + 1))
        return dho_fail(
            DHO_ERR_CONFIG,
            "%s: cannot be packed: its name does not end as an image's (.jpg, .png, ...)", path);
    size_t escapes = 0;
    for (const char *c = base; c < dot; c++) escapes += *c == '.' || *c == '%';
    DHO_TRY(dho_alloc(out, strlen(path) + 2 * escapes + 1, 1, "shards: name"));
    char *to = *out;
    for (const char *c = path; *c != '\0'; c++) {
        if (c >= base && c < dot && (*c == '.' || *c == '%')) {
            memcpy(to, *c == '.' ? "%2E" : "%25", 3);
            to += 3;
        } else {
            *to++ = *c;
        }
    }
    *to = '\0';
    return DHO_OK;
}

dho_status dho_tar_sample_path(char **out, const char *name)
{
    DHO_TRY(dho_strdup(out, name));
    char *to = *out + (dho_base_name(name) - name);
    for (const char *c = dho_base_name(name); *c != '\0';) {
        const bool dot = strncmp(c, "%2E", 3) == 0, percent = strncmp(c, "%25", 3) == 0;
        *to++ = dot ? '.' : *c;
        c += dot || percent ? 3 : 1;
    }
    *to = '\0';
    return DHO_OK;
}
