/* The stack machine: one handler for each opcode of protocol 2 that a pickler emits. */
#include "weights/torch/pt_pickle.h"

#include "dho/alloc.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* A state dict of 10,000 tensors needs 200,000 values; these stop a hostile file before it fills
 * the memory (about 400 MB in all). */
enum {
    MAX_VALUES = 1 << 22,
    MAX_CELLS = 1 << 22,
    MAX_STACK = 1 << 22,
    MAX_MEMO = 1 << 22,
    MAX_MARKS = 1 << 16
};

dho_status pt_bad(const pt_pickle *pickle, const char *format, ...)
{
    char why[600];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(why, sizeof why, format, arguments);
    va_end(arguments);
    return dho_fail(DHO_ERR_FORMAT, "%s: %soffset %zu: %s", pickle->file, pickle->part,
                    pickle->opcode_at, why);
}

dho_status pt_grow(pt_pickle *pickle, void *inout_array, size_t count, size_t *capacity,
                   size_t element, size_t limit, const char *what)
{
    if (count >= limit) return pt_bad(pickle, "more than %zu %s", limit, what);
    return dho_grow(inout_array, count, capacity, element, what);
}

dho_status pt_new(pt_pickle *p, pt_kind kind, pt_id *out)
{
    DHO_TRY(pt_grow(p, &p->values, p->value_count, &p->value_capacity, sizeof *p->values,
                    MAX_VALUES, "values"));
    *out = (pt_id)p->value_count;
    p->values[p->value_count++] = (pt_value){.kind = kind};
    return DHO_OK;
}

dho_status pt_append(pt_pickle *p, pt_id container, pt_id key, pt_id value)
{
    DHO_TRY(pt_grow(p, &p->cells, p->cell_count, &p->cell_capacity, sizeof *p->cells, MAX_CELLS,
                    "items"));
    const pt_id cell = (pt_id)p->cell_count++;
    p->cells[cell] = (pt_cell){.key = key, .value = value};
    pt_value *to = &p->values[container];
    if (to->count == 0)
        to->first = cell;
    else
        p->cells[to->last].next = cell;
    to->last = cell;
    to->count++;
    if (to->kind == PT_DICT && p->values[key].kind == PT_STRING &&
        p->values[value].kind == PT_TENSOR)
        to->holds_tensors = true;
    return DHO_OK;
}

/* --- input and stack --- */

static dho_status take(pt_pickle *p, size_t bytes, const uint8_t **out)
{
    *out = p->bytes + p->at;
    if (bytes > p->size - p->at) return pt_bad(p, "the pickle ends inside an opcode");
    p->at += bytes;
    return DHO_OK;
}

/* A little-endian unsigned number of up to 8 bytes. */
static dho_status take_number(pt_pickle *p, size_t bytes, uint64_t *out)
{
    const uint8_t *from;
    DHO_TRY(take(p, bytes, &from));
    *out = 0;
    for (size_t i = 0; i < bytes; i++) *out |= (uint64_t)from[i] << 8 * i;
    return DHO_OK;
}

static dho_status take_line(pt_pickle *p, const char **out, size_t *length)
{
    const uint8_t *from = p->bytes + p->at;
    const uint8_t *end = memchr(from, '\n', p->size - p->at);
    *out = (const char *)from;
    *length = end != NULL ? (size_t)(end - from) : 0;
    if (end == NULL) return pt_bad(p, "the pickle ends inside a name");
    p->at += *length + 1;
    return DHO_OK;
}

static dho_status push(pt_pickle *p, pt_id value)
{
    DHO_TRY(pt_grow(p, &p->stack, p->stack_count, &p->stack_capacity, sizeof *p->stack, MAX_STACK,
                    "values on the stack"));
    p->stack[p->stack_count++] = value;
    return DHO_OK;
}

/* What lies under a mark is out of reach until the mark is taken. */
static dho_status need(const pt_pickle *p, size_t values)
{
    const size_t bottom = p->mark_count > 0 ? p->marks[p->mark_count - 1] : 0;
    if (p->stack_count - bottom < values) return pt_bad(p, "the stack is empty");
    return DHO_OK;
}

