"""Which of the chosen changes do the tests notice? `python -m benchmarks.named_mutants`

Each is a fault that would go into published numbers without stopping anything: a schedule at the
wrong rate, an interval too narrow, a control that starts from the wrong state. Each is made in a
copy of the tree, the default tests of the files named beside it are run, and it is taken back;
`--only WORD` takes those whose name contains it. Status 1 where one is not noticed.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from benchmarks.mutants import ROOT, Copy, Mutant
from benchmarks.mutations import Mutation

_TRAINING = ("tests/training/test_schedule.py", "tests/training/test_trainer.py")
_INTERVALS = ("tests/similarity/test_intervals.py", "tests/similarity/test_coverage.py")
_OPTIMIZER = "tfprune/training/optimizer.py"
_RESAMPLING = "tfprune/similarity/resampling.py"
_HALVED = " / (2 if {} > 90 else 1)"


class Named(NamedTuple):
    """A change of `old`, which occurs once in the file, into `new`."""

    name: str
    path: str
    old: str
    new: str
    tests: tuple[str, ...]


MUTANTS = (
    Named(
        "cosine schedule times 0.9", _OPTIMIZER,
        "(1 + np.cos(np.pi * step / n_steps)) / 2\n",
        "0.9 * (1 + np.cos(np.pi * step / n_steps)) / 2\n", _TRAINING[:1],
    ),
    Named(
        "step decay at twice its moment", _OPTIMIZER,
        "step >= moment.steps(steps_per_epoch)", "step >= 2 * moment.steps(steps_per_epoch)",
        _TRAINING[:1],
    ),
    Named("warm-up ignored", _OPTIMIZER, "    if warmup:", "    if False:", _TRAINING[:1]),
    Named(
        "every step at the rate of the one before", "tfprune/training/trainer.py",
        "tf.gather(rates, optimizer.iterations)",
        "tf.gather(rates, tf.maximum(optimizer.iterations - 1, 0))", _TRAINING,
    ),
    Named(
        "`scored` of the settings ignored", "tfprune/experiment/replicate.py",
        'pruning.scored == "rewound" or (', "False or (",
        ("tests/experiment/test_target_sparsity.py",),
    ),
    Named(
        "`scored` of the strategy ignored", "tfprune/experiment/replicate.py",
        'self.plan.strategy.scored == "rewound"', "False",
        ("tests/experiment/test_target_sparsity.py",),
    ),
    Named(
        "normalisation from the test images", "tfprune/experiment/plan.py",
        "return normalization(data.train.images, plan.config.data.normalization)",
        "return normalization(data.test.images, plan.config.data.normalization)",
        ("tests/experiment/test_images_of_a_plan.py",),
    ),
    Named(
        "normalisation from the test images, in the plan", "tfprune/experiment/plan.py",
        "scale = normalization(dataset.train.images, config.data.normalization)",
        "scale = normalization(dataset.test.images, config.data.normalization)",
        ("tests/experiment/test_images_of_a_plan.py",),
    ),
    Named(
        "error by derivatives halved in layers wider than 90", _RESAMPLING,
        "return ErrorEstimate(value - bias - change / 3, error, change",
        "error = error" + _HALVED.format("whole.x.width")
        + "\n    return ErrorEstimate(value - bias - change / 3, error, change", _INTERVALS,
    ),
    Named(
        "error by leaving out halved in layers wider than 90", _RESAMPLING,
        "return ErrorEstimate(2 * value - half - change / 3, error, change",
        "error = error" + _HALVED.format("moments.whole_pair(keys).x.width")
        + "\n    return ErrorEstimate(2 * value - half - change / 3, error, change", _INTERVALS,
    ),
    Named(
        "bootstrap over minibatches halved in layers wider than 90",
        "tfprune/similarity/intervals.py",
        "    found = bootstrap_interval(\n        value,\n        replicate,",
        "    found = bootstrap_interval(\n        value,\n        (lambda w: value + "
        "(replicate(w) - value)" + _HALVED.format("pair.x.width") + "),", _INTERVALS,
    ),
    Named(
        "jackknife over derivatives three times too narrow", _RESAMPLING,
        "float(np.sqrt(variance))\n\n\ndef", "float(np.sqrt(variance)) / 3\n\n\ndef", _INTERVALS,
    ),
    Named(
        "jackknife over groups of blocks three times too narrow", _RESAMPLING,
        "return float(np.sqrt(squares.mean()))", "return float(np.sqrt(squares.mean())) / 3",
        _INTERVALS,
    ),
    Named(
        "jackknife over sampled images three times too narrow", "tfprune/similarity/intervals.py",
        "inv_cdf(1 - tail) * deviation", "inv_cdf(1 - tail) * deviation / 3", _INTERVALS,
    ),
    Named(
        "SVCCA's null by full rank", "tfprune/similarity/measures/cca.py",
        "null_mean_correlation(*kept_ranks(pair, variance=variance), pair.n_samples)",
        "null_mean_correlation(*pair.ranks, pair.n_samples)",
        ("tests/similarity/test_null_permuted.py",),
    ),
    Named(
        "the parent's mean includes the seed floor", "tfprune/runs/record.py",
        "found.level == level and found.against == DENSE and found.seed in seeds",
        "found.level == level and found.seed in seeds",
        ("tests/experiment/test_parent_and_best.py",),
    ),
    Named(
        "the re-initialised control has the optimizer of step k", "tfprune/experiment/controls.py",
        "return TrainingState(0, values, replicate.initial.slots)",
        "return TrainingState(0, values, replicate.start_state.slots)",
        ("tests/experiment/test_all_state_is_saved.py",),
    ),
    Named(
        "the best level on ties is the denser", "tfprune/runs/models.py",
        ">= max(earlier, default=0.0)", "> max(earlier, default=0.0)",
        ("tests/experiment/test_parent_and_best.py",),
    ),
    Named(
        "the answer ranks a third of the layers at most", "tfprune/report/ranking.py",
        "range(1, len(order) // 2 + 1)", "range(1, len(order) // 3 + 1)",
        ("tests/report/test_ranking.py",),
    ),
    Named(
        "the answer's group that changed least is one layer too large",
        "tfprune/report/ranking.py", "least = sorted(int(i) for i in above)",
        "least = sorted(int(i) for i in order[-size - 1 :])", ("tests/report/test_ranking.py",),
    ),
    Named(
        "the plan's probe set is not shuffled", "tfprune/experiment/plan.py",
        "probe = probe.take(np.random.default_rng(0).permutation(len(probe)))",
        "probe = probe.take(np.arange(len(probe)))", ("tests/experiment/test_images_of_a_plan.py",),
    ),
    Named(
        "the probe set of `compare` is not shuffled", "tfprune/runs/compare.py",
        "np.random.default_rng(0).permutation(len(probe))", "np.arange(len(probe))",
        ("tests/experiment/test_images_of_a_plan.py",),
    ),
    Named(
        "the probe set takes the first of each class", "tfprune/data/dataset.py",
        "        rng.permutation(np.flatnonzero(members == k))[: chosen[k]] "
        "for k in range(len(classes))\n    ]\n    return np.sort(np.concatenate(parts))"
        ".astype(np.int64) if parts else np.empty(0, np.int64)\n\n\ndef balanced",
        "        np.flatnonzero(members == k)[: chosen[k]] "
        "for k in range(len(classes))\n    ]\n    return np.sort(np.concatenate(parts))"
        ".astype(np.int64) if parts else np.empty(0, np.int64)\n\n\ndef balanced",
        ("tests/data/test_probe.py", "tests/data/test_stratify.py"),
    ),
    Named(
        "near-copies count as duplicate channels of wide layers",
        "tfprune/similarity/statistics.py", "< 1e-6).all(axis=0)", "< 1e-3).all(axis=0)",
        ("tests/similarity/test_channels.py",),
    ),
    Named(
        "no channel is equal enough to be a duplicate in wide layers",
        "tfprune/similarity/statistics.py", "< 1e-6).all(axis=0)", "< 1e-12).all(axis=0)",
        ("tests/similarity/test_channels.py",),
    ),
    Named(
        "near-copies count as duplicate channels", "tfprune/similarity/side.py",
        "max(self.tolerance**2, 1e-13) * 4", "max(self.tolerance**2, 1e-13) * 1e9",
        ("tests/similarity/test_channels.py",),
    ),
)  # fmt: skip


def mutants(word: str) -> Iterator[tuple[str, Mutant]]:
    """Yield name and mutant of those whose name contains `word`."""
    for named in MUTANTS:
        if word in named.name:
            source = (ROOT / named.path).read_text(encoding="utf-8")
            if source.count(named.old) != 1:
                raise SystemExit(f"{named.path} has {source.count(named.old)} times: {named.old}")
            begin = source.index(named.old)
            line = source[:begin].count("\n") + 1
            mutation = Mutation(source, begin, begin + len(named.old), named.new, named.name, line)
            yield named.name, Mutant(named.path, mutation, named.tests)


def main() -> int:
    """Make each, print who noticed it; status 1 where one was not noticed."""
    parser = argparse.ArgumentParser(description="Which of the chosen changes do tests notice?")
    parser.add_argument("--only", default="", metavar="WORD", help="those whose name contains it")
    parser.add_argument("--out", type=Path, help="also write the verdicts, one JSON line each")
    options = parser.parse_args()
    chosen = list(mutants(options.only))
    copy = Copy()
    try:
        clean = tuple(sorted({test for _, mutant in chosen for test in mutant.tests}))
        verdict, by = copy.test(clean, timeout=1800)
        if verdict != "passed":
            raise SystemExit(f"the tests fail without a mutant: {by}")
        rows = []
        for name, mutant in chosen:
            row = copy.judge(mutant, timeout=600)
            rows.append(row)
            by = str(row["by"]).removeprefix("FAILED ") if row["killed"] else "NO TEST"
            print(f"| {name} | `{mutant.path}` | {by} |", flush=True)
            if options.out:
                with options.out.open("a", encoding="utf-8") as file:
                    file.write(json.dumps({"name": name, **row}) + "\n")
    finally:
        copy.remove()
    n_killed = sum(bool(row["killed"]) for row in rows)
    print(f"\n{n_killed} of {len(rows)} noticed")
    return 0 if rows and n_killed == len(rows) else 1


if __name__ == "__main__":
    sys.exit(main())
