#include "train/standing.h"

static bool is_better(double value, double than, double by, const dho_standing_rule *rule)
{
    return rule->lower_is_better ? value < than - by : value > than + by;
}

bool dho_standing_take(dho_standing *standing, const dho_standing_rule *rule, double value,
                       int64_t step)
{
    const bool first = standing->best_step == 0;
    const bool best = first || is_better(value, standing->best, 0, rule);
    if (first || is_better(value, standing->reference, rule->min_delta, rule)) {
        standing->reference = value;
        standing->waited = 0;
    } else {
        standing->waited++;
    }
    if (best) {
        standing->best = value;
        standing->best_step = step;
    }
    return best;
}