static dho_status pop(pt_pickle *p, pt_id *out)
{
    DHO_TRY(need(p, 1));
    *out = p->stack[--p->stack_count];
    return DHO_OK;
}

/* Takes the topmost mark; *out: where the values behind it begin. */
static dho_status pop_mark(pt_pickle *p, size_t *out)
{
    *out = 0;
    if (p->mark_count == 0) return pt_bad(p, "there is no mark");
    *out = p->marks[--p->mark_count];
    return DHO_OK;
}

static dho_status push_new(pt_pickle *p, pt_kind kind, int64_t integer)
{
    pt_id id;
    DHO_TRY(pt_new(p, kind, &id));
    p->values[id].integer = integer;
    return push(p, id);
}

/* --- opcodes: values --- */

static dho_status op_constant(pt_pickle *p, uint8_t opcode)
{
    if (opcode == 'N') return push(p, 0);
    return push_new(p, PT_BOOL, opcode == 0x88);
}

static dho_status op_integer(pt_pickle *p, uint8_t opcode)
{
    uint64_t value;
    DHO_TRY(take_number(p, opcode == 'K' ? 1 : opcode == 'M' ? 2 : 4, &value));
    return push_new(p, PT_INT, opcode == 'J' ? (int32_t)(uint32_t)value : (int64_t)value);
}

/* LONG1, LONG4: two's complement of any length; what 64 bits do not hold is opaque. */
static dho_status op_long(pt_pickle *p, uint8_t opcode)
{
    uint64_t bytes, value;
    const uint8_t *from;
    DHO_TRY(take_number(p, opcode == 0x8a ? 1 : 4, &bytes));
    if (bytes > 8) {
        DHO_TRY(take(p, (size_t)bytes, &from));
        return push_new(p, PT_OPAQUE, 0);
    }
    DHO_TRY(take_number(p, (size_t)bytes, &value));
    const bool negative = bytes > 0 && value >> (8 * bytes - 1) != 0;
    if (negative && bytes < 8) value |= ~(uint64_t)0 << 8 * bytes;
    return push_new(p, PT_INT, (int64_t)value);
}

static dho_status op_float(pt_pickle *p, uint8_t opcode)
{
    const uint8_t *from;
    (void)opcode;
    DHO_TRY(take(p, 8, &from));
    return push_new(p, PT_OPAQUE, 0);
}

static dho_status op_string(pt_pickle *p, uint8_t opcode)
{
    uint64_t length;
    const uint8_t *from;
    pt_id id;
    DHO_TRY(take_number(p, opcode == 'U' ? 1 : 4, &length));
    DHO_TRY(take(p, (size_t)length, &from));
    DHO_TRY(pt_new(p, PT_STRING, &id));
    p->values[id].text = (const char *)from;
    p->values[id].count = (uint32_t)length;
    return push(p, id);
}

static dho_status op_global(pt_pickle *p, uint8_t opcode)
{
    const char *module, *name;
    size_t module_bytes, name_bytes;
    int64_t global;
    (void)opcode;
    DHO_TRY(take_line(p, &module, &module_bytes));
    DHO_TRY(take_line(p, &name, &name_bytes));
    DHO_TRY(pt_global_find(p, module, module_bytes, name, name_bytes, &global));
    return push_new(p, PT_GLOBAL, global);
}

/* --- opcodes: containers --- */

static dho_status op_empty(pt_pickle *p, uint8_t opcode)
{
    return push_new(p, opcode == '}' ? PT_DICT : opcode == ']' ? PT_LIST : PT_TUPLE, 0);
}

static dho_status op_mark(pt_pickle *p, uint8_t opcode)
{
    (void)opcode;
    DHO_TRY(pt_grow(p, &p->marks, p->mark_count, &p->mark_capacity, sizeof *p->marks, MAX_MARKS,
                    "open marks"));
    p->marks[p->mark_count++] = p->stack_count;
    return DHO_OK;
}

