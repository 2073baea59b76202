#include "dho/comm.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The first half of a node of m > 1 leaves. */
static int left_of(int m)
{
    return m / 2 + m % 2;
}

/* --- tree order --- */

typedef struct walk {
    int leaves;
    int done; /* places written */
    int *order;
} walk;

static void visit(walk *state, int v, int stride)
{
    if (stride >= state->leaves - v) {
        state->order[state->done++] = v;
        return;
    }
    /* Stops at `leaves`, where nothing splits any more, rather than overflow. */
    const int next = stride <= state->leaves / 2 ? 2 * stride : state->leaves;
    visit(state, v, next);
    visit(state, v + stride, next);
}

void dho_tree_order(int leaves, int *out_order)
{
    walk state = {.leaves = leaves, .order = out_order};
    if (leaves > 0) visit(&state, 0, 1);
}

/* --- parts --- */

/* How far below the root the node is that splits between places at - 1 and at. */
static int depth_of_cut(int leaves, int at)
{
    int first = 0, count = leaves, depth = 0;
    for (;; depth++) {
        const int left = left_of(count);
        if (first + left == at) return depth;
        if (at < first + left) {
            count = left;
        } else {
            first += left;
            count -= left;
        }
    }
}

static int64_t min_int64(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static int64_t max_int64(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

void dho_tree_cut(int leaves, int first, int count, int parts, int *out_first)
{
    const int64_t most = (count + (int64_t)parts - 1) / parts;
    const int end = first + count;
    out_first[0] = first;
    for (int i = 1; i < parts; i++) {
        const int before = out_first[i - 1], left = parts - i;
        /* The parts that are left have room for all the rest, and a place each. */
        const int low = (int)max_int64(before + 1, end - left * most);
        const int high = (int)min_int64(before + most, end - left);
        int best = low, best_depth = depth_of_cut(leaves, low);
        for (int at = low + 1; at <= high; at++) {
            const int depth = depth_of_cut(leaves, at);
            if (depth >= best_depth) continue;
            best = at;
            best_depth = depth;
        }
        out_first[i] = best;
    }
    out_first[parts] = end;
}

/* --- sums of neighbours --- */

/* Are places first .. first + low - 1 and the `high` ones behind them the halves of one node? */
static bool are_halves(int leaves, int first, int low, int high)
{
    int at = 0, count = leaves;
    while (count > low + high) {
        const int left = left_of(count);
        if (first < at + left) {
            count = left;
        } else {
            at += left;
            count -= left;
        }
    }
    return count == low + high && at == first && left_of(count) == low;
}

typedef struct stack {
    int leaves;
    int end;   /* the place behind the topmost sum */
    int depth; /* sums */
    int counts[DHO_TREE_SUMS + 1];
} stack;

/* Puts a subtree on the stack; returns how many sums are added then. */
static int push(stack *s, int count)
{
    int merges = 0;
    s->counts[s->depth++] = count;
    s->end += count;
    while (s->depth > 1) {
        const int low = s->counts[s->depth - 2], high = s->counts[s->depth - 1];
        if (!are_halves(s->leaves, s->end - high - low, low, high)) break;
        s->counts[--s->depth - 1] = low + high;
        merges++;
    }
    return merges;
}

int dho_tree_sums(int leaves, int first, int count, int *out_counts)
{
    stack s = {.leaves = leaves, .end = first};
    for (int i = 0; i < count; i++) push(&s, 1);
    for (int i = 0; out_counts != NULL && i < s.depth; i++) out_counts[i] = s.counts[i];
    return s.depth;
}

int dho_tree_merges(int leaves, int first, const int *counts, int n, int *out_merges)
{
    stack s = {.leaves = leaves, .end = first};
    for (int i = 0; i < n; i++) out_merges[i] = push(&s, counts != NULL ? counts[i] : 1);
    return s.depth;
}
