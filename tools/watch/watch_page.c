#include "watch/watch_page.h"

#include "base/utf8.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Of ECMA-48: select graphic rendition. */
static const char *const sequences[DHO_STYLES] = {
    [DHO_STYLE_BOLD] = "\033[1m",    [DHO_STYLE_FAINT] = "\033[2m", [DHO_STYLE_GREEN] = "\033[32m",
    [DHO_STYLE_YELLOW] = "\033[33m", [DHO_STYLE_RED] = "\033[31m",  [DHO_STYLE_BLUE] = "\033[34m"};

void dho_page_free(dho_page *page)
{
    dho_text_free(&page->text);
    *page = (dho_page){0};
}

/* One character, or one byte that is none, as it is shown. */
typedef struct glyph {
    char bytes[8];
    size_t length; /* of the text that it stands for */
    int columns;
} glyph;

static glyph glyph_of(const dho_page *page, const char *text, size_t bytes)
{
    uint32_t code;
    glyph out = {.length = dho_utf8_decode(text, bytes, &code)};
    const bool known = out.length > 0 && (code < 0x80 || page->utf8);
    if (known) out.columns = dho_utf8_columns(code);
    if (known && out.columns >= 0) {
        memcpy(out.bytes, text, out.length);
        return out;
    }
    out.length = 1;
    out.columns = snprintf(out.bytes, sizeof out.bytes, "\\x%02x", (unsigned char)*text);
    return out;
}

int dho_page_columns(const dho_page *page, const char *text)
{
    int columns = 0;
    for (size_t left = strlen(text); left > 0;) {
        const glyph next = glyph_of(page, text, left);
        columns += next.columns;
        text += next.length;
        left -= next.length;
    }
    return columns;
}

void dho_page_put_name(dho_page *page, dho_style style, const char *name, int columns)
{
    const char *from = name;
    int taken = dho_page_columns(page, name);
    const bool cut = taken > columns;
    while (cut && taken > columns - 1 && *from != '\0') {
        const glyph first = glyph_of(page, from, strlen(from));
        from += first.length;
        taken -= first.columns;
    }
    dho_page_put(page, style, "%s%s", !cut ? "" : page->utf8 ? "…" : "<", from);
}

static void put_text(dho_page *page, const char *text)
{
    for (size_t left = strlen(text); left > 0 && !page->overflows;) {
        const glyph next = glyph_of(page, text, left);
        text += next.length;
        left -= next.length;
        /* The last column is for the last character, or for the sign that there are more. */
        const int most = left > 0 ? page->width - 1 : page->width;
        page->overflows = page->column + next.columns > most;
        if (page->overflows) {
            dho_page_pad(page, page->width - 1);
            dho_text_add(&page->text, "%s", page->utf8 ? "…" : ">");
            page->column = page->width;
            return;
        }
        dho_text_add(&page->text, "%s", next.bytes);
        page->column += next.columns;
    }
}

void dho_page_put(dho_page *page, dho_style style, const char *format, ...)
{
    char text[2048];
    va_list arguments;
    va_start(arguments, format);
    if (vsnprintf(text, sizeof text, format, arguments) < 0) text[0] = '\0';
    va_end(arguments);
    if (text[0] == '\0' || page->column >= page->width) {
        page->overflows = page->overflows || text[0] != '\0';
        return;
    }
    const bool styled = page->styled && style != DHO_STYLE_PLAIN;
    if (styled) dho_text_add(&page->text, "%s", sequences[style]);
    put_text(page, text);
    if (styled) dho_text_add(&page->text, "\033[0m");
}

void dho_page_pad(dho_page *page, int column)
{
    const int end = column < page->width ? column : page->width;
    for (; page->column < end; page->column++) dho_text_add(&page->text, " ");
}

void dho_page_end_line(dho_page *page)
{
    dho_text_add(&page->text, "\n");
    page->column = 0;
    page->overflows = false;
    page->lines++;
}
