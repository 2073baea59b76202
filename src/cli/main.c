/* The program `dho`: picks the subcommand, and turns its status into one line and an exit code. */
#include "cli/cli.h"
#include "dho/compute.h"
#include "dho/log.h"

#include <jansson.h>
#include <mpi.h>
#include <stdio.h>
#include <string.h>

static const char usage[] =
    "usage: dho COMMAND [ARGUMENT ...]\n"
    "\n"
    "  synth   --out DIR [--seed N] [--train N] [--val N] [--test N] [--threads N]\n"
    "          writes the built-in data set: JPEG folders train, val and four shifted test sets\n"
    "  train   -c CONFIG [--set key=value ...] [--out DIR] [--resume auto|never|PATH]\n"
    "          [--print-config]\n"
    "  eval    -c CONFIG [--checkpoint PATH] [--set key=value ...] [--out DIR] [--stored]\n"
    "          --stored takes the head outputs of an earlier evaluation\n"
    "  compare RUN ...   one table of several evaluated runs\n"
    "  table   NAME|FILE [--runs DIR] [--only axis=value,...] [--set key=value ...]\n"
    "          [--markdown | --json | --missing]   the runs of a table, measured beside\n"
    "          published; --missing: a script that makes those that are not there. Without NAME:\n"
    "          which tables there are\n"
    "  report  RUN ... [--out report.html] [--svg DIR] [--samples N]   runs as one HTML page\n"
    "  cache   build -c CONFIG --teacher CHECKPOINT [--out DIR] [--views K | --center]\n"
    "                [--store embedding|logits] [--encoding fp16|int8 | --top K] [--shards S]\n"
    "          build -c CONFIG --clip MODEL --weights FILE --head FILE ...   a CLIP image tower\n"
    "          import -c CONFIG --features FILE --head FILE [--out DIR] [--scale X]\n"
    "                [--no-normalise] [--encoding fp16|int8] [--shards S]\n"
    "          import -c CONFIG --logits FILE [--out DIR] [--encoding fp16|int8 | --top K]\n"
    "                [--shards S]\n"
    "          import -c CONFIG --fkd DIR | --tinyvit DIR --crop-and-flip-only [--out DIR]\n"
    "                [--views K] [--top K] [--shards S]   soft labels that others have saved\n"
    "          info DIR | verify DIR\n"
    "          verify DIR -c CONFIG (--teacher CHECKPOINT | --clip MODEL --weights FILE) [--sample "
    "N]\n"
    "                [--seed S]   computes records again, too\n"
    "  teacher zero-shot --model MODEL --weights FILE --merges FILE --templates FILE --out FILE\n"
    "                [--classes FILE] [-c CONFIG] [--scale X] [--keep-mean-norms]\n"
    "                class names in prompts become a head, by CLIP's text tower\n"
    "          embed --model MODEL --weights FILE --out FILE (-c CONFIG | --texts FILE --merges "
    "FILE)\n"
    "                embeddings of the dataset's images, or of the lines of a file\n"
    "          tip-adapter --out FILE (-c CONFIG | --shots FILE [--values FILE] --head FILE)\n"
    "                [--fine-tune] [--search FILE [--search-every N] | --hold-out N] [--test FILE] "
    "...\n"
    "          a head with keys out of few labelled images (docs/tip-adapter.md)\n"
    "  data    check -c CONFIG [--decode] [--classes]   are all images there, readable, in the\n"
    "          right folders? --decode reads them whole, --classes counts each class\n"
    "  pack    -c CONFIG --out DIR [--eval SET] [--shards N]   images into indexed tar shards\n"
    "          --index DIR   writes the index of tars that have none\n"
    "  weights inspect FILE [--key KEY] [--json]   a safetensors or PyTorch file's tensors\n"
    "          convert IN OUT.safetensors [--key KEY] [--strip PREFIX]\n"
    "  export  --checkpoint PATH --out FILE.safetensors [--head ce|kd|both|none]\n"
    "          [--names openai|bare|huggingface|timm]\n"
    "          a trained student under the names that torchvision loads\n"
    "  bench   step [--model M] [--dtype fp32|bf16] ...   seconds and GFLOP/s of a training step\n"
    "          allreduce [--floats N] [--steps N]   the sum of gradients over the ranks\n"
    "          data -c CONFIG [--seconds S]                  images a second of the loader\n"
    "  version\n"
    "\n"
    "train, eval, teacher, cache build, cache verify, data check and pack run on the ranks of "
    "mpirun or "
    "srun:\n"
    "  mpirun -n 4 dho train -c configs/quickstart.yaml\n"
    "Exit codes: 0 done, 1 failed while running, 2 wrong configuration or arguments,\n"
    "75 stopped by SIGUSR1 or SIGTERM with the state saved (run again to go on).\n";

