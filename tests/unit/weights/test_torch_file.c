/* PyTorch checkpoints: files that torch.save wrote (tests/golden/make_torch_golden.py) and pickles
 * that it never would. */
#define _GNU_SOURCE
#include "dho/state_dict.h"
#include "dho/torch_file.h"
#include "dho/weights.h"
#include "folder_fixture.h"
#include "unit/weights/pt_crafted.h"
#include "unit/weights/pt_fixture.h"
#include "weights/tensor_index.h"

#include <string.h>

static dho_torch_file *open_golden(const char *name, const char *key)
{
    dho_torch_file *file;
    ck_assert_ok(dho_torch_file_open(&file, golden(name), key));
    return file;
}

/* Checks dtype, shape and values. */
static void check(const dho_torch_file *file, const char *name, dho_dtype dtype, int dims,
                  const int64_t *shape, size_t count, const float *expected)
{
    float values[64];
    const dho_tensor_view *tensor = dho_tensor_index_find(dho_torch_file_table(file), name);
    ck_assert_msg(tensor != NULL, "no %s", name);
    ck_assert_int_eq(tensor->dtype, dtype);
    ck_assert_int_eq(tensor->dims, dims);
    for (int d = 0; d < dims; d++) ck_assert_int_eq(tensor->shape[d], shape[d]);
    ck_assert_uint_eq(tensor->bytes, count * dho_dtype_size(dtype));
    dho_tensor_to_float(tensor, values);
    for (size_t i = 0; i < count; i++)
        ck_assert_msg(values[i] == expected[i], "%s[%zu] is %g, not %g", name, i, (double)values[i],
                      (double)expected[i]);
}

#define SHAPE(...)                                                \
    (int[]){sizeof((int64_t[]){__VA_ARGS__}) / 8}[0], (int64_t[]) \
    {                                                             \
        __VA_ARGS__                                               \
    }
#define VALUES(...)                                           \
    sizeof((float[]){__VA_ARGS__}) / sizeof(float), (float[]) \
    {                                                         \
        __VA_ARGS__                                           \
    }

/* As zip archives and as PyTorch before 1.6 wrote them. */
static const char *const plain_files[] = {"plain.pt", "legacy_plain.pt"};
static const char *const strided_files[] = {"strided.pt", "legacy_strided.pt"};

START_TEST(test_plain)
{
    dho_torch_file *file = open_golden(plain_files[_i], NULL);
    ck_assert_uint_eq(dho_torch_file_count(file), 12);
    ck_assert_str_eq(dho_torch_file_key(file), "");
    ck_assert_str_eq(dho_torch_file_at(file, 0)->name, "f32");
    check(file, "f32", DHO_F32, SHAPE(2, 3), VALUES(1, 1.25f, 1.5f, 1.75f, 2, 2.25f));
    check(file, "f16", DHO_F16, SHAPE(4), VALUES(2, 2.25f, 2.5f, 2.75f));
    check(file, "bf16", DHO_BF16, SHAPE(1, 4), VALUES(3, 3.25f, 3.5f, 3.75f));
    check(file, "f64", DHO_F64, SHAPE(3), VALUES(4, 4.25f, 4.5f));
    check(file, "i32", DHO_I32, SHAPE(2), VALUES(-1, 70000));
    check(file, "i16", DHO_I16, SHAPE(1), VALUES(-300));
    check(file, "i8", DHO_I8, SHAPE(2), VALUES(-128, 127));
    check(file, "u8", DHO_U8, SHAPE(2), VALUES(0, 255));
    check(file, "bool", DHO_BOOL, SHAPE(3), VALUES(1, 0, 1));
    check(file, "bn.num_batches_tracked", DHO_I64, 0, NULL, VALUES(7));
    check(file, "empty", DHO_F32, SHAPE(0, 4), 0, NULL);
    int64_t wide[2];
    ck_assert_ok(
        dho_tensor_to_int64(dho_tensor_index_find(dho_torch_file_table(file), "i64"), wide));
    ck_assert(wide[0] == -5 && wide[1] == (int64_t)1 << 40);
    ck_assert_ptr_null(dho_tensor_index_find(dho_torch_file_table(file), "f3"));
    dho_torch_file_close(&file);
}
END_TEST

