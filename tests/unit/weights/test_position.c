/* Position embeddings for another grid, against open_clip and timm (make_position_golden.py). */
#include "base/compare.h"
#include "check_main.h"
#include "dho/student.h"
#include "dho/weights.h"
#include "weights/state_dict_take.h"

#include <math.h>

enum { CHANNELS = 4, MOST = (1 + 12 * 12) * CHANNELS };

static dho_weights *open_golden(void)
{
    dho_weights *weights;
    ck_assert_ok(dho_weights_open(&weights, "tests/golden/position_embeddings.safetensors", NULL));
    return weights;
}

static const struct {
    const char *own, *expected;
    dho_naming naming;
} cases[] = {
    {"visual.positional_embedding", "open_clip", DHO_NAMES_OWN},
    {"visual.positional_embedding", "open_clip", DHO_NAMES_TIMM},
    {"visual.attnpool.positional_embedding", "timm", DHO_NAMES_OWN},
    {"visual.attnpool.positional_embedding", "timm", DHO_NAMES_TIMM_BYOB},
};

START_TEST(test_resized)
{
    static const int sides[] = {3, 12, 7};
    dho_weights *weights = open_golden();
    for (int i = 0; i < 3; i++) {
        char own[64];
        snprintf(own, sizeof own, "%s", cases[_i].own);
        const int rows = 1 + sides[i] * sides[i];
        const dho_slot slot = {.name = own,
                               .dims = 2,
                               .shape = {rows, CHANNELS},
                               .count = (size_t)(rows * CHANNELS),
                               .is_position = true};
        float values[MOST], expected[MOST];
        char name[64];
        dho_taken taken;
        const dho_tensor_view *golden;
        ck_assert_ok(dho_state_dict_take(weights, "", cases[_i].naming, &slot, values, &taken));
        ck_assert_int_eq(taken.count, 1);
        if (sides[i] == 7) /* the same grid: as it is */
            snprintf(name, sizeof name, "%s", own);
        else
            snprintf(name, sizeof name, "%s.%d", cases[_i].expected, sides[i]);
        ck_assert_ok(dho_weights_require(weights, name, 2, slot.shape, &golden));
        dho_tensor_to_float(golden, expected);
        float largest = 0;
        for (size_t k = 0; k < slot.count; k++)
            largest = (float)dho_larger((double)largest, (double)fabsf(expected[k]));
        for (size_t k = 0; k < slot.count; k++) {
            const bool exact = k < CHANNELS || sides[i] == 7; /* the class token, or the mean's */
            ck_assert_msg(fabsf(values[k] - expected[k]) <= (exact ? 0 : 1e-6f * largest),
                          "%s[%zu] is %g, not %g", name, k, (double)values[k], (double)expected[k]);
        }
    }
    dho_weights_close(&weights);
}
END_TEST

/* That the students' embeddings are slots of this kind. */
START_TEST(test_slots)
{
    static const struct {
        const char *model, *name;
    } students[] = {{"clip_vit_b16", "visual.positional_embedding"},
                    {"clip_rn50", "visual.attnpool.positional_embedding"}};
    dho_student student;
    const dho_student_options options = {
        .model = students[_i].model, .width = 64, .image_size = 96, .classes = 2};
    int found = 0;
    ck_assert_ok(dho_student_create(&student, &options));
    for (size_t i = 0; i < dho_graph_parameter_count(student.graph); i++) {
        const dho_slot *slot = dho_graph_parameter(student.graph, i);
        if (!slot->is_position) continue;
        ck_assert_str_eq(slot->name, students[_i].name);
        found++;
    }
    ck_assert_int_eq(found, 1);
    dho_student_destroy(&student);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("position");
    TCase *tests = tcase_create("position");
    tcase_add_loop_test(tests, test_resized, 0, sizeof cases / sizeof *cases);
    tcase_add_loop_test(tests, test_slots, 0, 2);
    suite_add_tcase(suite, tests);
    return dho_check_run(suite);
}
