/* The peer of allreduce.sh: the installed MPI_Allreduce on floats in place, beside what the wire gives:
 * the same bytes exchanged between two ranks without adding. Prints seconds: MPI_Allreduce's median. */
#include <mpi.h>
#include <stdio.h>
#include <stdlib.h>

static int compare(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Median seconds of `times` runs; the slowest rank counts. wire: half the floats each way, twice. */
static double time_it(float *data, float *other, int floats, int times, int wire)
{
    double *seconds = malloc((size_t)times * sizeof *seconds);
    int rank, size;
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &size);
    for (int i = -1; i < times; i++) { /* one to warm up */
        MPI_Barrier(MPI_COMM_WORLD);
        const double start = MPI_Wtime();
        if (!wire)
            MPI_Allreduce(MPI_IN_PLACE, data, floats, MPI_FLOAT, MPI_SUM, MPI_COMM_WORLD);
        else
            for (int half = 0; half < 2; half++)
                MPI_Sendrecv(data, floats / 2, MPI_FLOAT, rank ^ 1, 0, other, floats / 2, MPI_FLOAT, rank ^ 1, 0,
                             MPI_COMM_WORLD, MPI_STATUS_IGNORE);
        double took = MPI_Wtime() - start, slowest;
        MPI_Allreduce(&took, &slowest, 1, MPI_DOUBLE, MPI_MAX, MPI_COMM_WORLD);
        if (i >= 0) seconds[i] = slowest;
    }
    qsort(seconds, (size_t)times, sizeof *seconds, compare);
    const double median = seconds[times / 2];
    free(seconds);
    return median;
}

int main(int argc, char **argv)
{
    int rank, size;
    MPI_Init(&argc, &argv);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &size);
    const int floats = argc > 1 ? atoi(argv[1]) : 1 << 22, times = argc > 2 ? atoi(argv[2]) : 5;
    float *data = calloc((size_t)floats, sizeof *data), *other = calloc((size_t)floats, sizeof *other);
    const double reduce = time_it(data, other, floats, times, 0);
    const double wire = size == 2 ? time_it(data, other, floats, times, 1) : 0;
    if (rank == 0) printf("%g %g\n", reduce, wire);
    free(data);
    free(other);
    MPI_Finalize();
    return 0;
}
