#include "base/utf8.h"

#include <stdio.h>
#include <string.h>

#include <unistr.h>
#include <uniwidth.h>

const uint8_t *dho_utf8_first_bad(const uint8_t *text, size_t size)
{
    return u8_check(text, size);
}

size_t dho_utf8_decode(const char *text, size_t bytes, uint32_t *out)
{
    const int length = u8_mbtoucr(out, (const uint8_t *)text, bytes);
    return length > 0 ? (size_t)length : 0;
}

int dho_utf8_columns(uint32_t character)
{
    /* Those that turn the direction of writing would turn the rest of the line. */
    if ((character >= 0x202a && character <= 0x202e) ||
        (character >= 0x2066 && character <= 0x2069))
        return -1;
    return uc_width(character, "UTF-8");
}

size_t dho_utf8_fit(const char *text, size_t most)
{
    size_t length = strlen(text);
    if (length <= most) return length;
    length = most;
    while (length > 0 && ((unsigned char)text[length] & 0xc0) == 0x80) length--;
    return length;
}

void dho_utf8_print(const char *text, char *out, size_t size)
{
    enum { ESCAPED = 4 }; /* \xNN */
    size_t used = 0;
    for (const uint8_t *c = (const uint8_t *)text; *c != 0;) {
        ucs4_t code;
        const int length = u8_strmbtouc(&code, c);
        const bool plain = length > 0 && code >= 0x20 && (code < 0x7f || code > 0x9f);
        const size_t bytes = plain ? (size_t)length : ESCAPED;
        if (used + bytes + 1 > size) break;
        if (plain)
            memcpy(out + used, c, bytes);
        else
            snprintf(out + used, size - used, "\\x%02x", (unsigned)*c);
        used += bytes;
        c += plain ? length : 1;
    }
    out[used] = '\0';
}

dho_status dho_utf8_check_name(const char *name, const char *where, const char *hint)
{
    if (u8_check((const uint8_t *)name, strlen(name)) == NULL) return DHO_OK;
    return dho_fail(DHO_ERR_FORMAT, "%s: the name \"%.300s\" is not UTF-8: %s", where, name, hint);
}
