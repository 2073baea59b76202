#define _GNU_SOURCE
/* Published figures of a file, and which cell of which table shows them; means over values of an
 * axis. Runs in the repository's root. */
#include "check_main.h"
#include "dho/config.h"
#include "dho/file.h"
#include "table/table.h"
#include "table/table_runs.h"
#include "table/table_spec_read.h"
#include "unit/table/table_fixture.h"

#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* --- the repository's figures -------------------------------------------------------------------
 */

typedef struct counts {
    size_t of[DHO_TABLE_CERTAINTIES];
} counts;

/* Counted in the file itself, without the reader of plans. */
static counts count_in_file(void)
{
    dho_spec_document file;
    counts out = {{0}};
    ck_assert_ok(dho_spec_document_load(&file, "configs/published/dho.yaml"));
    for (const dho_yaml_node *n = dho_yaml_find(file.root, "figures")->first; n != NULL;
         n = n->next) {
        const dho_yaml_node *top1 = dho_yaml_find(n, "top1"), *word = dho_yaml_find(n, "certainty");
        const char *certainty = word != NULL ? word->text : "certain";
        for (int k = 0; k < DHO_TABLE_CERTAINTIES; k++)
            if (strcmp(certainty, dho_table_certainty_names[k]) == 0)
                out.of[k] += top1->kind == DHO_YAML_LIST ? top1->count : 1;
    }
    dho_spec_document_free(&file);
    return out;
}

/* Figures among the cells of a Markdown grid: 54.7, 54.7¶, 54.7?. */
static counts count_in_text(const char *text)
{
    static const char *const marks[DHO_TABLE_CERTAINTIES] = {"", "¶", "?"};
    counts out = {{0}};
    for (const char *at = strstr(text, "| "); at != NULL; at = strstr(at + 1, "| ")) {
        const char *end = strpbrk(at + 2, "|\n");
        size_t digits = strspn(at + 2, "0123456789."), bytes = (size_t)(end - at) - 2;
        if (digits < 3 || !isdigit((unsigned char)at[2]) || *end != '|') continue;
        while (bytes > 0 && at[2 + bytes - 1] == ' ') bytes--;
        for (int k = 0; k < DHO_TABLE_CERTAINTIES; k++)
            out.of[k] += bytes - digits == strlen(marks[k]) &&
                         memcmp(at + 2 + digits, marks[k], strlen(marks[k])) == 0;
    }
    return out;
}

/* What each table prints of the file; together, each figure once: a figure that no cell of its
 * table shows is an error of the plan, and no two tables select the same. */
