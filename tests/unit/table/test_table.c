#define _GNU_SOURCE
/* Plans of tables, the numbers of their cells, and what is not counted. Runs in the repository's
 * root. */
#include "base/json.h"
#include "base/text.h"
#include "check_main.h"
#include "dho/config.h"
#include "dho/file.h"
#include "table/table.h"
#include "table/table_runs.h"
#include "unit/table/table_fixture.h"

#include <math.h>
#include <string.h>

/* --- statistics ---------------------------------------------------------------------------------
 */

/* Two-sided 95 % points as printed in every table of the distribution. */
START_TEST(test_student)
{
    const struct {
        size_t degrees;
        double t;
    } known[] = {{1, 12.7062}, {2, 4.3027},  {3, 3.1824},  {4, 2.7764},  {5, 2.5706},
                 {9, 2.2622},  {10, 2.2281}, {29, 2.0452}, {30, 2.0423}, {99, 1.9842}};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        ck_assert_double_eq_tol(dho_student_t975(known[i].degrees), known[i].t, 6e-5);
}
END_TEST

START_TEST(test_mean)
{
    const double values[] = {50, 52, 57};
    dho_estimate e = dho_estimate_mean(values, 3);
    /* s = sqrt(13), half = 4.302653 sqrt(13 / 3) */
    ck_assert_uint_eq(e.count, 3);
    ck_assert_double_eq_tol(e.mean, 53, 1e-12);
    ck_assert_double_eq_tol(e.low, 53 - 8.956686, 1e-5);
    ck_assert_double_eq_tol(e.high, 53 + 8.956686, 1e-5);
    e = dho_estimate_mean(values, 1);
    ck_assert_double_eq(e.low, 50);
    ck_assert_double_eq(e.high, 50);
    ck_assert_uint_eq(dho_estimate_mean(NULL, 0).count, 0);
}
END_TEST

/* --- plans --------------------------------------------------------------------------------------
 */

static const char plan[] = "title: t\n"
                           "source: somewhere\n"
                           "config: ../small.yaml\n"
                           "run: '{method}-{shots}shot'\n"
                           "set: ['method={method}', 'data.shots={shots}', 'seed={seed}']\n"
                           "seeds: [1, 2, 3]\n"
                           "rows: {method: {values: [single_head, dho]}}\n"
                           "columns: {shots: {values: [1, 16]}}\n"
                           "tests: [val]\n"
                           "published: [{method: dho, shots: 16, top1: 60.5}]\n"
                           "compare: [{axis: method, value: dho, minus: single_head}]\n";

static dho_status parse(dho_table_spec *spec, const char *text, const char *only)
{
    return dho_table_spec_parse(spec, text, strlen(text), "configs/tables/plan.yaml", only);
}

START_TEST(test_plan)
{
    dho_table_spec spec;
    char *text;
    ck_assert_ok(parse(&spec, plan, NULL));
    ck_assert_str_eq(spec.name, "plan");
    ck_assert_str_eq(spec.folder, "plan");
    ck_assert_str_eq(spec.config, "configs/small.yaml");
    ck_assert_uint_eq(dho_table_combinations(&spec, 0, spec.axis_count), 4);
    size_t values[2];
    dho_table_split(&spec, 0, 2, 3, values);
    ck_assert_uint_eq(values[0], 1);
    ck_assert_uint_eq(values[1], 1);
    ck_assert_ok(dho_table_expand(&spec, "{method}-{shots} {x: {seed}} {", values, 7, &text));
    ck_assert_str_eq(text, "dho-16 {x: 7} {");
    dho_free(text);
    ck_assert_double_eq(dho_table_published(&spec, values, 0)->top1, 60.5);
    values[1] = 0;
    ck_assert_ptr_null(dho_table_published(&spec, values, 0));
    dho_table_spec_free(&spec);
    ck_assert_ok(parse(&spec, plan, "shots=16,seed=2,seed=3"));
    ck_assert_uint_eq(spec.seed_count, 2);
    ck_assert(!dho_table_wanted(&spec, 0, 2, 0));
    ck_assert(dho_table_wanted(&spec, 0, 2, 1));
    dho_table_spec_free(&spec);
    ck_assert_fails(parse(&spec, plan, "shots=2"), DHO_ERR_CONFIG, "--only shots=2");
    dho_table_spec_free(&spec);
    ck_assert_fails(parse(&spec, plan, "shots"), DHO_ERR_CONFIG, "--only");
    dho_table_spec_free(&spec);
    ck_assert_int_eq(dho_alloc_get_stats().live_blocks, 0);
}
END_TEST

