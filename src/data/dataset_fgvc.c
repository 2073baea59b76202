/* FGVC-Aircraft as CoOp reads it: the one of its sets without a split file of its own. The "split
 * file" is the variants' list (class c is line c of variants.txt); beside it stand
 * images_variant_train.txt, _val.txt and _test.txt with lines "1025794 707-320": the image's name
 * without ".jpg" and the variant. Paths are NAME.jpg under the root. */
#include "data/dataset_build.h"
#include "dho/alloc.h"
#include "dho/file.h"

#include <stdlib.h>
#include <string.h>

typedef struct variant {
    const char *name; /* borrowed */
    int32_t label;
} variant;

static int compare_variants(const void *a, const void *b)
{
    return strcmp(((const variant *)a)->name, ((const variant *)b)->name);
}

static dho_status list_variants(const dho_path_list *lines, const char *file, variant *out)
{
    for (size_t i = 0; i < lines->count; i++)
        out[i] = (variant){.name = lines->pool + lines->entries[i].offset, .label = (int32_t)i};
    qsort(out, lines->count, sizeof *out, compare_variants);
    for (size_t i = 1; i < lines->count; i++)
        if (compare_variants(&out[i - 1], &out[i]) == 0)
            return dho_fail(DHO_ERR_FORMAT, "%s: \"%s\" is named twice", file, out[i].name);
    return DHO_OK;
}

static dho_status add_image(dho_path_list *images, const char *line, const variant *variants,
                            size_t count, const char *file, size_t number)
{
    const char *space = strchr(line, ' ');
    const variant key = {.name = space != NULL ? space + 1 : ""};
    const variant *found = bsearch(&key, variants, count, sizeof *variants, compare_variants);
    char *path;
    if (space == NULL || found == NULL)
        return dho_fail(DHO_ERR_FORMAT, "%s:%zu: expected an image and a variant, got \"%.100s\"",
                        file, number, line);
    if (memchr(line, '/', (size_t)(space - line)) != NULL || line[0] == '.')
        return dho_fail(DHO_ERR_FORMAT, "%s:%zu: \"%.*s\" is no image's name", file, number,
                        (int)(space - line), line);
    DHO_TRY(dho_asprintf(&path, "%.*s.jpg", (int)(space - line), line));
    const dho_status status = dho_path_list_append(images, NULL, path, found->label);
    dho_free(path);
    return status;
}

static dho_status read_images(dho_path_list *images, const dho_path_list *lines,
                              const variant *variants, size_t count, const char *file)
{
    for (size_t i = 0; i < lines->count; i++) {
        const char *line = lines->pool + lines->entries[i].offset;
        if (line[0] != '\0') DHO_TRY(add_image(images, line, variants, count, file, i + 1));
    }
    if (images->count > 0) return DHO_OK;
    return dho_fail(DHO_ERR_CONFIG, "%s: lists no image", file);
}

static dho_status split_path(char **out, const char *variants_file, const char *split)
{
    const char *slash = strrchr(variants_file, '/');
    const int folder = slash != NULL ? (int)(slash - variants_file) + 1 : 0;
    DHO_TRY(dho_asprintf(out, "%.*simages_variant_%s.txt", folder, variants_file, split));
    if (dho_path_exists(*out)) return DHO_OK;
    return dho_fail(DHO_ERR_CONFIG, "%s: no such file (the %s split of %s)", *out, split,
                    variants_file);
}

dho_status dho_dataset_open_fgvc(dho_dataset *out, const char *root, const char *variants_file,
                                 const char *split)
{
    dho_path_list names = {0}, lines = {0}, images = {0};
    variant *variants = NULL;
    char *path = NULL;
    dho_status status;
    DHO_TRY_GOTO(split_path(&path, variants_file, split));
    DHO_TRY_GOTO(dho_read_lines(&names, variants_file, true));
    if (names.count == 0 || names.count > 1 << 20) {
        status = dho_fail(DHO_ERR_CONFIG, "%s: %zu variants", variants_file, names.count);
        goto fail;
    }
    DHO_TRY_GOTO(dho_alloc(&variants, names.count, sizeof *variants, "dataset: class names"));
    DHO_TRY_GOTO(list_variants(&names, variants_file, variants));
    DHO_TRY_GOTO(dho_read_lines(&lines, path, false));
    DHO_TRY_GOTO(read_images(&images, &lines, variants, names.count, path));
    DHO_TRY_GOTO(dho_strdup(&out->root, root));
    DHO_TRY_GOTO(dho_alloc_zero(&out->class_names, names.count, sizeof *out->class_names,
                                "dataset: class names"));
    out->classes = (int32_t)names.count;
    for (size_t i = 0; i < names.count; i++)
        DHO_TRY_GOTO(dho_strdup(&out->class_names[i], names.pool + names.entries[i].offset));
    DHO_TRY_GOTO(dho_dataset_finish(out, &images));
fail:
    if (status != DHO_OK) dho_dataset_free(out);
    dho_free(variants);
    dho_free(path);
    dho_path_list_free(&images);
    dho_path_list_free(&lines);
    dho_path_list_free(&names);
    return status;
}
