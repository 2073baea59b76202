#include "base/utf8.h"
#include "config/yaml_tree.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

/* Printable in YAML's sense, less what counts as a line break or a mark (U+0085, U+2028, U+2029,
 * U+FEFF): those are never meant in a configuration and hide what a line really says. */
static bool is_printable(uint32_t code)
{
    if (code < 0x20 || (code >= 0x7f && code < 0xa0)) return false;
    return code != 0x2028 && code != 0x2029 && code != 0xfeff && code != 0xfffe && code != 0xffff;
}

/* A tab among the spaces before the first character of a line that has content. */
static bool is_indentation_tab(const char *text, size_t bytes, size_t at)
{
    for (size_t i = at; i > 0 && text[i - 1] != '\n'; i--)
        if (text[i - 1] != ' ' && text[i - 1] != '\t') return false;
    while (at < bytes && (text[at] == ' ' || text[at] == '\t')) at++;
    return at < bytes && text[at] != '\n' && text[at] != '\r' && text[at] != '#';
}

dho_status dho_yaml_check_text(const char *text, size_t bytes, const dho_yaml_source *source)
{
    int line = 1, column = 1;
    bool at_start = true; /* only blanks so far in this line */
    for (size_t i = 0; i < bytes;) {
        uint32_t code;
        const size_t length = dho_utf8_decode(text + i, bytes - i, &code);
        if (length == 0)
            return dho_yaml_fail_at(source, line, column, "is not valid UTF-8 (byte 0x%02x)",
                                    (unsigned char)text[i]);
        if (code == '\t' && at_start && is_indentation_tab(text, bytes, i))
            return dho_yaml_fail_at(source, line, column,
                                    "tab character in the indentation (YAML wants spaces)");
        if (!is_printable(code) && code != '\t' && code != '\n' && code != '\r')
            return dho_yaml_fail_at(source, line, column, "control character U+%04X", code);
        if (code != ' ' && code != '\t') at_start = false;
        column++;
        i += length;
        if (code == '\n' || (code == '\r' && (i == bytes || text[i] != '\n'))) {
            line++;
            column = 1;
            at_start = true;
        }
    }
    return DHO_OK;
}

bool dho_yaml_is_clean(const char *text, size_t bytes)
{
    for (size_t i = 0; i < bytes;) {
        uint32_t code;
        const size_t length = dho_utf8_decode(text + i, bytes - i, &code);
        if (length == 0 || !is_printable(code)) return false;
        i += length;
    }
    return true;
}

void dho_yaml_quote(const char *text, char out[DHO_YAML_QUOTE_BYTES])
{
    const size_t length = dho_utf8_fit(text, DHO_YAML_QUOTE_BYTES - 8);
    const bool cut = text[length] != '\0';
    snprintf(out, DHO_YAML_QUOTE_BYTES, "\"%.*s\"%s", (int)length, text, cut ? "..." : "");
}

dho_status dho_yaml_check_path(const dho_yaml_node *node)
{
    char quoted[DHO_YAML_QUOTE_BYTES];
    const char *text = node->text, *home = getenv("HOME");
    if (text[0] != '~') return DHO_OK;
    dho_yaml_quote(text, quoted);
    if ((text[1] == '/' || text[1] == '\0') && home != NULL)
        return dho_yaml_fail(node, "\"~\" is not expanded, got %s: write %s%s", quoted, home,
                             text + 1);
    return dho_yaml_fail(node, "\"~\" is not expanded, got %s: write the whole path", quoted);
}
