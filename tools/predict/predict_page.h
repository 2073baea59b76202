/* The HTML page of predictions. Private to tools/predict. */
#ifndef DHO_PREDICT_PREDICT_PAGE_H
#define DHO_PREDICT_PREDICT_PAGE_H

#include "predict/predict_result.h"
#include "report/report_picture.h"

/* What all images came to. */
typedef struct dho_totals {
    int64_t images, errors, rejected;
    int64_t *of_class; /* [classes]: accepted images whose likeliest class it is */
} dho_totals;

/* Appends the card of one image. Its picture is left out where it cannot be made. */
dho_status dho_page_add_card(const dho_result_maker *maker, const dho_result *result,
                             dho_picture_memory *memory, const dho_dataset *dataset, int64_t id,
                             dho_text *html);

/* Writes the page: the totals, then the cards, which are `shown` images. */
dho_status dho_page_write(const char *path, const dho_result_maker *maker, const dho_totals *totals,
                          const dho_text *cards, int64_t shown);

#endif
