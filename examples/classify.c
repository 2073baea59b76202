/* Classifies images with a student that `dho export` has written:
 *
 *     dho export RUN --head both --out student.safetensors
 *     cc classify.c $(pkg-config --cflags --libs dho) -o classify
 *     ./classify student.safetensors photo.jpg ... */
#include <dho/dho.h>
#include <stdio.h>
#include <stdlib.h>

static dho_status classify(dho_classifier *classifier, const char *image)
{
    const int classes = classifier->model.student.classes;
    double *p = (double *)calloc((size_t)classes, sizeof *p);
    const dho_status status = dho_classifier_predict_file(classifier, image, p);
    int best = 0;
    for (int c = 1; c < classes; c++) best = p[c] > p[best] ? c : best;
    if (status == DHO_OK)
        printf("%s: %s, %.1f %%\n", image, dho_classifier_title(classifier, best), 100 * p[best]);
    free(p);
    return status;
}

int main(int argc, char **argv)
{
    dho_checkpoint_choice choice = {0};
    dho_classifier classifier;
    dho_comm *comm;
    if (argc < 3) {
        fprintf(stderr, "usage: %s STUDENT IMAGE ...\n", argv[0]);
        return 2;
    }
    choice.path = argv[1];
    dho_status status = dho_comm_create_serial(&comm); /* one process, no MPI */
    if (status == DHO_OK) status = dho_classifier_open(comm, &choice, &classifier);
    if (status == DHO_OK) {
        for (int i = 2; i < argc && status == DHO_OK; i++) status = classify(&classifier, argv[i]);
        dho_classifier_close(&classifier);
    }
    if (status != DHO_OK) fprintf(stderr, "%s\n", dho_error_message());
    dho_comm_destroy(&comm);
    return dho_exit_code(status);
}
