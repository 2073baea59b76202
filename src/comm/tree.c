#include "dho/comm.h"

/* The sum over microbatches v = 0 .. V-1 is node(0, 0) of
 *     node(v, k) = node(v, k + 1) + node(v + 2^k, k + 1)   if v + 2^k < V, else leaf v,
 * a tree in which level k splits by bit k of v. Rank r of P = 2^p ranks holds the subtree
 * node(r, p), which over its local index i = v >> p is this same recursion from (0, 0); the levels
 * p - 1 .. 0 are dho_comm_tree_sum's. So one function serves for every rank and every P. */

typedef struct walk {
    int n;
    int done; /* leaves written */
    int *order;
    int *merges;
} walk;

static void visit(walk *state, int i, int stride)
{
    if (stride >= state->n - i) {
        state->order[state->done] = i;
        state->merges[state->done++] = 0;
        return;
    }
    /* Stops at n, where nothing splits any more, rather than overflow. */
    const int next = stride <= state->n / 2 ? 2 * stride : state->n;
    visit(state, i, next);
    visit(state, i + stride, next);
    state->merges[state->done - 1]++;
}

void dho_tree_order(int n, int *out_order, int *out_merges)
{
    walk state = {.n = n, .order = out_order, .merges = out_merges};
    if (n > 0) visit(&state, 0, 1);
}

/* A node over m leaves splits into ceil(m/2) and floor(m/2); the first sum waits in its slot while
 * the second is computed: slots(m) = max(slots(ceil(m/2)), 1 + slots(floor(m/2)))
 *                                  = floor(log2 m) + 1. */
int dho_tree_depth(int n)
{
    int depth = 0;
    for (; n > 0; n /= 2) depth++;
    return depth;
}