START_TEST(test_each_figure_once)
{
    static const struct {
        const char *table;
        size_t certain, text, doubtful;
    } plans[] = {
        {"imagenet_fewshot", 98, 0, 0},             /* tables 1 and 14 */
        {"imagenet_fewshot_heads", 0, 0, 20},       /* 18 */
        {"imagenet_fewshot_heads_alone", 12, 0, 0}, /* 19 */
        {"imagenet_linear_probe", 3, 0, 0},         /* 5 */
        {"imagenet_semi", 39, 0, 1},                /* 3 */
        {"imagenet_semi_alpha", 8, 0, 0},           /* 16 */
        {"imagenet_semi_heads", 4, 0, 0},           /* 6 */
        {"imagenet_semi_tome", 4, 0, 0},            /* 11 */
        {"imagenet_variants", 43, 0, 2},            /* 17 */
        {"imagenet_adaptation", 72, 0, 1},          /* 2 */
        {"fine_grained", 55, 0, 0},                 /* 13, 15 and 18 */
        {"ablations", 0, 2, 0},                     /* figure 9 */
        {"caltech101", 0, 0, 0},
        {"caltech101_ablations", 0, 0, 0},
        {"caltech101_pretrained", 0, 0, 0},
        {"eurosat", 0, 0, 0},
        {"eurosat_choice", 0, 0, 0},
        {"eurosat_map", 0, 0, 0},
        {"eurosat_select", 0, 0, 0},
    };
    const counts all = count_in_file();
    counts sum = {{0}};
    dho_name_list names;
    ck_assert_ok(dho_list_folder(&names, "configs/tables"));
    ck_assert_uint_eq(names.count, sizeof plans / sizeof *plans);
    dho_name_list_free(&names);
    for (size_t i = 0; i < sizeof plans / sizeof *plans; i++) {
        const dho_table_options options = {.runs = "no/such/folder"};
        dho_table *table;
        char path[256];
        snprintf(path, sizeof path, "configs/tables/%s.yaml", plans[i].table);
        ck_assert_ok(dho_table_open(&table, path, &options));
        char *text;
        write_text(table, DHO_TABLE_MARKDOWN, &text);
        const counts own = count_in_text(text);
        ck_assert_msg(own.of[0] == plans[i].certain && own.of[1] == plans[i].text &&
                          own.of[2] == plans[i].doubtful,
                      "%s shows %zu certain, %zu, %zu doubtful", path, own.of[0], own.of[1],
                      own.of[2]);
        ck_assert_uint_eq(table->spec.figure_count, own.of[0] + own.of[1] + own.of[2]);
        for (int k = 0; k < DHO_TABLE_CERTAINTIES; k++) sum.of[k] += own.of[k];
        free(text);
        dho_table_destroy(&table);
    }
    ck_assert_uint_eq(all.of[DHO_FIGURE_CERTAIN], 338);
    for (int k = 0; k < DHO_TABLE_CERTAINTIES; k++) ck_assert_uint_eq(sum.of[k], all.of[k]);
    ck_assert_int_eq(dho_alloc_get_stats().live_blocks, 0);
}
END_TEST

/* --- plans of our own ---------------------------------------------------------------------------
 */

static const char figures[] = "source: a paper\n"
                              "figures:\n"
                              "  - {table: 1, set: a, method: CE, shots: [1, 2], top1: [5, 6.25]}\n"
                              "  - {table: 1, set: mean, method: CE, shots: 1, top1: 7.0}\n"
                              "  - {table: 2, set: a, method: SSKD, shots: 1, top1: 8.5, "
                              "certainty: doubtful, remark: why not}\n";

static const char plan[] =
    "title: t\n"
    "config: ../small.yaml\n"
    "set: ['data.shots={shots}', 'seed={seed}', 'data.root={set}']\n"
    "seeds: [1, 2]\n"
    "rows:\n"
    "  set:\n"
    "    values: [{name: a, published: {set: a}}, b, {name: m, mean: all, published: {set: "
    "mean}}]\n"
    "  method:\n"
    "    values:\n"
    "      - {name: ce, set: [method=ce], published: {method: CE}}\n"
    "      - {name: kd, set: [method=kd]}\n"
    "      - {name: sskd, no_runs: not here, published: {method: SSKD}}\n"
    "columns: {shots: {values: [1, 2], published: {shots: '{shots}'}}}\n"
    "tests: [val]\n"
    "compare: [{axis: method, value: kd, minus: ce}]\n"
    "published: {file: ../figures.yaml, select: [{table: 1}, {table: 2, set: a}]}\n";

static void set_up(void)
{
    fixture_setup();
    fixture_write("configs/small.yaml", "data: {root: x, labels: shots, shots: 1}\n"
                                        "teacher: {cache: c}\n"
                                        "eval: {sets: [{name: val, root: y}]}\n");
    fixture_write("configs/figures.yaml", figures);
    fixture_write("configs/tables/plan.yaml", plan);
}

/* A finished run of the table's configuration. */
static void write_run(const dho_table *table, size_t combination, size_t seed, double top1)
{
    const dho_table_run *run = &table->runs[combination * table->spec.seed_count + seed];
    char path[512], text[512], *config_text;
    dho_config config;
    ck_assert_ok(dho_make_folders(run->folder));
    ck_assert_ok(dho_config_load(&config, run->config, (const char *const *)run->overrides.items,
                                 run->overrides.count));
    ck_assert_ok(dho_config_format(&config, false, &config_text));
    snprintf(path, sizeof path, "%s/config.yaml", run->folder);
    ck_assert_ok(dho_file_write_text(path, config_text));
    snprintf(text, sizeof text,
             "{\"method\": \"%s\", \"step\": 5, \"sets\": [{\"name\": \"val\", \"images\": 1000, "
             "\"combined\": {\"top1\": %.2f}}]}",
             config.method == DHO_METHOD_CE ? "ce" : "kd", top1);
    snprintf(path, sizeof path, "%s/eval.json", run->folder);
    ck_assert_ok(dho_file_write_text(path, text));
    dho_free(config_text);
    dho_config_free(&config);
}

