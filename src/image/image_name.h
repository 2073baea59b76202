/* What the end of a file's name says about it. Private to src. */
#ifndef DHO_IMAGE_IMAGE_NAME_H
#define DHO_IMAGE_IMAGE_NAME_H

#include <stdbool.h>

typedef enum dho_name_kind {
    DHO_NAME_IMAGE,      /* of a format that dho decodes */
    DHO_NAME_NO_DECODER, /* an image of another format */
    DHO_NAME_OTHER
} dho_name_kind;

/* By what follows the last dot; upper and lower case are the same. */
dho_name_kind dho_image_name_kind(const char *name);
/* The same of an extension without its dot. */
bool dho_is_image_extension(const char *extension);

#endif
