/* Is this a teacher? Outputs that are well-formed but cannot be right, or are odd. Private to src.
 */
#ifndef DHO_HEADS_PLAUSIBLE_H
#define DHO_HEADS_PLAUSIBLE_H

#include "dho/teacher_head.h"

#include <stdbool.h>

/* What the rows of logits seen so far are like. All counts are of rows. */
typedef struct plausible_logits {
    int classes;
    int64_t rows, flat, fractions, sum_one, sum_hundred, unit, log_fractions, negated;
    int64_t right, by_chance; /* rows with a label: right ones; and how many they are */
    int64_t *predicted;       /* owned, [classes]: how often a class is the largest */
    float widest;             /* largest minus smallest value of a row */
} plausible_logits;

dho_status plausible_open(plausible_logits *out, int classes);
void plausible_close(plausible_logits *p);
/* label < 0: none. The values must be finite. */
void plausible_add(plausible_logits *p, const float *row, int32_t label);
/* DHO_ERR_CONFIG, with the likely cause, for what cannot be logits: probabilities, percentages,
 * negative log-probabilities, rows of one value; warns of what is odd: cosines without a scale, a
 * scale that is there twice, one class for all images, agreement with the labels as by chance; says
 * the agreement. of_head: the logits are of features and a head. */
dho_status plausible_judge(const plausible_logits *p, const char *path, bool of_head);
/* Says how often the teacher's first class is the label, and warns when that is as by chance. */
void plausible_tell_agreement(int64_t right, int64_t rows, int classes, const char *path);

/* Rows of any numbers, by a checksum of each. DHO_ERR_CONFIG when all are the same; warns when a
 * tenth or more are copies of others. sums [rows] is sorted. */
dho_status plausible_judge_rows(uint64_t *sums, int64_t rows, const char *path, const char *what);

#endif
