/* dho watch. */
#include "watch/watch.h"

#include "dho/alloc.h"
#include "watch/watch_terminal.h"
#include "watch/watch_view.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { REFRESH_MS = 1000, LEAST_WIDTH = 20 };

static dho_status read_all(dho_watch_run *runs, size_t count)
{
    for (size_t r = 0; r < count; r++) DHO_TRY(dho_watch_run_read(&runs[r]));
    return DHO_OK;
}

static int larger(int a, int b)
{
    return a > b ? a : b;
}

static dho_status print(dho_watch_run *runs, size_t count)
{
    int width, height;
    dho_terminal_size(&width, &height);
    dho_page page = {.width = larger(width, LEAST_WIDTH), .utf8 = dho_terminal_is_utf8()};
    dho_status status = read_all(runs, count);
    if (status == DHO_OK) dho_watch_draw(&page, runs, count, 0);
    if (status == DHO_OK) status = page.text.status;
    if (status == DHO_OK && (fputs(page.text.data, stdout) < 0 || fflush(stdout) != 0))
        status = dho_fail(DHO_ERR_IO, "standard output: cannot write: %s", strerror(errno));
    dho_page_free(&page);
    return status;
}

/* One picture. *inout_first: the line of the view that is the screen's first. */
static dho_status show(dho_watch_run *runs, size_t count, dho_page *page, size_t *inout_first)
{
    int width, height;
    char last[64];
    DHO_TRY(read_all(runs, count));
    dho_terminal_size(&width, &height);
    const int lines = larger(height - 1, 1);
    page->width = larger(width, LEAST_WIDTH);
    page->text.used = 0;
    page->lines = 0;
    dho_watch_draw(page, runs, count, lines);
    DHO_TRY(page->text.status);
    const size_t beyond = page->lines > (size_t)lines ? page->lines - (size_t)lines : 0;
    if (*inout_first > beyond) *inout_first = beyond;
    snprintf(last, sizeof last, "%s", beyond > 0 ? "q: quit   up, down: more runs" : "q: quit");
    if (width > 0 && (size_t)width < strlen(last)) last[width] = '\0';
    dho_terminal_show(page->text.data, *inout_first, (size_t)lines, last);
    return DHO_OK;
}

static dho_status live(dho_watch_run *runs, size_t count)
{
    dho_page page = {.utf8 = dho_terminal_is_utf8(), .styled = getenv("NO_COLOR") == NULL};
    size_t first = 0;
    dho_status status = read_all(runs, count); /* an error is said on the user's own screen */
    if (status != DHO_OK) return status;
    dho_terminal_enter();
    for (;;) {
        status = show(runs, count, &page, &first);
        if (status != DHO_OK) break;
        const dho_key key = dho_terminal_wait(REFRESH_MS);
        if (key == DHO_KEY_QUIT) break;
        if (key == DHO_KEY_UP && first > 0) first--;
        if (key == DHO_KEY_DOWN) first++;
    }
    dho_terminal_leave();
    dho_page_free(&page);
    return status;
}

dho_status dho_watch(const char *const *paths, size_t count, bool once)
{
    dho_watch_run *runs;
    DHO_TRY(dho_alloc_zero(&runs, count, sizeof *runs, "runs"));
    for (size_t r = 0; r < count; r++) runs[r].path = paths[r];
    const dho_status status =
        !once && dho_terminal_is_live() ? live(runs, count) : print(runs, count);
    for (size_t r = 0; r < count; r++) dho_watch_run_free(&runs[r]);
    dho_free(runs);
    return status;
}
