#include "weights/torch/pt_tree.h"

#include <stdio.h>
#include <string.h>

enum { MAX_DEPTH = 4, MAX_LOOKS = 1 << 26 };

bool pt_text_is(const pt_pickle *p, pt_id id, const char *text, size_t length)
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
        if (pt_text_is(p, p->cells[cell].key, key, length)) found = p->cells[cell].value;
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

/* --- the search --- */

/* Where people put it, the first choice first: an average of the weights before the weights of the
 * last step, as timm and DINO's own evaluation do. */
static const char *const usual[] = {"state_dict_ema",
                                    "model_ema",
                                    "ema_state_dict",
                                    "model_ema_state_dict",
                                    "ema_model",
                                    "ema",
                                    "state_dict",
                                    "model_state_dict",
                                    "model",
                                    "module",
                                    "net",
                                    "network",
                                    "params_ema",
                                    "params",
                                    "weights",
                                    "teacher",
                                    "student",
                                    "backbone",
                                    "encoder",
                                    "visual"};
enum { USUAL = sizeof usual / sizeof *usual };

/* What a training keeps beside a model, which holds tensors, too. */
static bool is_companion(const pt_value *key)
{
    static const char *const beginnings[] = {"optim", "lr_sched", "sched", "scaler",   "amp", "rng",
                                             "callb", "loss_sca", "loops", "criterion"};
    for (size_t i = 0; i < sizeof beginnings / sizeof *beginnings; i++) {
        const size_t length = strlen(beginnings[i]);
        if (key->count >= length && memcmp(key->text, beginnings[i], length) == 0) return true;
    }
    return false;
}

/* A key of a dict with a dict as its value, that may be or hold a state dict. */
static bool may_lead(const pt_pickle *p, const pt_cell *item)
{
    const pt_value *key = &p->values[item->key];
    return key->kind == PT_STRING && p->values[item->value].kind == PT_DICT && !is_companion(key);
}

static size_t count_tensors(const pt_pickle *p, pt_id dict)
{
    const pt_value *from = &p->values[dict];
    pt_id cell = from->first;
    size_t count = 0;
    for (uint32_t i = 0; from->kind == PT_DICT && i < from->count; i++) {
        const pt_cell *item = &p->cells[cell];
        count += p->values[item->key].kind == PT_STRING && p->values[item->value].kind == PT_TENSOR;
        cell = item->next;
    }
    return count;
}

/* Tensors of the largest dict in the subtree. *budget: items that may still be looked at, since a
 * hostile pickle may name one dict many times. */
static size_t largest_below(const pt_pickle *p, pt_id dict, int depth, size_t *budget)
{
    const pt_value *from = &p->values[dict];
    if (from->kind != PT_DICT || from->count > *budget) return 0;
    *budget -= from->count;
    size_t largest = count_tensors(p, dict);
    pt_id cell = from->first;
    for (uint32_t i = 0; depth > 0 && i < from->count; i++) {
        const pt_cell *item = &p->cells[cell];
        if (may_lead(p, item)) {
            const size_t below = largest_below(p, item->value, depth - 1, budget);
            largest = below > largest ? below : largest;
        }
        cell = item->next;
    }
    return largest;
}

static void append_key(char path[PT_KEY_BYTES + 1], const char *key, size_t length)
{
    const size_t used = strlen(path);
    snprintf(path + used, PT_KEY_BYTES + 1 - used, "%s%.*s", used > 0 ? "." : "",
             length < PT_KEY_BYTES ? (int)length : (int)PT_KEY_BYTES, key);
}

/* "a, b ..." */
static void list_key(char *list, size_t bytes, const pt_value *key)
{
    const size_t used = strlen(list);
    const int length = key->count < 60 ? (int)key->count : 60;
    if (used + (size_t)length + 8 < bytes)
        snprintf(list + used, bytes - used, "%s%.*s", used > 0 ? ", " : "", length, key->text);
    else if (used + 8 < bytes && list[used - 1] != '.')
        snprintf(list + used, bytes - used, ", ...");
}