/* Combination of set, method and shots. */
static size_t at(const dho_table *table, size_t set, size_t method, size_t shots)
{
    return dho_table_join(&table->spec, (const size_t[]){set, method, shots});
}

static const dho_table_figure *figure_at(const dho_table *table, size_t set, size_t method,
                                         size_t shots)
{
    return dho_table_cell_of(table, at(table, set, method, shots), 0, DHO_SCORE_COMBINED).published;
}

START_TEST(test_figures_and_cells)
{
    dho_table *table;
    ck_assert_ok(open_plan(&table, NULL, NULL));
    ck_assert_str_eq(table->spec.source, "a paper, tables 1, 2");
    ck_assert_uint_eq(table->spec.figure_count, 4);
    ck_assert_double_eq(figure_at(table, 0, 0, 0)->top1, 5);
    ck_assert_int_eq(figure_at(table, 0, 0, 0)->decimals, 1);
    ck_assert_double_eq(figure_at(table, 0, 0, 1)->top1, 6.25);
    ck_assert_int_eq(figure_at(table, 0, 0, 1)->decimals, 2);
    ck_assert_double_eq(figure_at(table, 2, 0, 0)->top1, 7);
    ck_assert_ptr_null(figure_at(table, 2, 0, 1));
    ck_assert_ptr_null(figure_at(table, 0, 1, 0)); /* kd says nothing of a publication */
    ck_assert_ptr_null(figure_at(table, 1, 0, 0));
    ck_assert_int_eq(figure_at(table, 0, 2, 0)->certainty, DHO_FIGURE_DOUBTFUL);
    ck_assert_str_eq(figure_at(table, 0, 2, 0)->remark, "why not");
    /* Two sets, two methods, two shots, two seeds: neither the mean nor SSKD is a run. */
    size_t runs = 0;
    for (size_t r = 0; r < table->run_count; r++) runs += table->runs[r].state != DHO_RUN_UNWANTED;
    ck_assert_uint_eq(runs, 16);
    char *text;
    write_text(table, DHO_TABLE_TEXT, &text);
    ck_assert_ptr_nonnull(strstr(text, "Nothing is measured yet; these are the published"));
    ck_assert_ptr_nonnull(strstr(text, "8.5?"));
    ck_assert_ptr_nonnull(strstr(text, "published: a paper, tables 1, 2: 3 certain, 1 doubtful"));
    ck_assert_ptr_nonnull(strstr(text, "? table 2: why not."));
    ck_assert_ptr_nonnull(strstr(text, "‡ sskd: not here."));
    ck_assert_ptr_nonnull(strstr(text, "3 more rows have nothing measured"));
    free(text);
    dho_table_destroy(&table);
    /* Of a part, only what is in it is explained. */
    ck_assert_ok(open_plan(&table, NULL, "method=ce"));
    write_text(table, DHO_TABLE_TEXT, &text);
    ck_assert_ptr_nonnull(strstr(text, "published: a paper, tables 1, 2: 3 certain."));
    ck_assert_ptr_null(strstr(text, "why not"));
    ck_assert_ptr_null(strstr(text, "sskd"));
    free(text);
    dho_table_destroy(&table);
}
END_TEST

