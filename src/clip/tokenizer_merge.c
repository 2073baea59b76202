/* Merging one word by rank.
 *
 * The published code looks for the pair of lowest rank, merges all of its occurrences from the left
 * and starts again. A queue ordered by rank, then place, does the same: what a merge makes can
 * only be part of pairs of later ranks (dho_bpe_create sees to it), so that no occurrence is
 * overtaken, and the cost is O(n log n) where the plain way is quadratic. */
#include "clip/tokenizer_private.h"
#include "dho/alloc.h"

enum { NONE = UINT32_MAX };

typedef struct candidate {
    uint32_t rank, place; /* place: of the left part */
} candidate;

typedef struct node {
    uint32_t symbol; /* NONE: merged into the one before */
    uint32_t before, after;
} node;

struct dho_bpe_scratch {
    node *nodes;      /* [max bytes], owned */
    candidate *queue; /* [3 * max bytes], owned; a binary heap */
    size_t queued;
};

dho_status dho_bpe_scratch_create(dho_bpe_scratch **out, size_t max_bytes)
{
    dho_bpe_scratch *scratch = NULL;
    dho_status status;
    *out = NULL;
    DHO_TRY_GOTO(dho_alloc_zero(&scratch, 1, sizeof *scratch, "tokenizer scratch"));
    DHO_TRY_GOTO(dho_alloc(&scratch->nodes, max_bytes, sizeof(node), "tokenizer scratch"));
    /* n - 1 pairs at first, and at most two new ones for each of at most n - 1 merges. */
    DHO_TRY_GOTO(dho_alloc(&scratch->queue, max_bytes, 3 * sizeof(candidate), "tokenizer queue"));
    *out = scratch;
    scratch = NULL;
fail:
    dho_bpe_scratch_destroy(&scratch);
    return status;
}

void dho_bpe_scratch_destroy(dho_bpe_scratch **scratch)
{
    if (*scratch == NULL) return;
    dho_free((*scratch)->nodes);
    dho_free((*scratch)->queue);
    dho_free(*scratch);
    *scratch = NULL;
}

static bool comes_before(candidate a, candidate b)
{
    return a.rank < b.rank || (a.rank == b.rank && a.place < b.place);
}

static void push(dho_bpe_scratch *s, candidate item)
{
    size_t i = s->queued++;
    for (; i > 0 && comes_before(item, s->queue[(i - 1) / 2]); i = (i - 1) / 2)
        s->queue[i] = s->queue[(i - 1) / 2];
    s->queue[i] = item;
}

static candidate pop(dho_bpe_scratch *s)
{
    const candidate first = s->queue[0], last = s->queue[--s->queued];
    size_t i = 0;
    for (size_t child; (child = 2 * i + 1) < s->queued; i = child) {
        if (child + 1 < s->queued && comes_before(s->queue[child + 1], s->queue[child])) child++;
        if (!comes_before(s->queue[child], last)) break;
        s->queue[i] = s->queue[child];
    }
    s->queue[i] = last;
    return first;
}

/* Queues the pair that starts at a place, if it is one that merges. */
static void push_pair(const dho_bpe *bpe, dho_bpe_scratch *s, uint32_t place)
{
    uint32_t rank;
    if (place == NONE || s->nodes[place].after == NONE) return;
    if (dho_bpe_rank(bpe, s->nodes[place].symbol, s->nodes[s->nodes[place].after].symbol, &rank))
        push(s, (candidate){rank, place});
}

size_t dho_bpe_encode_word(const dho_bpe *bpe, dho_bpe_scratch *scratch, const uint8_t *word,
                           size_t bytes, uint32_t *out)
{
    node *nodes = scratch->nodes;
    for (uint32_t i = 0; i < bytes; i++)
        nodes[i] = (node){dho_bpe_byte(bpe, word[i], i + 1 == bytes), i == 0 ? NONE : i - 1,
                          i + 1 == bytes ? NONE : i + 1};
    scratch->queued = 0;
    for (uint32_t i = 0; i < bytes; i++) push_pair(bpe, scratch, i);
    while (scratch->queued > 0) {
        const candidate best = pop(scratch);
        node *left = &nodes[best.place];
        uint32_t rank;
        if (left->symbol == NONE || left->after == NONE) continue; /* gone since it was queued */
        node *right = &nodes[left->after];
        if (!dho_bpe_rank(bpe, left->symbol, right->symbol, &rank) || rank != best.rank) continue;
        left->symbol = DHO_BPE_BASE + rank;
        left->after = right->after;
        right->symbol = NONE;
        if (left->after != NONE) nodes[left->after].before = best.place;
        push_pair(bpe, scratch, left->before);
        push_pair(bpe, scratch, best.place);
    }
    size_t count = 0;
    for (uint32_t i = 0; i != NONE; i = nodes[i].after) out[count++] = nodes[i].symbol;
    return count;
}
