/* Compiled for the plainest processor of the architecture (CMakeLists.txt), and calls only libc. */
#include "dho/processor.h"

#include "base/processor_features.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>
#if defined(__x86_64__)
#include <cpuid.h>
#elif defined(__aarch64__)
#include <sys/auxv.h>
#endif

typedef struct feature {
    const char *name;
    bool present;
} feature;

enum { NAMED = 6 }; /* so many at most, so that a message is no longer than two lines */

#if defined(__x86_64__)
static bool cpuid_ecx(unsigned leaf, unsigned bit)
{
    unsigned eax, ebx, ecx, edx;
    return __get_cpuid(leaf, &eax, &ebx, &ecx, &edx) != 0 && (ecx >> bit & 1) != 0;
}

static bool cpuid_edx(unsigned leaf, unsigned bit)
{
    unsigned eax, ebx, ecx, edx;
    return __get_cpuid_count(leaf, 0, &eax, &ebx, &ecx, &edx) != 0 && (edx >> bit & 1) != 0;
}

/* Not every __builtin_cpu_supports knows avx512fp16; the system's part is that of avx512f. */
static bool avx512_and_cpuid_edx(unsigned leaf, unsigned bit)
{
    return __builtin_cpu_supports("avx512f") && cpuid_edx(leaf, bit);
}
#endif

/* A macro that is not defined stands there as its own name. */
static bool is_needed(size_t i)
{
    return dho_processor_macros[i][0] >= '0' && dho_processor_macros[i][0] <= '9';
}

/* The needed features that are there, of many the newest, or those that are not, of many the oldest
 * (they are in the order of their age). */
static void list(const feature *features, bool present, char *out, size_t bytes)
{
    size_t count = 0, at = 0, used = 0;
    for (size_t i = 0; features[i].name != NULL; i++)
        count += is_needed(i) && features[i].present == present;
    const size_t hidden = count > NAMED ? count - NAMED : 0;
    const size_t first = present ? hidden : 0;
    if (count == 0) snprintf(out, bytes, "none of it");
    for (size_t i = 0; features[i].name != NULL && used < bytes; i++) {
        if (!is_needed(i) || features[i].present != present) continue;
        if (at >= first && at < first + NAMED)
            used += (size_t)snprintf(out + used, bytes - used, "%s%s", used > 0 ? ", " : "",
                                     features[i].name);
        at++;
    }
    if (!present && hidden > 0 && used < bytes)
        snprintf(out + used, bytes - used, " and %zu more", hidden);
}

#define ROW(name, macro, has) {name, (has) != 0},
#if defined(__x86_64__)
#define LOOK(features)    \
    __builtin_cpu_init(); \
    const feature features[] = {DHO_PROCESSOR_FEATURES(ROW){NULL, false}}
#else
#define LOOK(features) const feature features[] = {DHO_PROCESSOR_FEATURES(ROW){NULL, false}}
#endif

/* Appends a name to a list of words. */
static void append(char *out, size_t bytes, const char *name)
{
    const size_t used = strlen(out);
    snprintf(out + used, bytes - used, "%s%s", used > 0 ? " " : "", name);
}

void dho_processor_describe(char *built, char *found, size_t bytes)
{
    LOOK(features);
    built[0] = found[0] = '\0';
    for (size_t i = 0; features[i].name != NULL; i++) {
        if (is_needed(i)) append(built, bytes, features[i].name);
        if (features[i].present) append(found, bytes, features[i].name);
    }
}

bool dho_processor_has(const char *name)
{
    LOOK(features);
    for (size_t i = 0; features[i].name != NULL; i++)
        if (features[i].present && strcmp(features[i].name, name) == 0) return true;
    return false;
}

bool dho_processor_suits(char *why, size_t bytes)
{
    LOOK(features);
    bool suits = true;
    for (size_t i = 0; features[i].name != NULL; i++)
        suits = suits && (features[i].present || !is_needed(i));
    char missing[160], there[160];
    list(features, false, missing, sizeof missing);
    list(features, true, there, sizeof there);
    if (!suits)
        snprintf(why, bytes,
                 "built for another processor: needs %s; this one has %s. Build it on such a "
                 "machine, or with -DDHO_NATIVE=OFF for all",
                 missing, there);
    return suits;
}