/* The children of a dict that lead to a state dict of nearly the size of the largest: a head or a
 * loss beside the model is none. */
typedef struct children {
    size_t count, largest; /* largest: tensors */
    const pt_cell *chosen; /* the first of the usual keys, or the only one; NULL: neither */
    bool by_name;
    char others[PT_KEY_BYTES + 1];
} children;

static const pt_cell *choose(const pt_pickle *p, const pt_cell *old, const pt_cell *item, int *rank)
{
    for (int i = 0; i < *rank; i++) {
        if (!pt_text_is(p, item->key, usual[i], strlen(usual[i]))) continue;
        *rank = i;
        return item;
    }
    return old;
}

static void look(const pt_pickle *p, pt_id dict, size_t *budget, children *out)
{
    const pt_value *from = &p->values[dict];
    *out = (children){0};
    for (int pass = 0; pass < 3; pass++) { /* the largest; the choice; the others */
        int rank = USUAL;
        pt_id cell = from->first;
        for (uint32_t i = 0; from->kind == PT_DICT && i < from->count; i++) {
            const pt_cell *item = &p->cells[cell];
            cell = item->next;
            if (!may_lead(p, item)) continue;
            const size_t below = largest_below(p, item->value, MAX_DEPTH, budget);
            if (pass == 0 && below > out->largest) out->largest = below;
            if (pass == 0 || below == 0 || below * 4 < out->largest) continue;
            const bool first = out->chosen == NULL;
            if (!first && item->value == out->chosen->value) continue; /* the same once more */
            if (pass == 1) {
                const pt_cell *old = first ? item : out->chosen;
                out->count++;
                out->chosen = choose(p, old, item, &rank);
                out->by_name = rank < USUAL;
            } else {
                list_key(out->others, sizeof out->others, &p->values[item->key]);
            }
        }
    }
}

static dho_status not_found(const pt_pickle *p, pt_id root)
{
    char keys[PT_KEY_BYTES + 1] = "";
    const pt_value *from = &p->values[root];
    pt_id cell = from->first;
    for (uint32_t i = 0; from->kind == PT_DICT && i < from->count; i++) {
        const pt_value *key = &p->values[p->cells[cell].key];
        if (key->kind == PT_STRING) list_key(keys, sizeof keys, key);
        cell = p->cells[cell].next;
    }
    return dho_fail(
        DHO_ERR_FORMAT,
        "%s: there is no state dict: no dict of names and tensors at the root, nor under "
        "a key (%s%s)",
        p->file, keys[0] != '\0' ? "its keys: " : "the root has no keys", keys);
}

static dho_status search(const pt_pickle *p, pt_id root, pt_place *out)
{
    size_t budget = MAX_LOOKS;
    out->dict = root;
    for (int depth = 0; depth < MAX_DEPTH; depth++) {
        children below;
        look(p, out->dict, &budget, &below);
        const size_t own = count_tensors(p, out->dict);
        /* best_acc1 or rng_state beside the model's dict is no model. */
        if (below.count == 0 || own > below.largest || (own == below.largest && !below.by_name))
            break;
        if (below.count > 1 && !below.by_name)
            return dho_fail(DHO_ERR_FORMAT,
                            "%s: there are several state dicts (%.*s%s%s): choose one with dho "
                            "weights convert --key",
                            p->file, (int)p->values[below.chosen->key].count,
                            p->values[below.chosen->key].text, ", ", below.others);
        const pt_value *key = &p->values[below.chosen->key];
        append_key(out->key, key->text, key->count);
        if (below.others[0] != '\0') memcpy(out->others, below.others, sizeof out->others);
        out->dict = below.chosen->value;
    }
    return holds_tensors(p, out->dict) ? DHO_OK : not_found(p, root);
}

dho_status pt_find_state_dict(const pt_pickle *p, pt_id root, const char *key, pt_place *out)
{
    *out = (pt_place){0};
    if (key == NULL || key[0] == '\0') return search(p, root, out);
    append_key(out->key, key, strlen(key));
    return follow_key(p, root, key, &out->dict);
}
