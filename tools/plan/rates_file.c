#include "base/json.h"
#include "base/machine.h"
#include "plan/plan_rates.h"

#include <stdlib.h>

enum { MOST_BYTES = 1 << 16 };

dho_status plan_rates_measure(const plan_run *run, double seconds, plan_rates *out)
{
    dho_machine machine;
    dho_machine_look(&machine, "");
    const int cpus = dho_machine_count_cpus(machine.cpus);
    *out = (plan_rates){
        .cores = machine.quota > 0 && machine.quota < cpus ? (int)(machine.quota + 0.999) : cpus};
    DHO_TRY(plan_rates_measure_compute(run, seconds, out));
    return plan_rates_measure_data(run, seconds, out);
}

/* What the speeds depend on beside the machine. */
static json_t *pack_settings(const plan_run *run)
{
    return json_pack("{s:s, s:i, s:i, s:i, s:i, s:i, s:i, s:i, s:s, s:I, s:b}", "model",
                     run->student.model, "width", run->student.width, "layers", run->student.layers,
                     "image_size", run->student.image_size, "classes", run->classes, "labelled",
                     run->rows.labelled, "rows", run->rows.all, "passes", run->passes, "backend",
                     run->backend, "image_bytes", (json_int_t)run->input_bytes, "recompute",
                     run->config->compute.recompute != DHO_RECOMPUTE_NONE);
}

static json_t *pack_speed(const plan_speed *speed)
{
    return json_pack("{s:i, s:i, s:f, s:f, s:f}", "copies", speed->copies, "threads",
                     speed->threads, "microbatch_seconds", speed->microbatch, "backward_seconds",
                     speed->backward, "memory_bytes_per_second", speed->memory);
}

dho_status plan_rates_pack(const plan_run *run, const plan_rates *rates, json_t **out)
{
    *out = json_pack("{s:o, s:i, s:o, s:o, s:o, s:b, s:f, s:f, s:f}", "of", pack_settings(run),
                     "cores", rates->cores, "alone", pack_speed(&rates->alone), "full",
                     pack_speed(&rates->full), "whole", pack_speed(&rates->whole), "drawn",
                     rates->drawn, "decode_seconds", rates->decode, "image_bytes",
                     rates->image_bytes, "write_bytes_per_second", rates->write);
    return *out != NULL ? DHO_OK : dho_fail(DHO_ERR_MEMORY, "rates: cannot be made JSON");
}

/* The first setting that is another one. */
static dho_status compare(const json_t *wanted, const json_t *found, const char *path)
{
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)wanted, key, value)
    {
        const json_t *other = json_object_get(found, key);
        if (other != NULL && json_equal(value, other)) continue;
        char *a = json_dumps(value, JSON_ENCODE_ANY);
        char *b = other != NULL ? json_dumps(other, JSON_ENCODE_ANY) : NULL;
        const dho_status status =
            dho_fail(DHO_ERR_CONFIG,
                     "%s: was measured with %s %s, the configuration has %s: dho "
                     "bench rates --json measures anew",
                     path, key, b != NULL ? b : "unknown", a != NULL ? a : "another");
        free(a);
        free(b);
        return status;
    }
    return DHO_OK;
}

static bool read_speed(const json_t *root, const char *name, plan_speed *out)
{
    return json_unpack((json_t *)root, "{s:{s:i, s:i, s:F, s:F, s:F}}", name, "copies",
                       &out->copies, "threads", &out->threads, "microbatch_seconds",
                       &out->microbatch, "backward_seconds", &out->backward,
                       "memory_bytes_per_second", &out->memory) == 0 &&
           out->copies > 0 && out->threads > 0 && out->microbatch > 0 && out->backward >= 0 &&
           out->memory > 0;
}

static bool read_rates(const json_t *root, plan_rates *out)
{
    int drawn;
    if (json_unpack((json_t *)root, "{s:i, s:b, s:F, s:F, s:F}", "cores", &out->cores, "drawn",
                    &drawn, "decode_seconds", &out->decode, "image_bytes", &out->image_bytes,
                    "write_bytes_per_second", &out->write) != 0)
        return false;
    out->drawn = drawn != 0;
    return out->cores > 0 && out->decode >= 0 && out->image_bytes >= 0 && out->write >= 0 &&
           read_speed(root, "alone", &out->alone) && read_speed(root, "full", &out->full) &&
           read_speed(root, "whole", &out->whole);
}

dho_status plan_rates_load(const plan_run *run, const char *path, plan_rates *out)
{
    json_t *root = NULL, *wanted = pack_settings(run);
    *out = (plan_rates){0};
    if (wanted == NULL) return dho_fail(DHO_ERR_MEMORY, "rates: no memory");
    dho_status status = dho_input_status(dho_json_load(&root, path, MOST_BYTES));
    if (status == DHO_OK) status = compare(wanted, json_object_get(root, "of"), path);
    if (status == DHO_OK && !read_rates(root, out))
        status = dho_fail(DHO_ERR_CONFIG, "%s: is not what dho bench rates --json writes", path);
    json_decref(wanted);
    json_decref(root);
    return status;
}
