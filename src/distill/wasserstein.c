/* WKD-L: the Wasserstein distance of two distributions over the classes (Lv et al. 2024). */
#include "dho/distill.h"

#include "dho/alloc.h"

#include <math.h>
#include <string.h>

static const double least = 1e-8; /* of a cost and of a denominator, as in the public code */

void dho_transport_free(dho_transport *transport)
{
    dho_free(transport->kernel);
    dho_free(transport->priced);
    *transport = (dho_transport){0};
}

static double dot(int dim, const float *a, const float *b)
{
    double sum = 0;
    for (int d = 0; d < dim; d++) sum += (double)a[d] * b[d];
    return sum;
}

/* c_ij = 1 - exp(-kappa (1 - cos(w_i, w_j))); a class without a prototype is as far from all others
 * as a right angle. */
static double cost_of(int dim, const float *a, const float *b, double sharpen)
{
    const double norms = sqrt(dot(dim, a, a)) * sqrt(dot(dim, b, b));
    const double cosine = norms > 0 ? dot(dim, a, b) / norms : 0;
    return fmax(1 - exp(-sharpen * (1 - cosine)), 0) + least;
}

dho_status dho_transport_create(dho_transport *out, const dho_config *config, int classes, int dim,
                                const float *prototypes)
{
    const size_t n = (size_t)classes;
    dho_status status;
    *out = (dho_transport){.classes = classes, .iterations = (int)config->distill.wkd_iterations};
    DHO_TRY_GOTO(dho_alloc(&out->kernel, n * n, sizeof(float), "costs between classes"));
    DHO_TRY_GOTO(dho_alloc(&out->priced, n * n, sizeof(float), "costs between classes"));
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j <= i; j++) {
            const double cost =
                i == j ? least
                       : cost_of(dim, prototypes + i * (size_t)dim, prototypes + j * (size_t)dim,
                                 config->distill.wkd_sharpen);
            const double kernel = exp(-cost / config->distill.wkd_entropy);
            out->kernel[i * n + j] = out->kernel[j * n + i] = (float)kernel;
            out->priced[i * n + j] = out->priced[j * n + i] = (float)(kernel * cost);
        }
    return DHO_OK;
fail:
    dho_transport_free(out);
    return status;
}

/* So many rows go through the iteration side by side, [classes][AT_ONCE], each by itself: K is read
 * once for all of them. */
enum { AT_ONCE = 8, TILE = 4 };

size_t dho_transport_scratch(const dho_transport *transport)
{
    return (2 * (size_t)transport->iterations + 6) * (size_t)transport->classes * AT_ONCE;
}

/* Rows of logits in work; all borrowed from the scratch. a, b: student, teacher. */
typedef struct block {
    const dho_transport *transport;
    size_t count;       /* of each vector: classes * AT_ONCE */
    double *a, *b, *da; /* da: what the distance gains with a */
    double *sum, *du, *dv;
    double *us, *vs; /* [iterations] vectors */
} block;

/* out = A x of a symmetric A, for each row. */
static void multiply(int n, const float *a, const double *restrict x, double *restrict out)
{
    for (int i = 0; i < n; i += TILE) {
        const int tile = n - i < TILE ? n - i : TILE;
        double sums[TILE][AT_ONCE] = {{0}};
        if (tile == TILE) {
            const float *row = a + (size_t)i * (size_t)n;
            for (int j = 0; j < n; j++)
                for (int t = 0; t < TILE; t++)
                    for (int r = 0; r < AT_ONCE; r++)
                        sums[t][r] += (double)row[t * n + j] * x[j * AT_ONCE + r];
        } else {
            for (int t = 0; t < tile; t++)
                for (int j = 0; j < n; j++)
                    for (int r = 0; r < AT_ONCE; r++)
                        sums[t][r] +=
                            (double)a[(size_t)(i + t) * (size_t)n + (size_t)j] * x[j * AT_ONCE + r];
        }
        memcpy(out + (size_t)i * AT_ONCE, sums, (size_t)tile * sizeof *sums);
    }
}

/* The softmax of z / T over all classes but the label, whose entry is 0, as row r of a block. */
static void softmax_of_others(int n, const float *z, int32_t label, double temperature, int r,
                              double *out)
{
    double max = -INFINITY, sum = 0;
    for (int c = 0; c < n; c++)
        if (c != label && z[c] > max) max = z[c];
    for (int c = 0; c < n; c++) {
        out[c * AT_ONCE + r] = c == label ? 0 : exp((z[c] - max) / temperature);
        sum += out[c * AT_ONCE + r];
    }
    for (int c = 0; c < n; c++) out[c * AT_ONCE + r] /= sum;
}

/* Sinkhorn's iteration v <- b / (K u), u <- a / (K v) from the u_0 in du. What is 0 in a and b, the
 * label and rows that are not there, stays 0. */
static void iterate(const block *k)
{
    const int n = k->transport->classes;
    const double *u = k->du;
    for (int i = 0; i < k->transport->iterations; i++) {
        double *next_u = k->us + (size_t)i * k->count, *v = k->vs + (size_t)i * k->count;
        multiply(n, k->transport->kernel, u, k->sum);
        for (size_t c = 0; c < k->count; c++) v[c] = k->b[c] / (k->sum[c] + least);
        multiply(n, k->transport->kernel, v, k->sum);
        for (size_t c = 0; c < k->count; c++) next_u[c] = k->a[c] / (k->sum[c] + least);
        u = next_u;
    }
}

