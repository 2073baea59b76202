"""Makes src/teacher/html_entities.c from Python's html.entities.html5, the HTML standard's named
character references (html.spec.whatwg.org, a list of facts).

    python3 tests/golden/make_html_entities.py >src/teacher/html_entities.c
"""
import html.entities

print("""/* The named character references of HTML 5, names with and without the semicolon, in byte order.
 * Made by tests/golden/make_html_entities.py: do not edit. */
#include "teacher/tokenizer_private.h"

#include <string.h>

typedef struct entity {
    const char *name;
    uint32_t codes[2]; /* the second is 0 for one character */
} entity;

/* clang-format off */
static const entity entities[] = {""")
line = "   "
for name, value in sorted(html.entities.html5.items()):
    codes = [ord(c) for c in value] + [0]
    item = ' {"%s", {%s}},' % (name, ", ".join("0x%x" % c if c else "0" for c in codes[:2]))
    if len(line) + len(item) > 100:
        print(line)
        line = "   "
    line += item
print(line)
print("""};
/* clang-format on */

const uint32_t *dho_html_entity(const char *name, size_t length)
{
    size_t low = 0, high = sizeof entities / sizeof *entities;
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        const int order = strncmp(name, entities[middle].name, length);
        if (order == 0 && entities[middle].name[length] == '\\0') return entities[middle].codes;
        if (order > 0)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}""")
