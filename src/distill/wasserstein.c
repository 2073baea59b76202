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

size_t dho_transport_scratch(const dho_transport *transport)
{
    return (2 * (size_t)transport->iterations + 6) * (size_t)transport->classes;
}

/* out = A x of a symmetric A; classes with x = 0 take no part. */
static void multiply(int n, const float *a, const double *x, double *out)
{
    memset(out, 0, (size_t)n * sizeof *out);
    for (int j = 0; j < n; j++) {
        const float *column = a + (size_t)j * (size_t)n;
        const double factor = x[j];
        if (factor == 0) continue;
        for (int i = 0; i < n; i++) out[i] += factor * column[i];
    }
}

/* The softmax of z / T over all classes but the label, whose entry is 0. */
static void softmax_of_others(int n, const float *z, int32_t label, double temperature, double *out)
{
    double max = -INFINITY, sum = 0;
    for (int c = 0; c < n; c++)
        if (c != label && z[c] > max) max = z[c];
    for (int c = 0; c < n; c++) {
        out[c] = c == label ? 0 : exp((z[c] - max) / temperature);
        sum += out[c];
    }
    for (int c = 0; c < n; c++) out[c] /= sum;
}

/* Sinkhorn's iteration u_0 = 1/n, v_i = b / (K u_i-1), u_i = a / (K v_i), the plan diag(u) K
 * diag(v); and what the distance, sum of plan * cost, gains with a: da. Backward goes through each
 * iteration, as automatic differentiation does, so the gradient is that of these iterations and not
 * of their limit. us, vs: [iterations][n]; work: [3][n]; the label's entries are 0 throughout. */
static double distance(const dho_transport *transport, int32_t label, const double *a,
                       const double *b, double *us, double *vs, double *work, double *da)
{
    const int n = transport->classes, last = transport->iterations - 1;
    double *sum = work, *du = work + n, *dv = work + 2 * n;
    for (int c = 0; c < n; c++) du[c] = c == label ? 0 : 1 / (double)(n - 1); /* u_0 */
    for (int i = 0; i <= last; i++) {
        double *u = us + (size_t)i * (size_t)n, *v = vs + (size_t)i * (size_t)n;
        multiply(n, transport->kernel, i == 0 ? du : u - n, sum);
        for (int c = 0; c < n; c++) v[c] = b[c] / (sum[c] + least);
        multiply(n, transport->kernel, v, sum);
        for (int c = 0; c < n; c++) u[c] = a[c] / (sum[c] + least);
    }
    double total = 0;
    multiply(n, transport->priced, vs + (size_t)last * (size_t)n, du);
    multiply(n, transport->priced, us + (size_t)last * (size_t)n, dv);
    for (int c = 0; c < n; c++) total += us[(size_t)last * (size_t)n + (size_t)c] * du[c];

    memset(da, 0, (size_t)n * sizeof *da);
    for (int i = last; i >= 0; i--) {
        const double *u = us + (size_t)i * (size_t)n, *v = vs + (size_t)i * (size_t)n;
        multiply(n, transport->kernel, v, sum);
        for (int c = 0; c < n; c++) {
            const double r = sum[c] + least;
            if (c != label) da[c] += du[c] / r;
            du[c] = c == label ? 0 : -du[c] * u[c] / r; /* of K v */
        }
        multiply(n, transport->kernel, du, sum);
        for (int c = 0; c < n; c++) dv[c] += sum[c];
        if (i == 0) break; /* u_0 is a constant */
        multiply(n, transport->kernel, u - n, sum);
        for (int c = 0; c < n; c++)
            dv[c] = c == label ? 0 : -dv[c] * v[c] / (sum[c] + least); /* of K u */
        multiply(n, transport->kernel, dv, du);
        memset(dv, 0, (size_t)n * sizeof *dv);
    }
    return total;
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

double dho_wasserstein_divergence(const dho_objective *o, int rows, int classes,
                                  const int32_t *labels, const float *teacher, const float *student,
                                  float weight, float *dstudent)
{
    const size_t n = (size_t)classes;
    double *a = o->scratch, *b = a + n, *da = b + n, *work = da + n, *us = work + 3 * n;
    double *vs = us + n * (size_t)o->transport->iterations;
    double total = 0;
    if (classes < 2) return 0;
    for (int r = 0; r < rows; r++) {
        const float *t = teacher + (size_t)r * n, *s = student + (size_t)r * n;
        float *ds = dstudent + (size_t)r * n;
        const double own = (double)weight / rows;
        total += row_target(classes, labels[r], t, s, own, ds);
        softmax_of_others(classes, s, labels[r], o->temperature, a);
        softmax_of_others(classes, t, labels[r], o->temperature, b);
        total += o->wkd_weight * distance(o->transport, labels[r], a, b, us, vs, work, da);
        double mean = 0;
        for (int c = 0; c < classes; c++) mean += a[c] * da[c];
        const double step = own * o->wkd_weight / (double)o->temperature;
        for (int c = 0; c < classes; c++) ds[c] += (float)(step * a[c] * (da[c] - mean));
    }
    return rows > 0 ? total / rows : 0;
}
