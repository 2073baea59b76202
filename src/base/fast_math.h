/* exp and the normal distribution for vectorised loops: no branches, no tables, no library calls.
 * Private to src/. */
#ifndef DHO_BASE_FAST_MATH_H
#define DHO_BASE_FAST_MATH_H

#include <math.h>
#include <stdint.h>
#include <string.h>

#define DHO_ALWAYS_INLINE static inline __attribute__((always_inline))

/* a b + c, fused where that is one instruction; elsewhere fmaf would be a call. */
DHO_ALWAYS_INLINE float dho_multiply_add(float a, float b, float c)
{
#ifdef __FP_FAST_FMAF
    return fmaf(a, b, c);
#else
    return a * b + c;
#endif
}

/* e^x to about 1e-7 of itself; below -87.3 it is e^-87.3 = 1e-38, above 88.3 e^88.3; NaN stays.
 *
 * x = n ln 2 + r (Cody & Waite 1980: ln 2 in two pieces, so that n ln 2 is exact), e^x = 2^n e^r
 * with a polynomial for e^r that was fitted to least relative error (3e-9) on |r| <= ln 2 / 2.
 * Adding 1.5 2^23 rounds to an integer, whose low bits then are those of the sum. */
DHO_ALWAYS_INLINE float dho_fast_exp(float x)
{
    const float magic = 12582912.0f;
    x = x < -87.3f ? -87.3f : x;
    x = x > 88.3f ? 88.3f : x;
    const float shifted = dho_multiply_add(x, 1.44269504f, magic), n = shifted - magic;
    const float r = dho_multiply_add(n, -1.42860677e-6f, dho_multiply_add(n, -0.693145752f, x));
    float p = 0.00138131f;
    p = dho_multiply_add(p, r, 0.00836942f);
    p = dho_multiply_add(p, r, 0.04166846f);
    p = dho_multiply_add(p, r, 0.16666515f);
    p = dho_multiply_add(p, r, 0.49999993f);
    p = dho_multiply_add(p * r, r, r);
    uint32_t bits;
    memcpy(&bits, &shifted, sizeof bits);
    bits = (bits + 127u) << 23; /* what magic has above the integer is shifted out */
    float power;
    memcpy(&power, &bits, sizeof power);
    return dho_multiply_add(p, power, power);
}

/* Phi(x), the distribution function of the standard normal, and phi(x), its density.
 *
 * Phi(-a) = e^(-a^2/2) t P(t), t = 1 / (1 + 0.33 a), a >= 0: the form of Hastings' approximations
 * (Abramowitz & Stegun 7.1.26), with a polynomial of degree 8 fitted here to a least relative error
 * (6e-8) on 0 <= a <= 14, beyond which e^(-a^2/2) has no float. So the tail is as exact, relative
 * to itself, as the exponential is; 1 + erf(x / sqrt 2) loses it. */
DHO_ALWAYS_INLINE float dho_fast_normal(float x, float *density)
{
    const float a = fabsf(x), t = 1 / dho_multiply_add(a, 0.33f, 1);
    const float bell = dho_fast_exp(-0.5f * x * x);
    float p = -0.020807870037306785f;
    p = dho_multiply_add(p, t, 0.123081383078783f);
    p = dho_multiply_add(p, t, -0.2671894223683955f);
    p = dho_multiply_add(p, t, 0.224634599709662f);
    p = dho_multiply_add(p, t, -0.05652970359442675f);
    p = dho_multiply_add(p, t, 0.12182053611652839f);
    p = dho_multiply_add(p, t, 0.11106551718522398f);
    p = dho_multiply_add(p, t, 0.13230283130481808f);
    p = dho_multiply_add(p, t, 0.13162215601174534f);
    const float tail = bell * t * p;
    *density = 0.398942280f * bell;
    return x < 0 ? tail : 1 - tail;
}

/* 1 / (1 + e^-x). */
DHO_ALWAYS_INLINE float dho_fast_sigmoid(float x)
{
    return 1 / (1 + dho_fast_exp(-x));
}

#endif