START_TEST(test_means)
{
    dho_table *table;
    ck_assert_ok(open_plan(&table, NULL, NULL));
    write_run(table, at(table, 0, 0, 0), 0, 40);
    write_run(table, at(table, 1, 0, 0), 0, 60);
    write_run(table, at(table, 0, 0, 0), 1, 44); /* b has no second seed */
    write_run(table, at(table, 0, 1, 0), 0, 42);
    write_run(table, at(table, 1, 1, 0), 0, 64);
    dho_table_destroy(&table);
    /* Asked for alone, the mean has its members' runs. */
    for (int k = 0; k < 2; k++) {
        ck_assert_ok(open_plan(&table, NULL, k == 0 ? NULL : "set=m,shots=1"));
        dho_table_cell cell = dho_table_cell_of(table, at(table, 2, 0, 0), 0, DHO_SCORE_COMBINED);
        ck_assert_uint_eq(cell.top1.count, 1);
        ck_assert_double_eq_tol(cell.top1.mean, 50, 1e-9);
        ck_assert(isnan(cell.top1.low)); /* no one number of images stands behind it */
        ck_assert_double_eq(cell.published->top1, 7);
        cell = dho_table_difference(table, table->spec.contrasts, at(table, 2, 1, 0), 0);
        ck_assert_uint_eq(cell.top1.count, 1);
        ck_assert_double_eq_tol(cell.top1.mean, 3, 1e-9);
        dho_table_destroy(&table);
    }
    ck_assert_ok(open_plan(&table, NULL, NULL));
    write_run(table, at(table, 1, 0, 0), 1, 62);
    dho_table_destroy(&table);
    ck_assert_ok(open_plan(&table, NULL, NULL));
    const dho_table_cell cell = dho_table_cell_of(table, at(table, 2, 0, 0), 0, DHO_SCORE_COMBINED);
    ck_assert_uint_eq(cell.top1.count, 2);
    ck_assert_double_eq_tol(cell.top1.mean, 51.5, 1e-9);
    ck_assert_double_eq_tol(cell.top1.high, 51.5 + 12.7062 * 3 / sqrt(2) / sqrt(2), 1e-3);
    char *text = NULL;
    size_t bytes;
    FILE *out = open_memstream(&text, &bytes);
    for (int f = 0; f < 3; f++)
        ck_assert_ok(dho_table_write(table, (dho_table_format)f, "dho", out));
    fclose(out);
    ck_assert_ptr_nonnull(strstr(text, "+44.5")); /* 51.5 less 7.0 */
    free(text);
    dho_table_destroy(&table);
}
END_TEST