static void print_version(void)
{
    char library[MPI_MAX_LIBRARY_VERSION_STRING];
    int length;
    MPI_Get_library_version(library, &length);
    library[strcspn(library, ",\n")] = '\0';
    char compute[128];
    dho_compute_versions(compute, sizeof compute);
    printf("dho %s (%s, %s, Jansson %s)\n", DHO_VERSION, library, compute, JANSSON_VERSION);
}

void dho_cli_announce(const dho_comm *comm)
{
    char library[MPI_MAX_LIBRARY_VERSION_STRING];
    int length;
    if (dho_comm_rank(comm) != 0) return;
    MPI_Get_library_version(library, &length);
    library[strcspn(library, ",\n")] = '\0';
    char compute[128];
    dho_compute_versions(compute, sizeof compute);
    dho_info("dho %s, %s, %s; rank 0 of %d on %s", DHO_VERSION, library, compute,
             dho_comm_size(comm), dho_comm_host(comm));
}

static dho_status run_command(const char *name, const dho_arguments *arguments, dho_comm *comm)
{
    if (strcmp(name, "train") == 0) return dho_command_train(arguments, comm);
    if (strcmp(name, "eval") == 0) return dho_command_eval(arguments, comm);
    if (strcmp(name, "cache") == 0) return dho_command_cache(arguments, comm);
    if (strcmp(name, "synth") == 0) return dho_command_synth(arguments, comm);
    if (strcmp(name, "compare") == 0) return dho_command_compare(arguments, comm);
    if (strcmp(name, "table") == 0) return dho_command_table(arguments, comm);
    if (strcmp(name, "report") == 0) return dho_command_report(arguments, comm);
    if (strcmp(name, "weights") == 0) return dho_command_weights(arguments, comm);
    if (strcmp(name, "bench") == 0) return dho_command_bench(arguments, comm);
    if (strcmp(name, "pack") == 0) return dho_command_pack(arguments, comm);
    if (strcmp(name, "data") == 0) return dho_command_data(arguments, comm);
    if (strcmp(name, "teacher") == 0) return dho_command_teacher(arguments, comm);
    if (strcmp(name, "export") == 0) return dho_command_export(arguments, comm);
    return dho_fail(
        DHO_ERR_CONFIG,
        "unknown command \"%s\" (known: synth train eval compare table report cache teacher "
        "data pack weights export bench version)",
        name);
}

int main(int argc, char **argv)
{
    const char *name = argc > 1 ? argv[1] : "--help";
    if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0 || strcmp(name, "help") == 0) {
        fputs(usage, argc > 1 ? stdout : stderr);
        return argc > 1 ? 0 : 2;
    }
    if (strcmp(name, "version") == 0 || strcmp(name, "--version") == 0) {
        print_version();
        return 0;
    }
    dho_comm *comm;
    dho_status status = dho_comm_create_mpi(&comm, &argc, &argv);
    if (status != DHO_OK) {
        fprintf(stderr, "dho: error: %s\n", dho_error_message());
        return dho_exit_code(status);
    }
    const int rank = dho_comm_rank(comm);
    dho_log_set_rank(rank, dho_comm_size(comm));
    const dho_arguments arguments = {.count = argc - 2, .values = argv + 2};
    status = run_command(name, &arguments, comm);
    if (status == DHO_PREEMPTED && rank == 0) fprintf(stderr, "dho: %s\n", dho_error_message());
    if (status != DHO_OK && status != DHO_PREEMPTED && (rank == 0 || status == DHO_ERR_COMM))
        fprintf(stderr, "dho: error: %s\n", dho_error_message());
    /* After a failure of MPI itself the others may wait for this rank for ever. */
    if (status == DHO_ERR_COMM) dho_comm_abort(comm, dho_exit_code(status));
    dho_comm_destroy(&comm);
    return dho_exit_code(status);
}
