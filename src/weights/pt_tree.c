#include "weights/pt_tree.h"

#include <stdio.h>
#include <string.h>

enum { MAX_DEPTH = 4 };

static bool text_is(const pt_pickle *p, pt_id id, const char *text, size_t length)
{
    const pt_value *value = &p->values[id];
    return value->kind == PT_STRING && value->count == length &&
           memcmp(value->text, text, length) == 0;
}

pt_id pt_lookup(const pt_pickle *p, pt_id dict, const char *key, size_t length)
{
    const pt_value *from = &p->values[dict];
    pt_id cell = from->first, found = 0;
    for (uint32_t i = 0; from->kind == PT_DICT && i < from->count; i++) {
        if (text_is(p, p->cells[cell].key, key, length)) found = p->cells[cell].value;
        cell = p->cells[cell].next;
    }
    return found;
}

static bool holds_tensors(const pt_pickle *p, pt_id dict)
{
    return p->values[dict].kind == PT_DICT && p->values[dict].holds_tensors;
}

/* Follows "a.b": at each step the whole rest is tried as one key first. */
static dho_status follow_key(const pt_pickle *p, pt_id root, const char *key, pt_id *out)
{
    *out = root;
    for (const char *rest = key; *rest != '\0';) {
        size_t length = strlen(rest);
        pt_id next = pt_lookup(p, *out, rest, length);
        if (next == 0) {
            length = strcspn(rest, ".");
            next = pt_lookup(p, *out, rest, length);
        }
        if (next == 0)
            return dho_fail(DHO_ERR_CONFIG, "%s: there is no key \"%.200s\" (at \"%.100s\")",
                            p->file, key, rest);
        *out = next;
        rest += length;
        if (*rest == '.') rest++;
    }
    if (!holds_tensors(p, *out))
        return dho_fail(DHO_ERR_CONFIG, "%s: under the key \"%.200s\" there are no tensors",
                        p->file, key);
    return DHO_OK;
}

/* The only key whose value is a dict of tensors. */
static pt_id only_dict(const pt_pickle *p, pt_id dict, pt_id *out_key)
{
    const pt_value *from = &p->values[dict];
    pt_id cell = from->first, found = 0;
    for (uint32_t i = 0; from->kind == PT_DICT && i < from->count; i++) {
        const pt_cell *item = &p->cells[cell];
        if (p->values[item->key].kind == PT_STRING && holds_tensors(p, item->value)) {
            if (found != 0) return 0;
            found = item->value;
            *out_key = item->key;
        }
        cell = item->next;
    }
    return found;
}

static void append_key(char path[PT_KEY_BYTES + 1], const char *key, size_t length)
{
    const size_t used = strlen(path);
    snprintf(path + used, PT_KEY_BYTES + 1 - used, "%s%.*s", used > 0 ? "." : "",
             length < PT_KEY_BYTES ? (int)length : (int)PT_KEY_BYTES, key);
}

static dho_status search(const pt_pickle *p, pt_id root, char out_key[PT_KEY_BYTES + 1], pt_id *out)
{
    static const char *const usual[] = {"state_dict", "model_state_dict", "model", "teacher",
                                        "student"};
    *out = root;
    for (int depth = 0; depth < MAX_DEPTH && !holds_tensors(p, *out); depth++) {
        pt_id next = 0, key = 0;
        for (size_t i = 0; i < sizeof usual / sizeof usual[0] && next == 0; i++) {
            next = pt_lookup(p, *out, usual[i], strlen(usual[i]));
            if (p->values[next].kind != PT_DICT) next = 0;
            if (next != 0) append_key(out_key, usual[i], strlen(usual[i]));
        }
        if (next == 0) {
            next = only_dict(p, *out, &key);
            if (next != 0) append_key(out_key, p->values[key].text, p->values[key].count);
        }
        if (next == 0) break;
        *out = next;
    }
    if (holds_tensors(p, *out)) return DHO_OK;
    return dho_fail(DHO_ERR_FORMAT,
                    "%s: there is no state dict at the root, under state_dict, "
                    "model_state_dict, model, teacher or student, nor under one only other key: "
                    "name its key",
                    p->file);
}

dho_status pt_find_state_dict(const pt_pickle *p, pt_id root, const char *key,
                              char out_key[PT_KEY_BYTES + 1], pt_id *out)
{
    out_key[0] = '\0';
    if (key == NULL || key[0] == '\0') return search(p, root, out_key, out);
    append_key(out_key, key, strlen(key));
    return follow_key(p, root, key, out);
}
