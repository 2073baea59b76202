/* data.holdout: what it says, and what it makes of eval.select_on. */
#include "config/config_value.h"

#include "dho/alloc.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* "10 %", "2.5%" or "3"; false for anything else. */
static bool parse(const char *text, dho_holdout *out)
{
    const size_t whole = strspn(text, "0123456789");
    const size_t part = text[whole] == '.' ? 1 + strspn(text + whole + 1, "0123456789") : 0;
    const char *end = text + whole + part;
    while (*end == ' ') end++;
    const bool percent = *end == '%';
    *out = (dho_holdout){0};
    if (whole == 0 || whole + part > 12 || strcmp(end, percent ? "%" : "") != 0) return false;
    if (percent) {
        out->percent = strtod(text, NULL);
        return out->percent > 0 && out->percent < 100;
    }
    out->images = part == 0 && end == text + whole ? strtoll(text, NULL, 10) : 0;
    return out->images >= 1;
}

dho_holdout dho_config_holdout(const dho_config *config)
{
    dho_holdout out;
    return parse(config->data.holdout, &out) ? out : (dho_holdout){0};
}

void dho_config_describe_holdout(const dho_config *config, char *out, size_t bytes)
{
    const dho_holdout share = dho_config_holdout(config);
    out[0] = '\0';
    if (share.percent > 0)
        snprintf(out, bytes, "%g %% of each class's labelled training images, held out of training",
                 share.percent);
    else if (share.images > 0)
        snprintf(out, bytes, "%lld labelled training image%s of each class, held out of training",
                 (long long)share.images, share.images == 1 ? "" : "s");
}

/* One spelling for each share: runs that go on compare the text. */
static dho_status settle_text(dho_config *config, const dho_holdout *share)
{
    char number[DHO_NUMBER_BYTES];
    dho_free(config->data.holdout);
    config->data.holdout = NULL;
    dho_schema_number(share->percent, number);
    if (share->percent > 0) return dho_asprintf(&config->data.holdout, "%s %%", number);
    return dho_asprintf(&config->data.holdout, "%lld", (long long)share->images);
}

dho_status dho_config_settle_holdout(dho_config *config, const dho_yaml_node *root)
{
    dho_holdout share;
    if (config->data.holdout[0] == '\0') return DHO_OK;
    if (!parse(config->data.holdout, &share)) {
        char quoted[DHO_YAML_QUOTE_BYTES];
        dho_yaml_quote(config->data.holdout, quoted);
        return dho_yaml_fail(dho_yaml_find(root, "data.holdout"),
                             "expected a percentage above 0 %% and below 100 %%, or a number of "
                             "images of each class from 1, got %s",
                             quoted);
    }
    DHO_TRY(settle_text(config, &share));
    if (dho_yaml_find(root, "eval.select_on") != NULL) return DHO_OK;
    dho_free(config->eval.select_on);
    return dho_strdup(&config->eval.select_on, DHO_HOLDOUT_NAME);
}
