/* Greedy k-center on several ranks: each has its share of the points, all find the naive loop's
 * choices. With batches of 64 points the last of 4 ranks has none. */
#include "mpi/mpi_main.h"
#include "unit/select/k_center_naive.h"

static dho_comm *comm; /* set once in main */

static bool on_all_ranks(bool condition)
{
    int64_t failed = !condition;
    return dho_comm_max_int64(comm, &failed, 1) == DHO_OK && failed == 0;
}

static bool agrees(float rows[NAIVE_POINTS][NAIVE_WIDTH], const dho_id_list *centres,
                   const dho_choice *expected, int batch)
{
    float own[NAIVE_POINTS][NAIVE_WIDTH];
    dho_choice found[NAIVE_BUDGET];
    const int rank = dho_comm_rank(comm);
    const dho_points points = {
        .rows = &own[0][0],
        .width = NAIVE_WIDTH,
        .deal = {.total = NAIVE_POINTS, .batch = batch, .ranks = dho_comm_size(comm)}};
    for (int64_t i = 0; i < dho_deal_count(&points.deal, rank); i++)
        memcpy(own[i], rows[dho_deal_place(&points.deal, rank, i)], sizeof own[i]);
    if (dho_k_center(comm, &points, centres, 1, NAIVE_BUDGET, found) != DHO_OK) return false;
    for (int i = 0; i < NAIVE_BUDGET; i++)
        if (found[i].id != expected[i].id || found[i].value != expected[i].value) return false;
    return true;
}

START_TEST(test_ranks_agree)
{
    float rows[NAIVE_POINTS][NAIVE_WIDTH];
    int64_t ids[] = {3, 50, 156};
    const dho_id_list centres = {ids, NAIVE_CENTRES};
    dho_choice expected[NAIVE_BUDGET];
    naive_points(rows);
    naive_choose(rows, &centres, NAIVE_BUDGET, expected);
    static const int batches[] = {1, 7, 64, 1000};
    for (int b = 0; b < 4; b++)
        ck_assert_msg(on_all_ranks(agrees(rows, &centres, expected, batches[b])),
                      "batches of %d: another choice than the naive loop's", batches[b]);
}
END_TEST

/* Every place is dealt once, and batches stay together. */
START_TEST(test_deal)
{
    for (int ranks = 1; ranks <= 5; ranks++)
        for (int batch = 1; batch <= 6; batch++)
            for (int total = 0; total <= 40; total++) {
                const dho_deal deal = {.total = total, .batch = batch, .ranks = ranks};
                int times[40] = {0}, all = 0;
                for (int rank = 0; rank < ranks; rank++)
                    for (int64_t i = 0; i < dho_deal_count(&deal, rank); i++, all++) {
                        const int64_t place = dho_deal_place(&deal, rank, i);
                        ck_assert(place >= 0 && place < total);
                        ck_assert_int_eq(place / batch % ranks, rank);
                        times[place]++;
                    }
                ck_assert_int_eq(all, total);
                for (int i = 0; i < total; i++) ck_assert_int_eq(times[i], 1);
            }
}
END_TEST

static Suite *k_center_suite(void)
{
    Suite *suite = suite_create("k-center");
    TCase *tests = tcase_create("k-center");
    tcase_add_test(tests, test_ranks_agree);
    tcase_add_test(tests, test_deal);
    suite_add_tcase(suite, tests);
    return suite;
}

int main(int argc, char **argv)
{
    return mpi_main(argc, argv, &comm, k_center_suite);
}
