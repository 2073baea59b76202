/* What a new run starts from: student.init and student.head_init. */
#include "checkpoint/initial_weights.h"

#include "checkpoint/head_init.h"
#include "dho/file.h"
#include "dho/log.h"
#include "dho/state_dict.h"
#include "dho/weights.h"

static void tell_initial_weights(const dho_weights *weights, const dho_init_report *report)
{
    const char *key = dho_weights_key(weights), *others = dho_weights_other_keys(weights);
    const bool own = report->naming[0] == 'o';
    dho_info("student.init: %s (%s%s%s%s%s): %zu tensors taken, %zu passed over%s%s",
             dho_weights_path(weights), dho_weights_format(weights), key[0] != '\0' ? ", key " : "",
             key, own ? "" : ", names of ", own ? "" : report->naming, report->taken,
             report->passed_over, report->passed_over > 0 ? ": " : "", report->examples);
    if (others[0] != '\0')
        dho_info("student.init: %s was taken; the file also has %s (student.init_key chooses)", key,
                 others);
}

static dho_status load_weights(const dho_config *config, const dho_student *student,
                               float *parameters, float *buffers)
{
    const char *path = config->student.init;
    if (path[0] == '\0') return DHO_OK;
    dho_weights *weights;
    dho_init_report report;
    if (!dho_path_exists(path))
        return dho_fail(DHO_ERR_CONFIG, "student.init: %s: no such file", path);
    dho_status status = dho_weights_open(&weights, path, config->student.init_key);
    if (status == DHO_OK)
        status = dho_state_dict_init(weights, student->graph, config->student.init_head, parameters,
                                     buffers, &report);
    if (status == DHO_OK) tell_initial_weights(weights, &report);
    dho_weights_close(&weights);
    return status != DHO_OK ? dho_fail_prefix(dho_input_status(status), "student.init: ") : DHO_OK;
}

static dho_status load_heads(const dho_config *config, const dho_student *student,
                             const dho_dataset *dataset, float *parameters)
{
    const char *path = config->student.head_init;
    if (path[0] == '\0') return DHO_OK;
    if (!dho_path_exists(path))
        return dho_fail(DHO_ERR_CONFIG, "student.head_init: %s: no such file", path);
    const dho_status status = dho_head_init(path, student, dataset, parameters);
    return status != DHO_OK ? dho_fail_prefix(dho_input_status(status), "student.head_init: ")
                            : DHO_OK;
}

dho_status dho_initial_weights_load(const dho_config *config, const dho_student *student,
                                    const dho_dataset *dataset, float *parameters, float *buffers)
{
    DHO_TRY(load_weights(config, student, parameters, buffers));
    return load_heads(config, student, dataset, parameters);
}
