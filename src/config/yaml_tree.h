/* A YAML document as a small tree whose nodes know where they stand. Private to src and tools.
 *
 * What a configuration has no use for is refused with a message: anchors and aliases, tags, keys
 * given twice, more than one document, control characters, deep or huge input. */
#ifndef DHO_CONFIG_YAML_TREE_H
#define DHO_CONFIG_YAML_TREE_H

#include "dho/status.h"

#include <stdbool.h>
#include <stddef.h>

enum {
    DHO_YAML_MAX_BYTES = 1 << 20,
    DHO_YAML_MAX_NODES = 10000,
    DHO_YAML_MAX_DEPTH = 8,
    DHO_YAML_PATH_BYTES = 256, /* longer key paths are cut in messages */
    DHO_YAML_QUOTE_BYTES = 128
};

typedef enum dho_yaml_kind { DHO_YAML_SCALAR, DHO_YAML_LIST, DHO_YAML_MAP } dho_yaml_kind;

/* Where a text comes from: a file, or the argument of one --set. */
typedef struct dho_yaml_source {
    const char *name; /* borrowed: the file's name, or the whole "key=value" */
    bool is_override;
} dho_yaml_source;

typedef struct dho_yaml_node dho_yaml_node;
struct dho_yaml_node {
    dho_yaml_kind kind;
    bool quoted;                   /* scalar in quotes or in block style: text, never a number */
    char *text;                    /* owned; a scalar's value, else NULL */
    char *key;                     /* owned; its key when the parent is a map, else NULL */
    size_t index;                  /* its place in the parent */
    size_t count;                  /* children */
    dho_yaml_node *first, *last;   /* owned children */
    dho_yaml_node *next;           /* sibling */
    dho_yaml_node *parent;         /* NULL for the root */
    const dho_yaml_source *source; /* borrowed */
    int line, column;              /* from 1; of the key if there is one, else of the value */
};

/* Parses one document. *out is owned (dho_yaml_free), NULL when the document is empty; `source`
 * is borrowed as long as the tree lives.
 * Errors: DHO_ERR_CONFIG "name:line:col: ..." ; DHO_ERR_MEMORY. */
dho_status dho_yaml_parse(dho_yaml_node **out, const char *text, size_t bytes,
                          const dho_yaml_source *source);
void dho_yaml_free(dho_yaml_node **root);

/* Appends a child; `key` (copied; NULL in a list) has `length` bytes. */
dho_status dho_yaml_add(dho_yaml_node **out, dho_yaml_node *parent, const char *key, size_t length);
/* The new content of `node` is that of *other, which is released. */
void dho_yaml_take(dho_yaml_node *node, dho_yaml_node **other);
/* A child by key or by index; NULL if there is none. */
dho_yaml_node *dho_yaml_child(const dho_yaml_node *map, const char *key, size_t length);
dho_yaml_node *dho_yaml_item(const dho_yaml_node *list, size_t index);
/* The node at "a.b.c" below `root` (maps only; NULL allowed); NULL if there is none. */
dho_yaml_node *dho_yaml_find(const dho_yaml_node *root, const char *path);
/* A plain scalar that YAML reads as null: nothing, ~ or null. */
bool dho_yaml_is_null(const dho_yaml_node *node);

/* Changes every tree under which it stands: puts value at "a.b[0].c" of "a.b[0].c=value".
 * *inout_root may be NULL. Errors: DHO_ERR_CONFIG "--set ...: ..."; DHO_ERR_MEMORY. */
dho_status dho_yaml_override(dho_yaml_node **inout_root, const dho_yaml_source *source);

/* DHO_ERR_CONFIG with "where: key: " in front of the text. */
dho_status dho_yaml_fail(const dho_yaml_node *node, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* DHO_ERR_CONFIG with "name:line:col: " or "--set key=value: " in front (line 0: no position). */
dho_status dho_yaml_fail_at(const dho_yaml_source *source, int line, int column, const char *format,
                            ...) __attribute__((format(printf, 4, 5)));
/* Refuses a path that begins with "~": the shell knows what that is, here nobody does. */
dho_status dho_yaml_check_path(const dho_yaml_node *node);
/* "train.lr", "eval.sets[0].root": the node's place in its tree. */
void dho_yaml_path(const dho_yaml_node *node, char out[DHO_YAML_PATH_BYTES]);
/* "\"text\"" cut to a readable length, without breaking a UTF-8 sequence. */
void dho_yaml_quote(const char *text, char out[DHO_YAML_QUOTE_BYTES]);

/* yaml_text.c: refuses what is not UTF-8, control characters and tabs used as indentation. */
dho_status dho_yaml_check_text(const char *text, size_t bytes, const dho_yaml_source *source);
/* True if the bytes are one line of printable UTF-8 (what escapes in quotes can undo). */
bool dho_yaml_is_clean(const char *text, size_t bytes);

#endif