START_TEST(test_where_the_state_dict_lies)
{
    dho_torch_file *file = open_golden("module.pt", NULL);
    check(file, "bias", DHO_F32, SHAPE(2), VALUES(6, 6.25f));
    dho_torch_file_close(&file);

    file = open_golden("nested.pt", NULL);
    ck_assert_str_eq(dho_torch_file_key(file), "state_dict");
    ck_assert_uint_eq(dho_torch_file_count(file), 1);
    ck_assert_uint_eq(dho_torch_file_skipped(file), 1);
    check(file, "module.w", DHO_F32, SHAPE(2, 3), VALUES(5, 5.25f, 5.5f, 5.75f, 6, 6.25f));
    dho_torch_file_close(&file);

    file = open_golden("two.pt", NULL);
    ck_assert_str_eq(dho_torch_file_key(file), "teacher");
    dho_torch_file_close(&file);
    file = open_golden("two.pt", "student");
    check(file, "backbone.w", DHO_F32, SHAPE(2), VALUES(1, 1.25f));
    dho_torch_file_close(&file);

    for (int i = 0; i < 2; i++) { /* the only one; a key with a dot in it */
        file = open_golden("only.pt", i == 0 ? NULL : "weights.v1");
        ck_assert_str_eq(dho_torch_file_key(file), "weights.v1");
        check(file, "w", DHO_F32, SHAPE(2), VALUES(7, 7.25f));
        dho_torch_file_close(&file);
    }
    ck_assert_fails(dho_torch_file_open(&file, golden("two.pt"), "assistant"), DHO_ERR_CONFIG,
                    "no key \"assistant\"");
    ck_assert_fails(dho_torch_file_open(&file, golden("nested.pt"), "args"), DHO_ERR_CONFIG,
                    "no tensors");
}
END_TEST

START_TEST(test_strides_and_shared_storage)
{
    dho_torch_file *file = open_golden(strided_files[_i], NULL);
    float permuted[24];
    for (int i = 0; i < 24; i++) /* [4][2][3] of [2][3][4] */
        permuted[i] = (float)((i / 3 % 2) * 12 + i % 3 * 4 + i / 6) / 4;
    check(file, "transposed", DHO_F32, SHAPE(3, 2), VALUES(1, 1.75f, 1.25f, 2, 1.5f, 2.25f));
    check(file, "permuted", DHO_F32, SHAPE(4, 2, 3), 24, permuted);
    check(file, "column", DHO_F32, SHAPE(2, 2), VALUES(1, 1.5f, 4, 4.5f));
    check(file, "row", DHO_F32, SHAPE(3, 4),
          VALUES(3, 3.25f, 3.5f, 3.75f, 4, 4.25f, 4.5f, 4.75f, 5, 5.25f, 5.5f, 5.75f));
    const dho_tensor_view *whole = dho_tensor_index_find(dho_torch_file_table(file), "whole");
    ck_assert_ptr_eq(whole->data, dho_tensor_index_find(dho_torch_file_table(file), "flat")->data);
    ck_assert_ptr_eq((const char *)whole->data + 48,
                     dho_tensor_index_find(dho_torch_file_table(file), "row")->data);
    dho_torch_file_close(&file);
}
END_TEST