/* Appends the values from `from` to the top, singly or as key and value, and takes them off. Items
 * of something opaque go nowhere. */
static dho_status append_from(pt_pickle *p, pt_id container, size_t from)
{
    const pt_kind kind = p->values[container].kind;
    const size_t step = kind == PT_DICT ? 2 : 1;
    if ((p->stack_count - from) % step != 0) return pt_bad(p, "a key without a value");
    for (size_t i = from; i < p->stack_count && kind != PT_OPAQUE; i += step)
        DHO_TRY(pt_append(p, container, step == 2 ? p->stack[i] : 0, p->stack[i + step - 1]));
    p->stack_count = from;
    return DHO_OK;
}

static dho_status op_collect(pt_pickle *p, uint8_t opcode)
{
    size_t from = p->stack_count;
    pt_id id;
    if (opcode >= 0x85) { /* TUPLE1, TUPLE2, TUPLE3 */
        DHO_TRY(need(p, opcode - 0x84u));
        from -= opcode - 0x84u;
    } else {
        DHO_TRY(pop_mark(p, &from));
    }
    DHO_TRY(pt_new(p, opcode == 'd' ? PT_DICT : opcode == 'l' ? PT_LIST : PT_TUPLE, &id));
    DHO_TRY(append_from(p, id, from));
    return push(p, id);
}

static dho_status op_add(pt_pickle *p, uint8_t opcode)
{
    size_t from;
    if (opcode == 'a' || opcode == 's') { /* one item, no mark */
        const size_t items = opcode == 's' ? 2 : 1;
        DHO_TRY(need(p, items));
        from = p->stack_count - items;
    } else {
        DHO_TRY(pop_mark(p, &from));
    }
    const size_t bottom = p->mark_count > 0 ? p->marks[p->mark_count - 1] : 0;
    if (from <= bottom) return pt_bad(p, "items for no container");
    const pt_id container = p->stack[from - 1];
    const pt_kind kind = p->values[container].kind;
    const pt_kind wanted = opcode == 's' || opcode == 'u' ? PT_DICT : PT_LIST;
    if (kind != wanted && kind != PT_OPAQUE) return pt_bad(p, "items for something without items");
    return append_from(p, container, from);
}

/* --- opcodes: stack, memo, objects --- */

static dho_status op_discard(pt_pickle *p, uint8_t opcode)
{
    pt_id id;
    if (opcode == '0') return pop(p, &id);
    size_t from;
    DHO_TRY(pop_mark(p, &from));
    p->stack_count = from;
    return DHO_OK;
}

static dho_status op_put(pt_pickle *p, uint8_t opcode)
{
    uint64_t slot;
    DHO_TRY(take_number(p, opcode == 'q' ? 1 : 4, &slot));
    DHO_TRY(need(p, 1));
    /* Picklers count up, from 0 or (Python 2) from 1. */
    if (slot > p->memo_count + 1)
        return pt_bad(p, "memo %llu comes out of turn", (unsigned long long)slot);
    while (p->memo_count <= slot) {
        DHO_TRY(pt_grow(p, &p->memo, p->memo_count, &p->memo_capacity, sizeof *p->memo, MAX_MEMO,
                        "memos"));
        p->memo[p->memo_count++] = 0;
    }
    p->memo[slot] = p->stack[p->stack_count - 1];
    return DHO_OK;
}

static dho_status op_get(pt_pickle *p, uint8_t opcode)
{
    uint64_t slot;
    DHO_TRY(take_number(p, opcode == 'h' ? 1 : 4, &slot));
    if (slot >= p->memo_count)
        return pt_bad(p, "memo %llu was never set", (unsigned long long)slot);
    return push(p, p->memo[slot]);
}

