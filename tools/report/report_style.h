/* Colours and type of the report. Private to src and tools.
 *
 * The series' colours are told apart under the common kinds of colour blindness (they go back to
 * Okabe and Ito's palette, darkened or lightened until each has a contrast of 3:1 or more to the
 * page), and no information is in a colour alone: each run has a dash, too. */
#ifndef DHO_REPORT_REPORT_STYLE_H
#define DHO_REPORT_REPORT_STYLE_H

/* Rules for the drawings, light and dark; also in each SVG file. */
const char *dho_style_svg(void);
/* Rules for the rest of the page. */
const char *dho_style_page(void);
/* The dash of the i-th run: other than its colour's at the next turn, so that 64 runs differ. */
int dho_style_dash(int run);
/* "#rrggbb" of a value in 0..1 from low to high (a light-to-dark blue), and whether dark ink is
 * readable on it. */
int dho_style_sequential(double value, char out[8]);

#endif
