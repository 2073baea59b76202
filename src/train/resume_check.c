#include "train/resume_check.h"

#include "dho/alloc.h"

#include <stdio.h>
#include <string.h>

enum { KEY_BYTES = 96 };

static int line_length(const char *line)
{
    return (int)strcspn(line, "\n");
}

static const char *next_line(const char *line)
{
    line += line_length(line);
    return line + (*line != '\0');
}

/* "a, now b" of two lines. */
static void show(const char *before, const char *now, char *out, size_t bytes)
{
    const int a = line_length(before), b = line_length(now);
    const int skip_a = (int)strspn(before, " "), skip_b = (int)strspn(now, " ");
    snprintf(out, bytes, "\"%.*s\", now \"%.*s\"", a > skip_a ? a - skip_a : 0, before + skip_a,
             b > skip_b ? b - skip_b : 0, now + skip_b);
}

static bool same_line(const char *a, const char *b)
{
    const int length = line_length(a);
    return length == line_length(b) && memcmp(a, b, (size_t)length) == 0;
}

static bool same_key(const char *a, const char *b)
{
    const size_t length = strcspn(a, ":\n");
    return length == strcspn(b, ":\n") && memcmp(a, b, length) == 0;
}

/* Is a line of "  key: value" in `section` a key's whose value is the default? `changes` has a line
 * "section.key: value" of each other key. */
static bool is_default(const char *line, const char *section, const char *changes)
{
    char key[KEY_BYTES];
    const int indent = (int)strspn(line, " "), length = (int)strcspn(line, ":\n");
    if (length <= indent) return false;
    const int used = snprintf(key, sizeof key, "%s%s%.*s:", indent > 0 ? section : "",
                              indent > 0 ? "." : "", length - indent, line + indent);
    for (const char *at = changes; *at != '\0'; at = next_line(at))
        if (strncmp(at, key, (size_t)used) == 0) return false;
    return true;
}

/* The first difference of two configurations. Keys stand in the same order in both; `now` may have
 * more. */
static bool settings_differ(const char *before, const char *now, const char *changes, char *what,
                            size_t bytes)
{
    char section[KEY_BYTES] = "";
    while (*before != '\0' || *now != '\0') {
        if (now[0] != ' ' && line_length(now) > 0)
            snprintf(section, sizeof section, "%.*s", (int)strcspn(now, ":\n"), now);
        if (same_line(before, now)) {
            before = next_line(before);
        } else if (same_key(before, now) || !is_default(now, section, changes)) {
            show(before, now, what, bytes);
            return true;
        }
        now = next_line(now);
    }
    return false;
}

dho_status dho_resume_differs(const dho_checkpoint_info *found, const dho_checkpoint_info *own,
                              const dho_config *config, bool *out, char *what, size_t bytes)
{
    char *changes;
    *out = true;
    DHO_TRY(dho_config_format_changes(config, &changes));
    const bool settings = settings_differ(found->settings, own->settings, changes, what, bytes);
    dho_free(changes);
    if (settings) return DHO_OK;
    if (strcmp(found->teacher, own->teacher) != 0)
        show(found->teacher, own->teacher, what, bytes);
    else if (found->dataset_fingerprint != own->dataset_fingerprint ||
             found->classes != own->classes)
        snprintf(what, bytes, "the list of training images");
    else if (found->labelled_crc != own->labelled_crc)
        snprintf(what, bytes, "the labelled images");
    else
        *out = false;
    return DHO_OK;
}