static dho_status op_reduce(pt_pickle *p, uint8_t opcode)
{
    pt_id arguments, callable, result;
    (void)opcode; /* REDUCE and NEWOBJ differ only for code that would run */
    DHO_TRY(pop(p, &arguments));
    DHO_TRY(pop(p, &callable));
    DHO_TRY(pt_reduce(p, callable, arguments, &result));
    return push(p, result);
}

/* The state of an object: kept for arrays, not needed otherwise (the _metadata of a state dict). */
static dho_status op_build(pt_pickle *p, uint8_t opcode)
{
    pt_id state;
    (void)opcode;
    DHO_TRY(pop(p, &state));
    DHO_TRY(need(p, 1));
    pt_value *object = &p->values[p->stack[p->stack_count - 1]];
    if (object->kind == PT_OPAQUE) object->count = state;
    return DHO_OK;
}

static dho_status op_persistent(pt_pickle *p, uint8_t opcode)
{
    pt_id id, result;
    (void)opcode;
    DHO_TRY(pop(p, &id));
    DHO_TRY(pt_persistent(p, id, &result));
    return push(p, result);
}

typedef dho_status (*opcode_handler)(pt_pickle *p, uint8_t opcode);

static const opcode_handler handlers[256] = {
    ['N'] = op_constant,   [0x88] = op_constant, [0x89] = op_constant, ['J'] = op_integer,
    ['K'] = op_integer,    ['M'] = op_integer,   [0x8a] = op_long,     [0x8b] = op_long,
    ['G'] = op_float,      ['X'] = op_string,    ['U'] = op_string,    ['T'] = op_string,
    ['c'] = op_global,     ['}'] = op_empty,     [']'] = op_empty,     [')'] = op_empty,
    ['('] = op_mark,       ['t'] = op_collect,   ['l'] = op_collect,   ['d'] = op_collect,
    [0x85] = op_collect,   [0x86] = op_collect,  [0x87] = op_collect,  ['a'] = op_add,
    ['e'] = op_add,        ['s'] = op_add,       ['u'] = op_add,       ['0'] = op_discard,
    ['1'] = op_discard,    ['q'] = op_put,       ['r'] = op_put,       ['h'] = op_get,
    ['j'] = op_get,        ['R'] = op_reduce,    [0x81] = op_reduce,   ['b'] = op_build,
    ['Q'] = op_persistent,
};

static dho_status run(pt_pickle *p, pt_id *out_root)
{
    pt_id none;
    DHO_TRY(pt_new(p, PT_NONE, &none));
    const uint8_t *start = p->bytes + p->at;
    p->opcode_at = p->at;
    if (p->size - p->at < 2 || start[0] != 0x80) return pt_bad(p, "not a pickle of protocol 2");
    if (start[1] != 2)
        return pt_bad(p, "pickle protocol %d; only torch.save's own, 2, is read", start[1]);
    p->at += 2;
    for (;;) {
        p->opcode_at = p->at;
        if (p->at == p->size) return pt_bad(p, "the pickle has no end");
        const uint8_t opcode = p->bytes[p->at++];
        if (opcode == '.') break;
        if (handlers[opcode] == NULL)
            return pt_bad(p, "opcode 0x%02x is not used by state dicts", opcode);
        DHO_TRY(handlers[opcode](p, opcode));
    }
    if (p->mark_count > 0) return pt_bad(p, "a mark is left open");
    return pop(p, out_root);
}

dho_status pt_pickle_run(pt_pickle *inout, pt_id *out_root)
{
    const size_t size = inout->size - inout->at;
    if (size > PT_MAX_SIZE)
        return pt_bad(inout, "a pickle of %zu bytes, more than the %d allowed", size, PT_MAX_SIZE);
    return run(inout, out_root);
}

void pt_pickle_free(pt_pickle *pickle)
{
    dho_free(pickle->values);
    dho_free(pickle->cells);
    dho_free(pickle->stack);
    dho_free(pickle->memo);
    dho_free(pickle->marks);
    dho_free(pickle->storages);
    dho_free(pickle->tensors);
    *pickle = (pt_pickle){0};
}
