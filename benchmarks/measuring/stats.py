# SPDX-License-Identifier: Apache-2.0
"""Medians, spreads and verdicts: what may be said of numbers of which some were disturbed."""
import math
import os
import statistics

SPREAD_MAX = 0.25  # (largest - smallest) / median; above it a median says little

# Fewer have no spread worth the name. `benchmarks/run --quick`, which gives no verdicts, is content with one.
ROUNDS_MIN = 1 if os.environ.get("STELE_BENCHMARKS_QUICK") else 3

REACHED, MISSED, NONE = "reached", "missed", "no verdict"


def spread(values):
    """(largest - smallest) / median; 0 where all are equal, infinite where the median is 0 and they are not."""
    width, middle = max(values) - min(values), statistics.median(values)
    return 0.0 if width == 0 else width / middle if middle > 0 else math.inf


def ratios(ours, theirs):
    """Round by round, of what took turns: whatever disturbed a round disturbed both. Their median and spread count."""
    if len(ours) != len(theirs):
        raise ValueError(f"{len(ours)} rounds beside {len(theirs)}")
    return [mine / other for mine, other in zip(ours, theirs)]


def percentile(values, part):
    """The value below which `part` of all lie (0 to 1); one of the values, none between two."""
    return sorted(values)[min(len(values) - 1, int(len(values) * part))]


def summarize(runs):
    """Of dictionaries with the same keys: {key: (median, spread)}."""
    return {key: (statistics.median(values), spread(values) if min(values) > 0 else 0.0)
            for key in runs[0] for values in [[run[key] for run in runs]]}


def verdict(value, limit, at_most, spreads=(), other="", worst=None):
    """
    Whether `value` keeps to `limit`, and the reason where nothing can be said: a spread above SPREAD_MAX,
    or `other`, which is any reason against the whole measurement. `worst` is the value that the least
    favourable rounds give: if that keeps to the limit, no disturbance took anything away from it.
    """
    if worst is not None and (worst <= limit if at_most else worst >= limit):
        return REACHED, ""
    if other:
        return NONE, other
    widest = max(spreads, default=0.0)
    if widest > SPREAD_MAX:
        return NONE, f"spread {widest:.0%}"
    return (REACHED if (value <= limit if at_most else value >= limit) else MISSED), ""


def verdict_text(*arguments, **named):
    """What verdict() says of the same, in one piece: "reached", or "no verdict (spread 30%)"."""
    word, why = verdict(*arguments, **named)
    return f"{word} ({why})" if why else word
