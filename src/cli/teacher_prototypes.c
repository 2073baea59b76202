/* dho teacher prototypes */
#include "cli/cli.h"
#include "dho/file.h"
#include "dho/prototypes.h"

#include <inttypes.h>

typedef struct prototypes_arguments {
    const char *shots, *out;
    int64_t per_class;
} prototypes_arguments;

#define AT(member) offsetof(prototypes_arguments, member)

static const dho_option options[] = {
    DHO_OPTION("--shots", "FILE", AT(shots), "labelled embeddings (docs/tip-adapter.md)",
               .required = true),
    DHO_OPTION("--out", "FILE", AT(out), "the head, safetensors", .required = true),
    DHO_OPTION("--per-class", "K", AT(per_class),
               "of the first K rows of each class (default: of all)", DHO_OPTION_INT64, 1,
               INT64_MAX),
};

static dho_status save(const prototypes_arguments *arguments, const dho_teacher_head *head)
{
    char word[96], rows[32];
    snprintf(rows, sizeof rows, "%" PRId64, arguments->per_class);
    const char *const metadata[] = {"kind",       "class means",
                                    "embeddings", arguments->shots,
                                    "per class",  arguments->per_class > 0 ? rows : "all",
                                    NULL};
    DHO_TRY(dho_teacher_head_check(head, DHO_ERR_NUMERIC, arguments->out));
    DHO_TRY(dho_teacher_head_save(arguments->out, head, metadata, NULL));
    dho_teacher_head_describe(head, word, sizeof word);
    printf("%s: %s, %d classes, %d values\n", arguments->out, word, head->classes, head->dim);
    return DHO_OK;
}

static dho_status prototypes(void *given, dho_comm *comm)
{
    const prototypes_arguments *arguments = given;
    dho_shots shots = {0};
    dho_teacher_head head = {0};
    dho_status status;
    (void)comm;
    DHO_TRY_GOTO(dho_input_status(dho_shots_load(&shots, arguments->shots, 0, 0, true)));
    DHO_TRY_GOTO(dho_file_check_place(arguments->out));
    DHO_TRY_GOTO(dho_input_status(
        dho_prototypes_make(&head, &shots, arguments->per_class, arguments->shots)));
    DHO_TRY_GOTO(save(arguments, &head));
fail:
    dho_teacher_head_free(&head);
    dho_shots_free(&shots);
    return status;
}

const dho_command dho_command_teacher_prototypes = {
    .name = "teacher prototypes",
    .line = "class means of labelled embeddings become a head (docs/teachers.md)",
    .help = "Rows get length 1, are averaged, and the mean gets length 1; logits are 100 times the "
            "cosine.",
    DHO_OPTIONS(options),
    .size = sizeof(prototypes_arguments),
    .ranks = DHO_RANK_0,
    .run = prototypes,
};