START_TEST(test_refused_files)
{
    static const struct {
        const char *name, *message;
    } cases[] = {
        {"evil.pt", "data.pkl: offset 190: asks for posix.system"},
        {"expanded.pt", "tensor \"w\": repeats the elements"},
        {"bare.pkl", "a bare pickle, not made by torch.save"},
        {"protocol4.pt", "pickle protocol 4"},
        {"tensor.pt", "there is no state dict"},
        {"script.pt", "TorchScript"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        dho_torch_file *file;
        dho_weights *weights;
        ck_assert_fails(dho_torch_file_open(&file, golden(cases[i].name), NULL), DHO_ERR_FORMAT,
                        cases[i].message);
        ck_assert_ptr_null(file);
        ck_assert(strstr(dho_error_message(), cases[i].name) != NULL);
        ck_assert_fails(dho_weights_open(&weights, golden(cases[i].name), NULL), DHO_ERR_FORMAT,
                        cases[i].message);
        ck_assert_ptr_null(weights);
    }
}
END_TEST

/* --- pickles by hand --- */

static const crafted pickles[] = {
    CRAFTED(OF4("K\x00", "K\x04\x85", "K\x01\x85"), NULL),
    CRAFTED(OF4("K\x03", "K\x01\x85", HUGE8 "\x85"), NULL), /* a stride that is not used */
    CRAFTED(OF4("K\x00", "K\x01K\x02\x86", HUGE8 "K\x02\x86"), NULL),
    CRAFTED(OF4("K\x00", "K\x00" HUGE8 "\x86", "K\x01K\x01\x86"), NULL),
    CRAFTED(PROTO "ccollections\nOrderedDict\n]U\x01w" TENSOR(STORAGE("0", "K\x04"), "K\x00", ")",
                                                              ")") "\x86"
                                                                   "a\x85R.",
            NULL),
    CRAFTED(
        DICT("ctorch._utils\n_rebuild_tensor\n(" STORAGE("0", "K\x04") "K\x00K\x04\x85K\x01\x85tR"),
        NULL), /* before 0.4 */
    CRAFTED(DICT("ctorch.nn.parameter\nParameter\n" TENSOR(
                STORAGE("0", "K\x04"), "K\x00", "K\x04\x85", "K\x01\x85") "\x85R(\x88\x89}tb"),
            NULL), /* the same */
    CRAFTED(DICT("ctorch._utils\n_rebuild_tensor\n(" STORAGE("0", "K\x04") "K\x00K\x04\x85tR"),
            "a tensor has not 4 to 7 arguments"),
    CRAFTED("", "not a pickle"),
    CRAFTED(PROTO, "has no end"),
    CRAFTED(PROTO ".", "the stack is empty"),
    CRAFTED(PROTO "}", "has no end"),
    CRAFTED(PROTO "}.", "there is no state dict"),
    CRAFTED(PROTO "N.", "there is no state dict"),
    CRAFTED(PROTO "}(.", "a mark is left open"),
    CRAFTED(PROTO "}(0.", "the stack is empty"),
    CRAFTED(PROTO "t.", "there is no mark"),
    CRAFTED(PROTO "K\x01K\x02s.", "items for no container"),
    CRAFTED(PROTO "K\x01K\x02K\x03s.", "something without items"),
    CRAFTED(PROTO "}(K\x01u.", "a key without a value"),
    CRAFTED(PROTO "(u.", "items for no container"),
    CRAFTED(PROTO "}(}(K\x01K\x01u.", "a mark is left open"),
    CRAFTED(PROTO "}h\x05.", "memo 5 was never set"),
    CRAFTED(PROTO "}r\xff\xff\xff\xff.", "comes out of turn"),
    CRAFTED(PROTO "X\xff\xff\xff\xffx.", "ends inside an opcode"),
    CRAFTED(PROTO "\x8b\xff\xff\xff\xffx.", "ends inside an opcode"),
    CRAFTED(PROTO "cos\nsystem\n.", "offset 2: asks for os.system, which"),
    CRAFTED(PROTO "c__builtin__\neval\n.", "asks for __builtin__.eval"),
    CRAFTED(PROTO "ctorch\nFloatStorage2\n.", "asks for torch.FloatStorage2"),
    CRAFTED(PROTO "cos\x1b[2J\nx\n.", "asks for os?[2J.x"),
    CRAFTED(PROTO "cos", "ends inside a name"),
    CRAFTED(PROTO "i.", "opcode 0x69"),
    CRAFTED(PROTO "P0\n.", "opcode 0x50"),
    CRAFTED(PROTO "ctorch\nFloatStorage\n)R.", "a call of torch.FloatStorage"),
    CRAFTED(PROTO "K\x01)R.", "a call of something that is not a name"),
    CRAFTED(PROTO "ccollections\nOrderedDict\n]R.", "arguments that are not a tuple"),
    CRAFTED(PROTO "ccollections\nOrderedDict\n]K\x01"
                  "a\x85R.",
            "not pairs"),
    CRAFTED(PROTO "ctorch._utils\n_rebuild_parameter\n(}\x89)tR.", "a parameter without a tensor"),
    CRAFTED(PROTO "K\x01Q.", "not of torch.save"),
    CRAFTED(PROTO "(U\x07storageNU\x01"
                  "0U\x03"
                  "cpuK\x04tQ.",
            "a persistent id that is not"),
    CRAFTED(PROTO "(U\x07storagectorch\nFloatStorage\nU\x01"
                  "0NJ\xff\xff\xff\xfftQ.",
            "a persistent id that is not"),
    CRAFTED(OF4("K\x01", "K\x04\x85", "K\x01\x85"), "beyond its storage of 4"),
    CRAFTED(OF4("K\x00", "K\x02\x85", "K\x04\x85"), "beyond its storage"),
    CRAFTED(OF4("K\x04", ")", ")"), "beyond its storage"),
    CRAFTED(OF4("K\x00", HUGE8 "K\x04\x86", "K\x00K\x00\x86"), "beyond its storage"),
    CRAFTED(OF4("K\x00", HUGE8 "\x85", "K\x00\x85"), "repeats the elements"),
    CRAFTED(OF4("K\x00", "K\x03\x85", HUGE8 "\x85"), "beyond its storage"),
    CRAFTED(OF4(HUGE8, "K\x02\x85", HUGE8 "\x85"), "beyond its storage"),
    CRAFTED(OF4("J\xff\xff\xff\xff", "K\x02\x85", "K\x01\x85"), "offset is not an integer"),
    CRAFTED(OF4("K\x00", "J\xff\xff\xff\xff\x85", "K\x01\x85"), "shape has an entry"),
    CRAFTED(OF4("K\x00", "K\x02\x85", "J\xff\xff\xff\xff\x85"), "stride has an entry"),
    CRAFTED(OF4("K\x00", "K\x02\x85", ")"), "differ in length"),
    CRAFTED(OF4("K\x00", "(K\x01K\x01K\x01K\x01K\x01K\x01K\x01K\x01K\x01t", ")"), "at most 8"),
    CRAFTED(OF4("K\x00", "N", ")"), "at most 8"),
    CRAFTED(DICT(TENSOR(STORAGE("1", "K\x04"), "K\x00", ")", ")")),
            "its storage, data/1, is missing"),
    CRAFTED(DICT(TENSOR(STORAGE("/", "K\x04"), "K\x00", ")", ")")),
            "its storage, data//, is missing"),
    CRAFTED(DICT(TENSOR(STORAGE("\0", "K\x04"), "K\x00", ")", ")")), "no proper name"),
    CRAFTED(DICT(TENSOR(STORAGE("0", "K\x05"), "K\x00", ")", ")")), "has 16 bytes where 5 x F32"),
    CRAFTED(DICT(TENSOR(STORAGE("0", HUGE8), "K\x00", ")", ")")), "has 16 bytes where"),
    CRAFTED(PROTO "}(U\x01w" TENSOR(STORAGE("0", "K\x04"), "K\x00", ")", ")") "q\x00U\x01wh\x00u.",
            "\"w\": is there twice"),
    CRAFTED(PROTO "}q\x00U\x05modelh\x00s.",
            "there is no state dict"), /* a tree that is its own leaf */
};

START_TEST(test_crafted)
{
    const crafted *craft = &pickles[_i];
    const float data[4] = {1, 2, 3, 4};
    pt_zip zip = {0};
    dho_torch_file *file;
    pt_zip_add(&zip, "data.pkl", craft->bytes, craft->size);
    pt_zip_add(&zip, "byteorder", "little", 6);
    pt_zip_add(&zip, "data/0", data, sizeof data);
    pt_zip_finish(&zip);
    const dho_status status = dho_torch_file_open_memory(&file, zip.bytes, zip.size, "mem", NULL);
    check_crafted(craft, _i, status);
    if (status == DHO_OK) ck_assert_str_eq(dho_torch_file_at(file, 0)->name, "w");
    dho_torch_file_close(&file);
    free(zip.bytes);
}
END_TEST

START_TEST(test_damage)
{
    size_t size;
    dho_torch_file *file;
    uint8_t *bytes = load(golden("plain.pt"), &size);
    /* Every truncation, but inside the last two records (22 and 20 bytes): the zip64 record in
     * front of them says it all. */
    for (size_t cut = 0; cut <= size - 42; cut++) {
        uint8_t *shorter = malloc(cut > 0 ? cut : 1);
        memcpy(shorter, bytes, cut);
        ck_assert_int_eq(dho_torch_file_open_memory(&file, shorter, cut, "m", NULL),
                         DHO_ERR_FORMAT);
        free(shorter);
    }
    int accepted = 0;
    for (size_t i = 0; i < size; i++) { /* every byte: refused, or of no importance */
        bytes[i] ^= 0x55;
        if (dho_torch_file_open_memory(&file, bytes, size, "m", NULL) == DHO_OK) {
            accepted++;
            check(file, "f32", DHO_F32, SHAPE(2, 3), VALUES(1, 1.25f, 1.5f, 1.75f, 2, 2.25f));
            dho_torch_file_close(&file);
        }
        bytes[i] ^= 0x55;
    }
    ck_assert_int_gt(accepted, 0); /* paddings, dates */
    free(bytes);
}
END_TEST

START_TEST(test_other_archives)
{
    dho_torch_file *file;
    for (int i = 0; i < 3; i++) {
        static const char *const messages[] = {"without data.pkl", "only \"little\"", "twice"};
        pt_zip zip = {0};
        pt_zip_add(&zip, i == 0 ? "x.pkl" : "data.pkl", PROTO "}.", 4);
        if (i == 1) pt_zip_add(&zip, "byteorder", "big", 3);
        if (i == 2) pt_zip_add(&zip, "x", "1", 1);
        if (i == 2) pt_zip_add(&zip, "x", "2", 1);
        pt_zip_finish(&zip);
        ck_assert_fails(dho_torch_file_open_memory(&file, zip.bytes, zip.size, "mem", NULL),
                        DHO_ERR_FORMAT, messages[i]);
        free(zip.bytes);
    }
    ck_assert_fails(dho_torch_file_open_memory(&file, "abcd", 4, "mem", NULL), DHO_ERR_FORMAT,
                    "not a PyTorch checkpoint");
    ck_assert_fails(dho_torch_file_open(&file, "/nonexistent.pt", NULL), DHO_ERR_IO,
                    "/nonexistent.pt");
}
END_TEST

START_TEST(test_every_failing_allocation)
{
    const int64_t live = dho_alloc_get_stats().live_blocks;
    int64_t n = 1;
    dho_weights *weights;
    for (; out_of_memory_at(n, dho_weights_open(&weights, golden(strided_files[_i]), NULL)); n++) {
        ck_assert_ptr_null(weights);
        ck_assert_int_eq(dho_alloc_get_stats().live_blocks, live);
    }
    ck_assert_int_gt(n, 10);
    dho_weights_close(&weights);
    ck_assert_int_eq(dho_alloc_get_stats().live_blocks, live);
}
END_TEST

/* --- dho_weights and the start of a student --- */

START_TEST(test_bare_names)
{
    ck_assert_str_eq(dho_weights_bare_name("conv1.weight"), "conv1.weight");
    ck_assert_str_eq(dho_weights_bare_name("module.backbone.conv1.weight"), "conv1.weight");
    ck_assert_str_eq(dho_weights_bare_name("model.module.fc.bias"), "fc.bias");
    ck_assert_str_eq(dho_weights_bare_name("modules.fc"), "modules.fc");
    ck_assert_str_eq(dho_weights_bare_name("module._orig_mod.encoder.fc"), "fc");
}
END_TEST

/* conv1 [2][3][1][1], head [2][2]: the smallest student. */
static dho_graph *small_graph(void)
{
    dho_graph *graph;
    ck_assert_ok(dho_graph_create(&graph));
    dho_value x = dho_graph_input(graph, 2, 2, 3);
    x = dho_graph_conv(graph, x, &(dho_conv_spec){.name = "conv1", .out_channels = 2, .kernel = 1});
    x = dho_graph_batch_norm(graph, x, "bn1", -1, true);
    x = dho_graph_average_pool(graph, x);
    dho_graph_output(graph, dho_graph_linear(graph, x, "head", 2, true));
    ck_assert_ok(dho_graph_finish(graph));
    return graph;
}

typedef struct named {
    const char *name;
    int dims;
    int64_t shape[4];
} named;

static dho_status init_from(const named *list, size_t count, bool head, float *parameters,
                            dho_init_report *report)
{
    static const float values[16] = {1, 2, 3, 4, 5, 6, 7, 8, 9};
    dho_tensor_view tensors[16];
    char path[128];
    float buffers[64];
    dho_graph *graph = small_graph();
    ck_assert_uint_le(dho_graph_parameter_floats(graph), 256);
    for (size_t i = 0; i < count; i++) {
        tensors[i] = (dho_tensor_view){.name = list[i].name,
                                       .dtype = DHO_F32,
                                       .dims = list[i].dims,
                                       .data = values,
                                       .bytes = sizeof(float)};
        for (int d = 0; d < list[i].dims; d++) {
            tensors[i].shape[d] = list[i].shape[d];
            tensors[i].bytes *= (size_t)list[i].shape[d];
        }
    }
    snprintf(path, sizeof path, "%s/x.safetensors", fixture_root);
    dho_weights *weights;
    ck_assert_ok(dho_safetensors_save(path, tensors, count, NULL, NULL));
    ck_assert_ok(dho_weights_open(&weights, path, NULL));
    const dho_status status =
        dho_state_dict_init(weights, graph, head, parameters, buffers, report);
    dho_weights_close(&weights);
    dho_graph_destroy(&graph);
    return status;
}

START_TEST(test_init)
{
    named list[] = {{"module.backbone.conv1.weight", 4, {2, 3, 1, 1}},
                    {"module.backbone.bn1.weight", 1, {2}},
                    {"module.backbone.bn1.bias", 1, {2}},
                    {"module.backbone.bn1.running_mean", 1, {2}},
                    {"module.backbone.bn1.running_var", 1, {2}},
                    {"module.backbone.bn1.num_batches_tracked", 0, {0}},
                    {"module.fc.weight", 2, {2, 2}},
                    {"fc.weight", 2, {2, 2}},
                    {"fc.bias", 1, {2}}};
    float parameters[256] = {0};
    dho_init_report report;
    ck_assert_ok(init_from(list, 9, false, parameters, &report));
    ck_assert_str_eq(report.prefix, "module.backbone.");
    ck_assert_uint_eq(report.taken, 5);
    ck_assert_uint_eq(report.passed_over, 3);
    ck_assert_str_eq(report.examples, "module.fc.weight, fc.* (2)");
    ck_assert(parameters[0] == 1 && parameters[5] == 6);
    ck_assert_ok(init_from(list, 9, true, parameters, &report));
    ck_assert_uint_eq(report.taken, 7);
    list[8].shape[0] = 3;
    ck_assert_fails(init_from(list, 9, true, parameters, &report), DHO_ERR_FORMAT,
                    "\"fc.bias\": expected shape [2], found [3]");
    ck_assert_fails(
        init_from(list, 8, true, parameters, &report), DHO_ERR_FORMAT,
        "nor fc.bias, head.bias, classifier.bias, classifier.1.bias or classifier.2.bias");
    list[0].shape[0] = 1;
    ck_assert_fails(init_from(list, 9, false, parameters, &report), DHO_ERR_FORMAT,
                    "\"module.backbone.conv1.weight\": expected shape [2, 3, 1, 1], found "
                    "[1, 3, 1, 1]");
    list[0].shape[0] = 2;
    list[1].name = "backbone.bn1.weight"; /* not behind the same prefix */
    list[3].name = "x";
    ck_assert_fails(init_from(list, 9, false, parameters, &report), DHO_ERR_FORMAT,
                    "no tensor \"module.backbone.bn1.weight\" of shape [2], nor 1 others; the file "
                    "has backbone.bn1.weight, "
                    "x ... left");
}
END_TEST

START_TEST(test_weights_of_either_format)
{
    dho_weights *weights;
    const dho_tensor_view *tensor;
    ck_assert_ok(dho_weights_open(&weights, golden("plain.pt"), NULL));
    ck_assert_str_eq(dho_weights_format(weights), "PyTorch zip");
    ck_assert_ok(dho_weights_require(weights, "f32", 2, (int64_t[]){2, -1}, &tensor));
    ck_assert_fails(dho_weights_require(weights, "f32", 1, (int64_t[]){6}, &tensor), DHO_ERR_FORMAT,
                    "expected shape [6], found [2, 3]");
    ck_assert_fails(dho_weights_require(weights, "g", -1, NULL, &tensor), DHO_ERR_FORMAT, "\"g\"");
    dho_weights_close(&weights);
    ck_assert_ok(dho_weights_open(&weights, golden("legacy_strided.pt"), NULL));
    ck_assert_str_eq(dho_weights_format(weights), "PyTorch legacy");
    ck_assert_str_eq(dho_weights_key(weights), "state_dict");
    dho_weights_close(&weights);
    ck_assert_ok(dho_weights_open(&weights, golden("../resnet18_dho.safetensors"), NULL));
    ck_assert_str_eq(dho_weights_format(weights), "safetensors");
    ck_assert_uint_gt(dho_weights_count(weights), 0);
    dho_weights_close(&weights);
    ck_assert_fails(dho_weights_open(&weights, golden("../resnet18_dho.safetensors"), "model"),
                    DHO_ERR_CONFIG, "no keys");
    ck_assert_fails(dho_weights_open(&weights, golden("../make_torch_golden.py"), NULL),
                    DHO_ERR_FORMAT, "neither");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("torch_file");
    TCase *files = tcase_create("files"), *crafted_case = tcase_create("crafted");
    TCase *names = tcase_create("names");
    tcase_set_timeout(files, 120);
    tcase_add_loop_test(files, test_plain, 0, 2);
    tcase_add_test(files, test_where_the_state_dict_lies);
    tcase_add_loop_test(files, test_strides_and_shared_storage, 0, 2);
    tcase_add_test(files, test_refused_files);
    tcase_add_test(files, test_damage);
    tcase_add_test(files, test_other_archives);
    tcase_add_loop_test(files, test_every_failing_allocation, 0, 2);
    tcase_add_loop_test(crafted_case, test_crafted, 0, sizeof pickles / sizeof pickles[0]);
    tcase_add_test(names, test_bare_names);
    tcase_add_test(names, test_init);
    tcase_add_test(names, test_weights_of_either_format);
    suite_add_tcase(suite, files);
    suite_add_tcase(suite, crafted_case);
    suite_add_tcase(suite, names);
    return dho_check_run(suite);
}