START_TEST(test_beside)
{
    const char *const cases[][3] = {{"configs/tables/a.yaml", "../b.yaml", "configs/b.yaml"},
                                    {"a/t/x.yaml", "../../b.yaml", "b.yaml"},
                                    {"t/x.yaml", "../../b.yaml", "../b.yaml"},
                                    {"../t/x.yaml", "../b.yaml", "../b.yaml"},
                                    {"../x.yaml", "../b.yaml", "../../b.yaml"},
                                    {"./x.yaml", "../b.yaml", "./../b.yaml"},
                                    {"/x.yaml", "b.yaml", "/b.yaml"},
                                    {"x.yaml", "b.yaml", "b.yaml"},
                                    {"c/x.yaml", "/b.yaml", "/b.yaml"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *out;
        ck_assert_ok(dho_table_beside(cases[i][0], cases[i][1], &out));
        ck_assert_str_eq(out, cases[i][2]);
        dho_free(out);
    }
}
END_TEST

/* One line of the plan is replaced; the error must say what and where. */
START_TEST(test_wrong_plans)
{
    const struct {
        const char *key, *line, *text;
    } cases[] = {
        {"title", "", "title is missing"},
        {"title", "titel: x\n", "titel: unknown key"},
        {"title", "title: [x]\n", "title: expected a text"},
        {"title", "title: t\nnotes: x\n", "notes: expected a list"},
        {"config", "config: '../{model}.yaml'\n", "{model} is no axis"},
        {"config", "config: []\n", "config: expected a path"},
        {"run", "run: '{method}'\n", "{shots} is not in it"},
        {"run", "run: '../{method}{shots}'\n", "run: expected a folder below"},
        {"run", "run: '{method} {shots}'\n", "run: expected a folder's name"},
        {"set", "set: ['method']\n", "set[0]: expected key=value"},
        {"set", "set: ['method={metod}']\n", "{metod} is no axis"},
        {"set", "set: {a: b}\n", "set: expected a list"},
        {"seeds", "seeds: []\n", "seeds: expected a list"},
        {"seeds", "seeds: [1, 1]\n", "seeds[1]: is given twice"},
        {"seeds", "seeds: [-1]\n", "seeds[0]: expected a whole number"},
        {"seeds", "seeds: [99999999999999999999]\n", "expected a whole number"},
        {"rows", "", "rows is missing"},
        {"rows", "rows: {}\n", "rows is missing"},
        {"rows", "rows: {method: {values: []}}\n", "expected a list of at least one value"},
        {"rows", "rows: {method: {values: [a, a]}}\n", "\"a\" is given twice"},
        {"rows", "rows: {method: {values: [../a]}}\n", "expected a name"},
        {"rows", "rows: {method: {values: [.]}}\n", "expected a name"},
        {"rows", "rows: {method: {values: [{label: x}]}}\n", "name is missing"},
        {"rows", "rows: {method: [a]}\n", "expected a mapping"},
        {"rows", "rows: {seed: {values: [a]}}\n", "no axis can have this name"},
        {"rows", "rows: {shots: {values: [a]}}\n", "is an axis of the rows, too"},
        {"tests", "", "tests is missing"},
        {"tests", "tests: [{set: val, head: third}]\n", "expected one of combined"},
        {"tests", "tests: [val, val]\n", "two tests are named"},
        {"tests", "tests: [val, {set: a, name: b}]\n", "test is missing: this table has 2"},
        {"published", "published: [{method: dho, top1: 101}]\n", "expected a percentage"},
        {"published", "published: [{method: dho, top1: 1e1}]\n", "expected a percentage"},
        {"published", "published: [{method: dho}]\n", "top1: percent"},
        {"published", "published: [{method: ce, top1: 5}]\n", "expected a value of the axis"},
        {"published", "published: [{model: x, top1: 5}]\n", "is no axis"},
        {"published", "published: [{test: x, top1: 5}]\n", "is no test"},
        {"published", "published: [{method: dho, top1: 5}, {shots: 1, top1: 6}]\n",
         "published[0]'s"},
        {"source", "", "source is missing"},
        {"compare", "compare: [{axis: method, value: dho}]\n", "minus is missing"},
        {"compare", "compare: [{axis: method, value: dho, minus: dho}]\n", "with itself"},
        {"compare", "compare: [{axis: x, value: dho, minus: dho}]\n", "is no axis"},
        {"compare", "prepare: {a: b}\n", "expected a list of at most 16 files"},
        {"compare", "prepare: none.yaml\n", "prepare: configs/tables/none.yaml"},
        {"compare", "prepare: [{path: a}]\n", "command is missing"},
        {"compare", "prepare: [{path: a, command: rm -r x}]\n", "expected a command of dho"},
        {"compare", "prepare: [{path: 'a{x}', command: dho x}]\n", "{x} is no axis"},
        {"compare", "prepare: [{path: a, command: 'dho {y}'}]\n", "{y} is no axis"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[2048];
        dho_table_spec spec;
        const char *at = plan;
        while (strncmp(at, cases[i].key, strlen(cases[i].key)) != 0) at = strchr(at, '\n') + 1;
        snprintf(text, sizeof text, "%.*s%s%s", (int)(at - plan), plan, cases[i].line,
                 strchr(at, '\n') + 1);
        const dho_status status = parse(&spec, text, NULL);
        ck_assert_msg(status == DHO_ERR_CONFIG && strstr(dho_error_message(), cases[i].text) &&
                          strstr(dho_error_message(), "plan.yaml"),
                      "%s -> %d: %s", cases[i].line, (int)status, dho_error_message());
        dho_table_spec_free(&spec);
        ck_assert_int_eq(dho_alloc_get_stats().live_blocks, 0);
    }
    dho_table_spec spec;
    ck_assert_fails(parse(&spec, "", NULL), DHO_ERR_CONFIG, "is empty");
    dho_table_spec_free(&spec);
    ck_assert_fails(parse(&spec, "- a\n", NULL), DHO_ERR_CONFIG, "expected a mapping");
    dho_table_spec_free(&spec);
}
END_TEST

/* --- runs ---------------------------------------------------------------------------------------
 */

static const char small[] = "data: {root: x, labels: shots, shots: 1}\n"
                            "teacher: {cache: c}\n"
                            "eval: {sets: [{name: val, root: y}], alpha: 0.5, beta: 1}\n";

/* A run as dho train and dho eval leave it. `extra`: one more override, or NULL. */
static void write_run(const char *method, int shots, int seed, double top1, const char *extra)
{
    char overrides[3][64], name[256], text[512], *config_text;
    const char *list[4] = {overrides[0], overrides[1], overrides[2], extra};
    dho_config config;
    snprintf(overrides[0], sizeof overrides[0], "method=%s", method);
    snprintf(overrides[1], sizeof overrides[1], "data.shots=%d", shots);
    snprintf(overrides[2], sizeof overrides[2], "seed=%d", seed);
    ck_assert_ok(
        dho_config_load(&config, fixture_path("configs/small.yaml"), list, extra != NULL ? 4 : 3));
    ck_assert_ok(dho_config_format(&config, false, &config_text));
    snprintf(name, sizeof name, "runs/plan/%s-%dshot/seed-%d/config.yaml", method, shots, seed);
    fixture_write(name, config_text);
    snprintf(text, sizeof text,
             "{\"method\": \"%s\", \"step\": 5, \"alpha\": 0.5, \"beta\": 1.0, \"chosen_on\": \"\","
             " \"sets\": [{\"name\": \"val\", \"images\": 1000, \"combined\": {\"top1\": %.1f}}]}",
             method, top1);
    snprintf(name, sizeof name, "runs/plan/%s-%dshot/seed-%d/eval.json", method, shots, seed);
    fixture_write(name, text);
    dho_free(config_text);
    dho_config_free(&config);
}

static void set_up(void)
{
    fixture_setup();
    fixture_write("configs/small.yaml", small);
    fixture_write("configs/tables/plan.yaml", plan);
}

START_TEST(test_cells)
{
    dho_table *table;
    for (int s = 1; s <= 3; s++) {
        write_run("single_head", 1, s, 40 + s, NULL);
        write_run("dho", 1, s, 41 + 2 * s, NULL); /* 2, 3, 4 better */
    }
    write_run("dho", 16, 2, 61.5, "compute.threads=3"); /* does not decide the numbers */
    write_run("dho", 16, 3, 99, "train.lr=1");          /* does */
    ck_assert_ok(open_plan(&table, NULL, NULL));
    dho_table_cell cell = dho_table_cell_of(table, 0, 0, DHO_SCORE_COMBINED);
    ck_assert_uint_eq(cell.top1.count, 3);
    ck_assert_double_eq_tol(cell.top1.mean, 42, 1e-9);
    ck_assert_double_eq_tol(cell.top1.high, 42 + 4.302653 / sqrt(3), 1e-5);
    ck_assert_ptr_null(cell.published);
    cell = dho_table_cell_of(table, 3, 0, DHO_SCORE_COMBINED); /* one seed: Wilson's */
    ck_assert_uint_eq(cell.top1.count, 1);
    ck_assert_double_eq_tol(cell.top1.mean, 61.5, 1e-9);
    ck_assert_double_eq_tol(cell.top1.low, 58.446, 5e-3);
    ck_assert_double_eq_tol(cell.top1.high, 64.466, 5e-3);
    ck_assert_double_eq(cell.published->top1, 60.5);
    ck_assert_int_eq(table->runs[9].state, DHO_RUN_MISSING);
    ck_assert_int_eq(table->runs[10].state, DHO_RUN_DONE);
    ck_assert_int_eq(table->runs[11].state, DHO_RUN_OTHER);
    ck_assert_ptr_nonnull(strstr(table->runs[11].why, "has \"train.lr: 1\", the table asks for "
                                                      "\"train.lr: 0.001\""));
    const dho_estimate difference = dho_table_difference(table, table->spec.contrasts, 0, 0).top1;
    ck_assert_uint_eq(difference.count, 3);
    ck_assert_double_eq_tol(difference.mean, 3, 1e-9);
    ck_assert_double_eq_tol(difference.low, 3 - 4.302653 / sqrt(3), 1e-5);
    ck_assert_uint_eq(dho_table_difference(table, table->spec.contrasts, 1, 0).top1.count, 0);
    dho_table_destroy(&table);
    /* What lies elsewhere on this machine is asked for by overrides. */
    ck_assert_ok(open_plan(&table, "train.lr=1", NULL));
    ck_assert_int_eq(table->runs[10].state, DHO_RUN_OTHER);
    ck_assert_int_eq(table->runs[11].state, DHO_RUN_DONE);
    dho_table_destroy(&table);
    ck_assert_fails(open_plan(&table, "eval.sets=[]", NULL), DHO_ERR_CONFIG,
                    "no configuration has a set");
    ck_assert_fails(open_plan(&table, "train.lrr=1", NULL), DHO_ERR_CONFIG,
                    "plan.yaml: single_head-1shot");
}
END_TEST

/* Owned. */
static char *replaced(const char *text, const char *what, const char *with)
{
    char *out;
    const char *at = strstr(text, what);
    ck_assert_ok(dho_asprintf(&out, "%.*s%s%s", (int)(at - text), text, with, at + strlen(what)));
    return out;
}

/* A test with head: fixed shows the configuration's alpha and beta beside a choice, and the
 * combined prediction where nothing was chosen; an evaluation of before has no such figure. */
START_TEST(test_fixed)
{
    static const char *const scores[] = {"\"fixed\": {\"top1\": 47}, ", ""};
    dho_table *table;
    char *text = replaced(plan, "tests: [val]", "tests: [{set: val, name: f, head: fixed}]");
    fixture_write("configs/tables/plan.yaml", text);
    dho_free(text);
    write_run("dho", 1, 1, 50, NULL);
    ck_assert_ok(open_plan(&table, NULL, NULL));
    ck_assert_double_eq(dho_table_cell_of(table, 2, 0, DHO_SCORE_FIXED).top1.mean, 50);
    dho_table_destroy(&table);
    write_run("dho", 1, 1, 50, "eval.select_on=val");
    for (int i = 0; i < 2; i++) {
        ck_assert_ok(dho_asprintf(
            &text,
            "{\"method\": \"dho\", \"step\": 5, \"alpha\": 0.3, \"beta\": 2.0, \"chosen_on\": "
            "\"val\", \"sets\": [{\"name\": \"val\", \"images\": 1000, %s\"combined\": {\"top1\": "
            "50}}]}",
            scores[i]));
        fixture_write("runs/plan/dho-1shot/seed-1/eval.json", text);
        dho_free(text);
        ck_assert_ok(open_plan(&table, "eval.select_on=val", NULL));
        ck_assert_int_eq(table->runs[6].state, DHO_RUN_DONE);
        const dho_estimate fixed = dho_table_cell_of(table, 2, 0, DHO_SCORE_FIXED).top1;
        ck_assert_uint_eq(fixed.count, i == 0 ? 1 : 0);
        if (i == 0) ck_assert_double_eq(fixed.mean, 47);
        ck_assert_double_eq(dho_table_cell_of(table, 2, 0, DHO_SCORE_COMBINED).top1.mean, 50);
        dho_table_destroy(&table);
    }
}
END_TEST

/* Runs that do not depend on an axis are made once, and stand in all its columns. */
START_TEST(test_shared_runs)
{
    static const char shared[] =
        "title: t\n"
        "config: ../small.yaml\n"
        "run: '{method}-{shots}shot'\n"
        "set: ['seed={seed}']\n"
        "seeds: [1, 2]\n"
        "rows:\n"
        "  method:\n"
        "    values:\n"
        "      - {name: kd, run: kd-1shot, set: [method=kd, data.shots=1]}\n"
        "      - {name: dho, set: [method=dho]}\n"
        "columns: {shots: {set: ['data.shots={shots}'], values: [1, 16]}}\n"
        "tests: [val]\n"
        "compare: [{axis: method, value: dho, minus: kd}]\n";
    dho_table *table;
    char *text;
    for (int s = 1; s <= 2; s++) {
        write_run("kd", 1, s, 40 + s, NULL);
        write_run("dho", 1, s, 45 + 2 * s, NULL);
        write_run("dho", 16, s, 60 + s, NULL);
    }
    fixture_write("configs/tables/plan.yaml", shared);
    ck_assert_ok(open_plan(&table, NULL, NULL));
    for (size_t shots = 0; shots < 2; shots++)
        ck_assert_double_eq_tol(dho_table_cell_of(table, shots, 0, DHO_SCORE_COMBINED).top1.mean,
                                41.5, 1e-9);
    ck_assert_int_eq(table->runs[0].state, DHO_RUN_DONE);
    ck_assert_int_eq(table->runs[2].state, DHO_RUN_UNWANTED);
    ck_assert_double_eq_tol(dho_table_difference(table, table->spec.contrasts, 1, 0).top1.mean, 20,
                            1e-9);
    write_text(table, DHO_TABLE_SVG, &text);
    ck_assert_ptr_nonnull(strstr(text, "dho minus kd"));
    ck_assert_ptr_nonnull(strstr(text, ">+6.5<"));
    ck_assert_ptr_nonnull(strstr(text, ">+20.0 +20.0<"));
    free(text);
    dho_table_destroy(&table);
    /* Two values may not mean different runs by one folder. */
    text = replaced(shared, "run: kd-1shot", "run: dho-1shot");
    fixture_write("configs/tables/plan.yaml", text);
    dho_free(text);
    ck_assert_fails(open_plan(&table, NULL, NULL), DHO_ERR_CONFIG, "two runs have the folder");
    text = replaced(shared, "run: kd-1shot", "run: 'kd-{sho}'");
    fixture_write("configs/tables/plan.yaml", text);
    dho_free(text);
    ck_assert_fails(open_plan(&table, NULL, NULL), DHO_ERR_CONFIG, "sho");
}
END_TEST

/* A difference of what was chosen on the very set is marked as its two sides are. */
START_TEST(test_marked_differences)
{
    dho_table *table;
    write_run("single_head", 1, 1, 40, NULL);
    write_run("dho", 1, 1, 41, NULL);
    ck_assert_ok(open_plan(&table, NULL, NULL));
    ck_assert(!dho_table_difference(table, table->spec.contrasts, 0, 0).chosen_here);
    dho_table_destroy(&table);
    fixture_write(
        "runs/plan/dho-1shot/seed-1/eval.json",
        "{\"method\": \"dho\", \"alpha\": 0.5, \"beta\": 1.0, \"chosen_on\": \"\", \"sets\": "
        "[{\"name\": \"val\", \"images\": 10, \"alpha_beta_chosen_here\": true, "
        "\"combined\": {\"top1\": 50}}]}");
    ck_assert_ok(open_plan(&table, NULL, NULL));
    const dho_table_cell cell = dho_table_difference(table, table->spec.contrasts, 0, 0);
    ck_assert(cell.chosen_here);
    ck_assert_double_eq_tol(cell.top1.mean, 10, 1e-9);
    dho_table_destroy(&table);
}
END_TEST

/* eval.json may say anything. */
START_TEST(test_wrong_evaluations)
{
    const char *const cases[][2] = {
        {"", "eval.json"},
        {"[]", "no list of sets"},
        {"{\"sets\": []}", "is of method ?"},
        {"{\"method\": \"ce\", \"sets\": []}", "is of method ce"},
        {"{\"method\": \"single_head\", \"sets\": 3}", "no list of sets"},
        {"{\"method\": \"single_head\", \"sets\": []}", "not evaluated on val"},
        {"{\"method\": \"single_head\", \"sets\": [3, null, {\"name\": 4}]}", "a proper name"},
        {"{\"method\": \"single_head\", \"sets\": [{\"name\": \"../val\"}]}", "a proper name"},
        {"{\"method\": \"single_head\", \"sets\": [{\"name\": \"val\"}]}", "number of images"},
        {"{\"method\": \"single_head\", \"sets\": [{\"name\": \"val\", \"images\": 0}]}",
         "number of images"},
        {"{\"method\": \"single_head\", \"sets\": [{\"name\": \"val\", \"images\": 5}]}",
         "no combined accuracy"},
        {"{\"method\": \"single_head\", \"sets\": [{\"name\": \"val\", \"images\": 5, "
         "\"combined\": {\"top1\": \"9\"}}]}",
         "no percentage"},
        {"{\"method\": \"single_head\", \"sets\": [{\"name\": \"val\", \"images\": 5, "
         "\"combined\": {\"top1\": 100.5}}]}",
         "no percentage"},
        {"{\"method\": \"single_head\", \"sets\": [{\"name\": \"val\", \"images\": 5, "
         "\"combined\": 7}]}",
         "no percentage"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        dho_table *table;
        write_run("single_head", 1, 1, 50, NULL);
        fixture_write("runs/plan/single_head-1shot/seed-1/eval.json", cases[i][0]);
        ck_assert_ok(open_plan(&table, NULL, NULL));
        ck_assert_int_eq(table->runs[0].state, DHO_RUN_UNFINISHED);
        ck_assert_msg(strstr(table->runs[0].why, cases[i][1]) != NULL, "%s", table->runs[0].why);
        ck_assert_uint_eq(dho_table_cell_of(table, 0, 0, DHO_SCORE_COMBINED).top1.count, 0);
        dho_table_destroy(&table);
    }
}
END_TEST

/* The evaluation's own configuration, and a run whose configuration is broken or lost. */
START_TEST(test_states)
{
    dho_table *table;
    write_run("dho", 1, 1, 50, NULL);
    write_run("dho", 1, 2, 50, "eval.alpha=0.9"); /* a later evaluation may have another */
    write_run("dho", 1, 3, 50, NULL);
    fixture_write("runs/plan/dho-1shot/seed-1/eval/config.yaml",
                  "eval: {sets: [{name: val, root: y}], alpha: 0.5, resize: 300}\n");
    fixture_write("runs/plan/dho-1shot/seed-3/eval.json",
                  "{\"method\": \"dho\", \"alpha\": 0.25, \"beta\": 1, \"chosen_on\": \"\", "
                  "\"sets\": []}");
    write_run("dho", 16, 1, 50, NULL);
    fixture_write("runs/plan/dho-16shot/seed-1/config.yaml", "data: [\n");
    write_run("dho", 16, 2, 50, NULL);
    ck_assert_int_eq(remove(fixture_path("runs/plan/dho-16shot/seed-2/config.yaml")), 0);
    ck_assert_ok(open_plan(&table, NULL, NULL));
    ck_assert_int_eq(table->runs[6].state, DHO_RUN_UNFINISHED);
    ck_assert_ptr_nonnull(strstr(table->runs[6].why, "eval.resize: 300"));
    ck_assert_int_eq(table->runs[7].state, DHO_RUN_DONE);
    ck_assert_int_eq(table->runs[8].state, DHO_RUN_UNFINISHED);
    ck_assert_ptr_nonnull(strstr(table->runs[8].why, "alpha 0.25"));
    ck_assert_int_eq(table->runs[9].state, DHO_RUN_OTHER);
    ck_assert_int_eq(table->runs[10].state, DHO_RUN_OTHER);
    ck_assert_ptr_nonnull(strstr(table->runs[10].why, "nothing says"));
    dho_table_destroy(&table);
}
END_TEST

/* A line of sessions.jsonl as dho train leaves it. `set`: an override, or NULL. */
static void add_session(int step, const char *set)
{
    const char *overrides[4] = {"method=dho", "data.shots=1", "seed=1", set};
    char *text;
    dho_config config;
    ck_assert_ok(dho_config_load(&config, fixture_path("configs/small.yaml"), overrides,
                                 set != NULL ? 4 : 3));
    ck_assert_ok(dho_config_format(&config, false, &text));
    dho_config_free(&config);
    json_t *line = json_pack("{s:i, s:s}", "step", step, "config", text);
    dho_free(text);
    FILE *file = fopen(fixture_path("runs/plan/dho-1shot/seed-1/sessions.jsonl"), "a");
    ck_assert_ptr_nonnull(file);
    ck_assert_int_eq(json_dumpf(line, file, JSON_COMPACT), 0);
    fputc('\n', file);
    fclose(file);
    json_decref(line);
}

static void check_run(dho_run_state state, const char *why)
{
    dho_table *table;
    ck_assert_ok(open_plan(&table, NULL, NULL));
    ck_assert_int_eq(table->runs[6].state, state);
    if (why != NULL)
        ck_assert_msg(strstr(table->runs[6].why, why) != NULL, "%s", table->runs[6].why);
    dho_table_destroy(&table);
}

/* config.yaml is of the last session; what counts is what every step was trained with. */
START_TEST(test_sessions)
{
    write_run("dho", 1, 1, 50, NULL);
    fixture_write("runs/plan/dho-1shot/seed-1/sessions.jsonl", "{\"step\": 0}\nnothing\n");
    check_run(DHO_RUN_DONE, NULL); /* of an older version */
    fixture_write("runs/plan/dho-1shot/seed-1/sessions.jsonl", "");
    add_session(0, "train.lr=0.1"); /* was cut off before it kept a step */
    add_session(0, NULL);
    add_session(20, "compute.threads=3");
    add_session(25, "data.root=/node/local"); /* its content was checked */
    check_run(DHO_RUN_DONE, NULL);
    add_session(30, "train.lr=0.1");
    check_run(DHO_RUN_OTHER, "sessions.jsonl: the session from step 30 on: has \"train.lr: 0.1\"");
    add_session(30, NULL); /* in its place */
    check_run(DHO_RUN_DONE, NULL);
    add_session(10, "train.steps=7"); /* back to an older checkpoint */
    check_run(DHO_RUN_OTHER, "has \"train.epochs: 0\", the table asks for \"train.epochs: 20\"");
    fixture_write("runs/plan/dho-1shot/seed-1/sessions.jsonl", "");
    add_session(0, "student.init=a");
    add_session(5, "student.init=b");
    check_run(DHO_RUN_OTHER, "the session from step 0 on: has \"student.init: a\"");
    fixture_write("runs/plan/dho-1shot/seed-1/sessions.jsonl", "");
    add_session(10, NULL);
    check_run(DHO_RUN_OTHER, "the steps before 10 were trained in another folder");
}
END_TEST

/* What is missing needs what is not there: the cache that the configuration names, the head that
 * the cache's command names; runs without a teacher need neither. */
START_TEST(test_preparations)
{
    static const char more[] =
        "prepare:\n"
        "  - {path: head, command: dho teacher zero-shot --out head}\n"
        "  - {path: c/cache.json, command: 'dho cache build {arguments} --head head --out c'}\n"
        "  - {path: 'tip{shots}', command: 'dho teacher tip-adapter {arguments} --out "
        "tip{shots}'}\n";
    char text[4096], *at;
    dho_table *table;
    snprintf(text, sizeof text, "%s%s", plan, more);
    at = strstr(text, "single_head, dho]"); /* the rows' */
    ck_assert_ptr_nonnull(at);
    memcpy(at, "ce, dho]         ", 17);
    memmove(at + 8, at + 17, strlen(at + 17) + 1);
    at = strstr(text, "compare:");
    memmove(at, strchr(at, '\n') + 1, strlen(strchr(at, '\n')));
    fixture_write("configs/tables/plan.yaml", text);
    ck_assert_ok(open_plan(&table, NULL, NULL));
    ck_assert_uint_eq(table->step_count, 2);
    ck_assert_str_eq(table->steps[0].path, "head");
    ck_assert_str_eq(table->steps[1].path, "c/cache.json");
    ck_assert_uint_eq(table->steps[1].run, 6); /* the first with method dho */
    FILE *file = fopen(fixture_path("script"), "w+");
    ck_assert_ok(dho_table_write(table, DHO_TABLE_SCRIPT, "dho", file));
    rewind(file);
    text[fread(text, 1, sizeof text - 1, file)] = '\0';
    fclose(file);
    const char *head = strstr(text, "\nprepare head dho teacher zero-shot --out head\n");
    const char *cache = strstr(text, "\nprepare c/cache.json dho cache build -c ");
    ck_assert(head != NULL && cache != NULL && head < cache);
    const char *first = strstr(text, "\nmake "), *second = strstr(text, "/ce-1shot/seed-2");
    ck_assert(first != NULL && cache < first); /* all that is needed, then the runs seed by seed */
    ck_assert(second != NULL && strstr(text, "/ce-16shot/seed-1") < second);
    ck_assert_ptr_nonnull(strstr(cache, " --set method=dho --set data.shots=1 --set seed=1 "
                                        "--head head --out c\n"));
    dho_table_destroy(&table);
    ck_assert_ok(open_plan(&table, "teacher.head=tip16", NULL));
    ck_assert_uint_eq(table->step_count, 3); /* 16 shots need it, and all name it */
    dho_table_destroy(&table);
    ck_assert_ok(open_plan(&table, "teacher.cache=elsewhere", NULL));
    ck_assert_uint_eq(table->step_count, 0);
    dho_table_destroy(&table);
}
END_TEST

START_TEST(test_memory)
{
    char text[2048];
    snprintf(text, sizeof text, "%sprepare: [{path: c, command: 'dho cache {arguments}'}]\n", plan);
    fixture_write("configs/tables/plan.yaml", text);
    write_run("dho", 16, 1, 50, NULL);
    write_run("dho", 16, 2, 50, "train.lr=1");
    check_without_memory(300, 13);
}
END_TEST

/* --- the repository's own tables ----------------------------------------------------------------
 */

START_TEST(test_files)
{
    dho_name_list names;
    ck_assert_ok(dho_list_folder(&names, "configs/tables"));
    ck_assert_uint_ge(names.count, 8);
    for (size_t i = 0; i < names.count; i++) {
        dho_table *table;
        char path[512];
        snprintf(path, sizeof path, "configs/tables/%s", names.names[i]);
        const bool local = strcmp(names.names[i], "caltech101.yaml") == 0 ||
                           strcmp(names.names[i], "eurosat.yaml") == 0;
        /* The others have thousands of runs, a seed like the next. */
        const dho_table_options options = {.runs = "no/such/folder",
                                           .only = local ? NULL : "seed=1"};
        ck_assert_ok(dho_table_open(&table, path, &options));
        if (local) ck_assert_uint_eq(table->run_count, 6 * 3 * 3);
        if (strcmp(names.names[i], "caltech101.yaml") == 0)
            ck_assert_str_eq(table->runs[49].folder, "no/such/folder/caltech101/dho-4shot/seed-2");
        for (size_t r = 0; r < table->run_count; r++) {
            const bool has_run = dho_table_has_run(&table->spec, r / table->spec.seed_count);
            const bool shared = has_run && table->runs[r].folder == NULL;
            ck_assert_int_eq(table->runs[r].state,
                             has_run && !shared ? DHO_RUN_MISSING : DHO_RUN_UNWANTED);
        }
        dho_table_destroy(&table);
    }
    dho_name_list_free(&names);
    ck_assert_int_eq(dho_alloc_get_stats().live_blocks, 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("table");
    TCase *plans = tcase_create("plans");
    tcase_add_test(plans, test_student);
    tcase_add_test(plans, test_mean);
    tcase_add_test(plans, test_plan);
    tcase_add_test(plans, test_beside);
    tcase_add_test(plans, test_wrong_plans);
    tcase_add_test(plans, test_files);
    tcase_set_timeout(plans, 60); /* a thousand configurations */
    TCase *runs = tcase_create("runs");
    tcase_add_checked_fixture(runs, set_up, fixture_teardown);
    tcase_add_test(runs, test_cells);
    tcase_add_test(runs, test_fixed);
    tcase_add_test(runs, test_shared_runs);
    tcase_add_test(runs, test_marked_differences);
    tcase_add_test(runs, test_wrong_evaluations);
    tcase_add_test(runs, test_states);
    tcase_add_test(runs, test_sessions);
    tcase_add_test(runs, test_preparations);
    tcase_add_test(runs, test_memory);
    tcase_set_timeout(runs, 60);
    suite_add_tcase(suite, plans);
    suite_add_tcase(suite, runs);
    return dho_check_run(suite);
}