/* One text of the plan or of the figures is replaced; the error must say what is wrong. */
START_TEST(test_wrong_figures)
{
    const struct {
        bool in_plan;
        const char *from, *to, *text;
    } cases[] = {
        {true, "figures.yaml", "none.yaml", "none.yaml: cannot open"},
        {true, "{table: 1}", "{table: 7}", "is of no figure in"},
        {true, "{table: 1}", "{tabel: 1}", "is of no figure in"},
        {true, "{table: 1}", "1", "expected attributes"},
        {true, "select: [{table: 1}, {table: 2, set: a}]", "select: 1", "expected a list of attri"},
        {true, ", select: [{table: 1}, {table: 2, set: a}]", "", "select is missing"},
        {true, "file: ../figures.yaml, ", "", "file is missing"},
        {true, "published: {method: CE}", "published: {method: CEE}", "no cell of the table shows"},
        {true, "published: {method: CE}", "published: [CE]", "expected attributes"},
        {true, "published: {shots: '{shots}'}", "published: {shots: '{shot}'}",
         "{shot} is no axis"},
        {true, "set: [method=kd]", "set: [method=kd], published: {method: CE}", "two cells"},
        {true, "published: {shots: '{shots}'}", "published: {table: 1}", "another figure already"},
        {true, "no_runs: not here", "no_runs: ''", "expected a text"},
        {true, "no_runs: not here", "no_runs: x, set: [method=kd]", "one of them"},
        {true, "mean: all", "mean: [c]", "that stand before it"},
        {true, "mean: all", "mean: [a, a]", "that stand before it"},
        {true, "mean: all", "mean: []", "expected all, or a list"},
        {true, "seeds: [1, 2]\n", "", "seeds is missing"},
        {false, "source: a paper\n", "", "source is missing"},
        {false, "figures:", "figure:", "figures is missing"},
        {false, "top1: [5, 6.25]", "top1: [5]", "as long as top1's"},
        {false, "top1: [5, 6.25]", "top1: 5", "one list as long as"},
        {false, "shots: [1, 2]", "shots: 1", "as many as another"},
        {false, "set: a, method: CE", "set: [a, b], method: CE", "one list as long as"},
        {false, "top1: 8.5", "top1: 108.5", "expected a percentage"},
        {false, "top1: 8.5", "top1: x", "expected a percentage"},
        {false, "top1: 8.5, ", "", "top1: percent"},
        {false, "doubtful", "sure", "expected certain, text or doubtful"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *text = cases[i].in_plan ? plan : figures, *found = strstr(text, cases[i].from);
        char changed[2048];
        dho_table *table = NULL;
        ck_assert_ptr_nonnull(found);
        snprintf(changed, sizeof changed, "%.*s%s%s", (int)(found - text), text, cases[i].to,
                 found + strlen(cases[i].from));
        fixture_write("configs/figures.yaml", cases[i].in_plan ? figures : changed);
        fixture_write("configs/tables/plan.yaml", cases[i].in_plan ? changed : plan);
        const dho_status status = open_plan(&table, NULL, NULL);
        ck_assert_msg(status == DHO_ERR_CONFIG && strstr(dho_error_message(), cases[i].text),
                      "%s -> %d: %s", cases[i].to, (int)status, dho_error_message());
        ck_assert_int_eq(dho_alloc_get_stats().live_blocks, 0);
    }
}
END_TEST

/* Another plan's preparations; a plan of figures alone needs no configuration. */
START_TEST(test_borrowed)
{
    dho_table *table;
    fixture_write("configs/tables/other.yaml",
                  "prepare: [{path: c/cache.json, command: dho cache build}]\n");
    char text[2048];
    snprintf(text, sizeof text, "%sprepare: other.yaml\n", plan);
    fixture_write("configs/tables/plan.yaml", text);
    ck_assert_ok(open_plan(&table, NULL, NULL));
    ck_assert_uint_eq(table->step_count, 1);
    ck_assert_str_eq(table->steps[0].path, "c/cache.json");
    dho_table_destroy(&table);
    fixture_write("configs/tables/other.yaml", "title: x\n");
    ck_assert_fails(open_plan(&table, NULL, NULL), DHO_ERR_CONFIG, "has no list of preparations");
    fixture_write(
        "configs/tables/plan.yaml",
        "title: t\n"
        "rows: {method: {values: [{name: sskd, no_runs: x, published: {method: SSKD}}]}}\n"
        "tests: [val]\n"
        "published: {file: ../figures.yaml, select: [{table: 2}]}\n");
    ck_assert_ok(open_plan(&table, NULL, NULL));
    FILE *sink = fopen("/dev/null", "w");
    for (int f = 0; f <= DHO_TABLE_SCRIPT; f++)
        if (f != DHO_TABLE_SVG)
            ck_assert_ok(dho_table_write(table, (dho_table_format)f, "dho", sink));
    ck_assert_fails(dho_table_write(table, DHO_TABLE_SVG, "dho", sink), DHO_ERR_CONFIG,
                    "there are none");
    fclose(sink);
    dho_table_destroy(&table);
}
END_TEST

START_TEST(test_memory)
{
    check_without_memory(600, 38);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("table_published");
    TCase *files = tcase_create("files");
    tcase_add_test(files, test_each_figure_once);
    tcase_set_timeout(files, 100); /* thousands of configurations */
    TCase *plans = tcase_create("plans");
    tcase_add_checked_fixture(plans, set_up, fixture_teardown);
    tcase_add_test(plans, test_figures_and_cells);
    tcase_add_test(plans, test_means);
    tcase_add_test(plans, test_wrong_figures);
    tcase_add_test(plans, test_borrowed);
    tcase_add_test(plans, test_memory);
    tcase_set_timeout(plans, 60);
    suite_add_tcase(suite, files);
    suite_add_tcase(suite, plans);
    return dho_check_run(suite);
}
