/* The schema: one row per key of the configuration. Private to src and tools.
 *
 * Parsing, checking, printing and the documentation's table all go over these rows, so a new key is
 * a member of dho_config and one row in schema.c. */
#ifndef DHO_CONFIG_SCHEMA_H
#define DHO_CONFIG_SCHEMA_H

#include "dho/config.h"

#include <stdbool.h>
#include <stddef.h>

typedef enum dho_field_type {
    DHO_FIELD_BOOL,   /* bool */
    DHO_FIELD_INT,    /* int64_t */
    DHO_FIELD_UINT,   /* uint64_t */
    DHO_FIELD_DOUBLE, /* double */
    DHO_FIELD_WORD,   /* an enum whose values index `words` */
    DHO_FIELD_TEXT,   /* char *, owned; one of `words` if there are any */
    DHO_FIELD_VECTOR, /* double[size] */
    DHO_FIELD_LIST,   /* double *, owned, at least one, and a size_t count at offset `size` */
    DHO_FIELD_SETS    /* dho_config_set *, owned, and a size_t count at offset `size` */
} dho_field_type;

typedef struct dho_field {
    const char *key; /* from the table's root: "train.lr" */
    dho_field_type type;
    size_t offset;            /* of the member in the table's structure */
    size_t size;              /* VECTOR: numbers; LIST, SETS: offset of the count */
    const char *fallback;     /* the default as YAML text; NULL: none */
    const char *inherit;      /* key of the main table whose value is the default, or NULL */
    double low, high;         /* range of a number; infinities: no bound */
    bool low_open, high_open; /* the bound itself is out */
    bool is_path;             /* TEXT: of a file or folder */
    const char *const *words; /* NULL-terminated */
    const char *unit;         /* "" if it has none */
    const char *help;         /* one line */
    dho_decides decides;      /* what its value decides */
} dho_field;

typedef struct dho_schema {
    const dho_field *fields;
    size_t count;
} dho_schema;

extern const dho_schema dho_schema_config; /* the members of dho_config */
extern const dho_schema dho_schema_set;    /* of dho_config_set: an entry of eval.sets */

/* The row of a key, or NULL. */
const dho_field *dho_schema_find(const dho_schema *schema, const char *key);
/* True if some key starts with "path." */
bool dho_schema_is_section(const dho_schema *schema, const char *path);

enum { DHO_SCHEMA_TEXT_BYTES = DHO_CONFIG_KEY_BYTES, DHO_NUMBER_BYTES = 32 };

/* What a value must be, for messages: "a positive number", "one of fp32, bf16". */
void dho_schema_expected(const dho_field *field, char out[DHO_SCHEMA_TEXT_BYTES]);
/* Which values are allowed, for the documentation: "> 0", "in [0, 1]", "fp32, bf16" or "". */
void dho_schema_range(const dho_field *field, char out[DHO_SCHEMA_TEXT_BYTES]);
/* The shortest decimal text that reads back as the same double (whole numbers without exponent). */
void dho_schema_number(double value, char out[DHO_NUMBER_BYTES]);

/* config_suggest.c: the key (or section) of the schema that `path` most likely means; false if none
 * is near. */
bool dho_schema_suggest(const dho_schema *schema, const char *path,
                        char out[DHO_SCHEMA_TEXT_BYTES]);
/* The nearest of `words`, or NULL. */
const char *dho_schema_suggest_word(const char *const *words, const char *text);

#endif
