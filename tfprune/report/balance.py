"""One sentence on accuracy where classes are uneven."""

from __future__ import annotations

from collections.abc import Iterable

from tfprune.experiment.results import LevelResult
from tfprune.report.labels import percent
from tfprune.report.summary import fact_means, level_summaries


def balance_line(levels: Iterable[LevelResult]) -> str:
    """Return what the test accuracies hide where classes are uneven; empty where they are even.

    Of several seeds the medians of those that did not collapse, as the tables have them.
    """
    levels = list(levels)
    shares = fact_means(levels).get("majority_share", {})
    medians = {row.level: row.balanced_accuracy_median for row in level_summaries(levels)}
    balanced = {level: value for level, value in medians.items() if value is not None}
    if not balanced or not shares:
        return ""
    first, last = min(balanced), max(balanced)
    at = f"level {first} {percent(balanced[first])}"
    if last != first:
        at += f", level {last} {percent(balanced[last])}"
    return (
        f"Classes are uneven: the largest has {percent(shares[first])} of the test images, which "
        f"is the accuracy of always naming it. Balanced accuracy (mean over classes): {at}."
    )
