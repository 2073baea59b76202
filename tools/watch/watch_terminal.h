/* The terminal: its size, its keys, a screen of its own. Plain control sequences (ECMA-48 and
 * xterm's alternate screen), which all terminals of the last decades know. Private to tools/watch.
 */
#ifndef DHO_WATCH_WATCH_TERMINAL_H
#define DHO_WATCH_WATCH_TERMINAL_H

#include <stdbool.h>
#include <stddef.h>

/* Can it show a live view: is standard output a terminal that knows such sequences? */
bool dho_terminal_is_live(void);
/* Does the locale say that it shows UTF-8? */
bool dho_terminal_is_utf8(void);
/* Columns and lines: the terminal's, else COLUMNS and LINES, else 80 and 24. */
void dho_terminal_size(int *width, int *height);

/* Takes the screen and the keys, and catches the signals that would leave the terminal so. */
void dho_terminal_enter(void);
void dho_terminal_leave(void);

typedef enum dho_key {
    DHO_KEY_NONE,
    DHO_KEY_QUIT, /* q, Ctrl-C, or a signal that asks to end */
    DHO_KEY_UP,
    DHO_KEY_DOWN
} dho_key;

/* Waits for a key, for a new size of the terminal, or for so long. */
dho_key dho_terminal_wait(int milliseconds);
/* Shows `lines` of the text from line `first` on, and a last line. */
void dho_terminal_show(const char *text, size_t first, size_t lines, const char *last);

#endif