/* out[AT_ONCE] = sum of plan * cost, the plan diag(u) K diag(v); and da. Backward goes through each
 * iteration, as automatic differentiation does: the gradient is that of these iterations, not of
 * their limit. */
static void measure(const block *k, double out[AT_ONCE])
{
    const int n = k->transport->classes, last = k->transport->iterations - 1;
    const double *u = k->us + (size_t)last * k->count, *v = k->vs + (size_t)last * k->count;
    multiply(n, k->transport->priced, v, k->du);
    multiply(n, k->transport->priced, u, k->dv);
    memset(out, 0, AT_ONCE * sizeof *out);
    for (size_t c = 0; c < k->count; c++) out[c % AT_ONCE] += u[c] * k->du[c];
    memset(k->da, 0, k->count * sizeof *k->da);
    for (int i = last;; i--, u -= k->count, v -= k->count) {
        multiply(n, k->transport->kernel, v, k->sum);
        for (size_t c = 0; c < k->count; c++) {
            const double r = k->sum[c] + least;
            k->da[c] += k->du[c] / r;
            k->du[c] *= -u[c] / r; /* of K v */
        }
        if (i == 0) return; /* u_0 is a constant */
        multiply(n, k->transport->kernel, k->du, k->sum);
        for (size_t c = 0; c < k->count; c++) k->dv[c] += k->sum[c];
        multiply(n, k->transport->kernel, u - k->count, k->sum);
        for (size_t c = 0; c < k->count; c++) k->dv[c] *= -v[c] / (k->sum[c] + least); /* of K u */
        multiply(n, k->transport->kernel, k->dv, k->du);
        memset(k->dv, 0, k->count * sizeof *k->dv);
    }
}

/* -p_y log q_y, both at temperature 1; ds += weight * p_y (q - one-hot). */
static double row_target(int n, int32_t label, const float *t, const float *s, double weight,
                         float *ds)
{
    double t_max = t[0], s_max = s[0], t_sum = 0, s_sum = 0;
    for (int c = 1; c < n; c++) {
        if (t[c] > t_max) t_max = t[c];
        if (s[c] > s_max) s_max = s[c];
    }
    for (int c = 0; c < n; c++) {
        t_sum += exp(t[c] - t_max);
        s_sum += exp(s[c] - s_max);
    }
    const double p = exp(t[label] - t_max) / t_sum;
    for (int c = 0; c < n; c++)
        ds[c] += (float)(weight * p * (exp(s[c] - s_max) / s_sum - (c == label)));
    return p * (log(s_sum) - (s[label] - s_max));
}

/* The vectors of a block in the scratch. */
static block block_of(const dho_objective *o)
{
    const size_t count = (size_t)o->transport->classes * AT_ONCE;
    double *at[7];
    for (size_t i = 0; i < 7; i++) at[i] = o->scratch + i * count;
    return (block){
        o->transport, count, at[0], at[1], at[2],
        at[3],        at[4], at[5], at[6], at[6] + (size_t)o->transport->iterations * count};
}

/* wkd_weight * W, summed over `rows` rows, at most AT_ONCE; ds += weight * its gradient. */
static double add_distances(const dho_objective *o, int rows, const int32_t *labels,
                            const float *teacher, const float *student, double weight,
                            float *dstudent)
{
    const block k = block_of(o);
    const int n = o->transport->classes;
    const double step = weight * o->wkd_weight / (double)o->temperature;
    double distances[AT_ONCE], total = 0;
    memset(k.a, 0, k.count * sizeof *k.a);
    memset(k.b, 0, k.count * sizeof *k.b);
    memset(k.du, 0, k.count * sizeof *k.du);
    for (int r = 0; r < rows; r++) {
        softmax_of_others(n, student + (size_t)r * (size_t)n, labels[r], o->temperature, r, k.a);
        softmax_of_others(n, teacher + (size_t)r * (size_t)n, labels[r], o->temperature, r, k.b);
        for (int c = 0; c < n; c++)
            k.du[c * AT_ONCE + r] = c == labels[r] ? 0 : 1 / (double)(n - 1); /* u_0 */
    }
    iterate(&k);
    measure(&k, distances);
    for (int r = 0; r < rows; r++) {
        float *ds = dstudent + (size_t)r * (size_t)n;
        double mean = 0;
        total += o->wkd_weight * distances[r];
        for (int c = 0; c < n; c++) mean += k.a[c * AT_ONCE + r] * k.da[c * AT_ONCE + r];
        for (int c = 0; c < n; c++)
            ds[c] += (float)(step * k.a[c * AT_ONCE + r] * (k.da[c * AT_ONCE + r] - mean));
    }
    return total;
}

double dho_wasserstein_divergence(const dho_objective *o, int rows, int classes,
                                  const int32_t *labels, const float *teacher, const float *student,
                                  float weight, float *dstudent)
{
    const double own = (double)weight / rows;
    double total = 0;
    if (classes < 2) return 0;
    for (int r = 0; r < rows; r++) {
        const size_t row = (size_t)r * (size_t)classes;
        total += row_target(classes, labels[r], teacher + row, student + row, own, dstudent + row);
    }
    for (int r = 0; r < rows; r += AT_ONCE) {
        const size_t row = (size_t)r * (size_t)classes;
        total += add_distances(o, rows - r < AT_ONCE ? rows - r : AT_ONCE, labels + r,
                               teacher + row, student + row, own, dstudent + row);
    }
    return rows > 0 ? total / rows : 0;
}
