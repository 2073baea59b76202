/* Lines of a fixed width for a terminal. All text goes through here, which cuts it, and writes
 * control characters and what is not of the terminal's character set as \xNN. Private to
 * tools/watch. */
#ifndef DHO_WATCH_WATCH_PAGE_H
#define DHO_WATCH_WATCH_PAGE_H

#include "base/text.h"

#include <stdbool.h>
#include <stddef.h>

typedef enum dho_style {
    DHO_STYLE_PLAIN,
    DHO_STYLE_BOLD,
    DHO_STYLE_FAINT,
    DHO_STYLE_GREEN,
    DHO_STYLE_YELLOW,
    DHO_STYLE_RED,
    DHO_STYLE_BLUE,
    DHO_STYLES
} dho_style;

typedef struct dho_page {
    int width;      /* columns of a line */
    bool utf8;      /* the terminal shows UTF-8; otherwise ASCII alone */
    bool styled;    /* with escape sequences for styles */
    dho_text text;  /* owned: the lines, each with its \n */
    size_t lines;   /* that are ended */
    int column;     /* of the line that is being written */
    bool overflows; /* it was cut */
} dho_page;

void dho_page_free(dho_page *page);

/* Appends to the line; what is beyond the width is cut, the last column then shows it. */
void dho_page_put(dho_page *page, dho_style style, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* Blanks up to a column; nothing where the line is there already. */
void dho_page_pad(dho_page *page, int column);
void dho_page_end_line(dho_page *page);

/* A name in at most `columns` columns; of a longer one the end, which tells runs apart. */
void dho_page_put_name(dho_page *page, dho_style style, const char *name, int columns);
/* The columns that a text takes. */
int dho_page_columns(const dho_page *page, const char *text);

#endif
