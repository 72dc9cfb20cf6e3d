"""Runs set against the first of them: what differs in accuracy and in every layer, as tested."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, islice

import numpy as np
import yaml

from tfprune.report.collapse import collapsed_seeds, not_collapsed
from tfprune.report.data import ReportData
from tfprune.report.depth import measures_of, profiles
from tfprune.report.labels import is_distance, listed, sparsity_by_level
from tfprune.report.spoken import spoken, spoken_label
from tfprune.report.subjects import (
    ACCURACY,
    Subject,
    layer_subjects,
    matched_levels,
    pruned,
    shared_seeds,
)
from tfprune.similarity.claims import ALPHA, holm
from tfprune.similarity.two_runs import difference_p, effect_size, seeds_to_differ


def versus(runs: Mapping[str, ReportData]) -> list[str]:
    """Return for each run after the first how it differs from that; `runs` maps names to data.

    Compared are levels of one sparsity (`matched_levels`), the sparsest that both have: test
    accuracy, and by the first measure that both know every layer's similarity with the dense
    network. Seeds that collapsed are left out and named, and so are layers that are dead or have
    no number in some. A difference is claimed where the test over seeds finds it
    (`similarity.two_runs`), with Holm's correction over all that is asked of all runs.
    """
    first, *_ = runs.items()
    return _told([_Pair.of(first, other) for other in islice(runs.items(), 1, None)])[0]


def every_pair(runs: Mapping[str, ReportData]) -> tuple[list[str], list[Difference]]:
    """Return for every two runs how they differ, as `versus` says it, and all numbers behind it.

    Holm's correction is over all that is asked of all pairs.
    """
    return _told([_Pair.of(one, other) for one, other in combinations(runs.items(), 2)])


@dataclass(frozen=True)
class Difference:
    """One number of two runs, `other` less `one`, over seeds.

    `n` are the seeds that both have where `paired`, else those of the run that has fewer;
    `left_out` are those that only one of the two has, where values are paired. `mean` is
    the difference of means, `effect` the same in standard deviations (`effect_size`). `p` is that
    of the exact test, `adjusted` by Holm's correction over all questions; None where the seeds are
    too few for any answer to count.
    """

    one: str
    other: str
    subject: str
    n: int
    paired: bool
    mean: float
    effect: float | None
    p: float | None
    adjusted: float | None
    left_out: int = 0

    @property
    def is_found(self) -> bool:
        """Whether the test tells the two apart."""
        return self.adjusted is not None and self.adjusted <= ALPHA


def _told(pairs: Sequence[_Pair]) -> tuple[list[str], list[Difference]]:
    """Return a sentence for each pair, and each number that was asked about."""
    n_tests = sum(len(pair.subjects) for pair in pairs)
    asked = [(pair, subject) for pair in pairs for subject in pair.asked(n_tests)]
    p_values = [difference_p(*subject.values, paired=subject.paired) for _, subject in asked]
    corrected = dict(
        zip(
            ((pair.one, pair.other, subject.name) for pair, subject in asked),
            zip(p_values, holm(p_values), strict=True),
            strict=True,
        )
    )
    sentences, differences = [], []
    for pair in pairs:
        adjusted = {
            (other, name): p for (one, other, name), (_, p) in corrected.items() if one == pair.one
        }
        sentences.append(pair.sentence(adjusted, n_tests))
        for subject in pair.subjects:
            a, b = subject.values
            key = (pair.one, pair.other, subject.name)
            differences.append(
                Difference(
                    *key,
                    n=min(len(a), len(b)),
                    paired=subject.paired,
                    mean=float(np.mean(b) - np.mean(a)),
                    effect=effect_size(a, b, paired=subject.paired),
                    p=corrected[key][0] if key in corrected else None,
                    adjusted=corrected[key][1] if key in corrected else None,
                    left_out=pair.n_alone if subject.paired else 0,
                )
            )
    return sentences, differences


@dataclass(frozen=True)
class _Pair:
    one: str
    other: str
    levels: tuple[int, int] | None  # of the first run and of the other, at one sparsity
    sparsities: tuple[float, float]
    subjects: tuple[Subject, ...]  # test accuracy, and layers that both have numbers of
    label: str  # what layers' numbers are; '' where layers are not compared
    left_out: str  # seeds that collapsed
    gone: tuple[str, ...]  # layers of which one run has no number
    alone: str = ""  # seeds that only one of them has, where values are paired
    n_alone: int = 0
    identical: bool = False  # all that was found, to the last digit
    tested_on: tuple[str, str] = ("", "")  # the data of each

    @classmethod
    def of(cls, first: tuple[str, ReportData], second: tuple[str, ReportData]) -> _Pair:
        (one, data), (other, theirs) = first, second
        levels = matched_levels(data, theirs)
        if levels is None:
            return cls(one, other, None, (0.0, 0.0), (), "", "", ())
        seeds = shared_seeds(data, theirs)
        accuracy, left_out, alone = [], [], []
        for name, run, level in zip((one, other), (data, theirs), levels, strict=True):
            kept = not_collapsed(run.levels, level=level)
            own = sorted({row.seed for row in run.levels})
            counted = [seed for seed in own if seeds is None or seed in seeds]
            values = {row.seed: row.accuracy_test for row in kept}
            accuracy.append({seed: values[seed] for seed in counted if seed in values})
            gone = [seed for seed in collapsed_seeds(run.levels, level=level)
                    if seed in counted and seed not in values]  # fmt: skip
            left_out += [(name, gone)] * bool(gone)
            alone += [(name, [seed for seed in own if seed not in counted])]
        subject = Subject(ACCURACY, accuracy[0], accuracy[1], ".1%", seeds is not None)
        found, label = layer_subjects(first, second, levels, seeds=seeds)
        compared = [layer for layer in found if layer.n_seeds]
        return cls(
            one, other, levels,
            tuple(sparsity_by_level(run.levels)[level]
                  for run, level in zip((data, theirs), levels, strict=True)),  # type: ignore[arg-type]
            (subject, *compared), label, _seeds_of(left_out),
            tuple(f"{layer.name} ({layer.missing})" for layer in found if not layer.n_seeds),
            _seeds_of(alone), sum(len(seeds) for _, seeds in alone),
            _found_in(data) == _found_in(theirs),
            (_test_data(data.config), _test_data(theirs.config)),
        )  # fmt: skip

    @property
    def _accuracy(self) -> Subject:
        return self.subjects[0]

    def asked(self, n_tests: int) -> list[Subject]:
        """Return what has seeds enough for a difference to be found among so many tests."""
        return [s for s in self.subjects if s.n_seeds >= seeds_to_differ(n_tests, paired=s.paired)]

    def sentence(self, adjusted: Mapping[tuple[str, str], float], n_tests: int) -> str:
        if self.levels is None:
            return (
                f"{self.other} and {self.one} have no level of the same sparsity, so they are not "
                "compared."
            )
        levels = f"level {self.levels[1]}"
        if self.levels[0] != self.levels[1]:
            levels += f" against level {self.levels[0]}"
        start = f"{self.other} against {self.one}, {pruned(*self.sparsities)} ({levels}): "
        if self.identical:
            return (
                f"{start}identical results. All accuracies and similarities of the two runs are "
                "the same to the last digit, at every level and for every seed."
            )
        if self._accuracy in self.asked(n_tests):
            text = f"{start}{'; '.join(self._found(adjusted, n_tests))}. {self._test()}"
        else:
            text = f"{start}{self._too_few(n_tests)}"
        one, other = self.tested_on
        if one != other and one and other:
            text += f" Their test images differ ({other}; {one}), and so may their accuracies."
        if self.label:
            text += f" Layers: {self.label}."
        else:
            text += " Their layers or measures differ, so layers are not compared."
        partly = [f"{s.name} ({s.missing})" for s in self.subjects if s.missing]
        if partly:
            text += f" Compared in the other seeds only: {listed(partly, most=len(partly))}."
        if self.gone:
            text += f" Not compared: {listed(self.gone, most=len(self.gone))}."
        if self.alone:
            text += f" Left out, because only one of the two has them: {self.alone}."
        if self.left_out:
            text += f" Left out, because accuracy collapsed: {self.left_out}."
        return text

    def _too_few(self, n_tests: int) -> str:
        told = [f"{subject.name} {subject.told}" for subject in self.subjects]
        counts = sorted({len(side) for side in self._accuracy.values})
        seeds = f"{listed(map(str, counts))} seed{'s' * (counts[-1] > 1)}"
        paired = self._accuracy.paired
        return (
            f"{listed(told, most=len(told))}. {seeds} {'is' if counts == [1] else 'are'} too few "
            f"to test these differences; {seeds_to_differ(n_tests, paired=paired)} "
            f"{'shared ' * paired}seeds would be enough."
        )

    def _found(self, adjusted: Mapping[tuple[str, str], float], n_tests: int) -> list[str]:
        asked = self.asked(n_tests)
        apart = [s for s in asked if adjusted[self.other, s.name] <= ALPHA]
        parts = []
        for words, sign in (("higher", 1), ("lower", -1)):
            if self._accuracy in apart and np.sign(self._accuracy.apart) == sign:
                parts.append(f"{ACCURACY} is {words} ({self._accuracy.told})")
        for words, sign in (("more", 1), ("less", -1)):
            found = [s for s in apart if s is not self._accuracy and np.sign(s.apart) == sign]
            if found:
                verb = "is" if len(found) == 1 else "are"
                parts.append(f"{_each(found)} {verb} {words} similar to the dense network")
        rest = [s for s in asked if s not in apart]
        if rest:
            parts.append(f"{_each(rest)} can't be told apart")
        few = [s for s in self.subjects if s not in asked]
        if few:
            parts.append(f"{_each(few)} can't be tested in so few seeds")
        return parts

    def _test(self) -> str:
        over = self._accuracy.over
        others = {s.over: s for s in self.subjects if s.over != over}
        fewer = "".join(
            f", of {listed(s.name for s in self.subjects if s.over == other)} over {other}"
            for other in others
        )
        return f"(Means over {over}{fewer}; test over seeds, {ALPHA:.0%} for all statements.)"


def _seeds_of(runs: Sequence[tuple[str, Sequence[int]]]) -> str:
    """Return 'seeds 0 and 3 of a and seed 1 of b', without the runs that have none."""
    return listed(
        [
            f"seed{'s' * (len(seeds) > 1)} {listed(map(str, seeds))} of {name}"
            for name, seeds in runs
            if seeds
        ]
    )


def _found_in(data: ReportData) -> tuple[str, str]:
    """Return all numbers of levels and similarities as text, in which NaN equals NaN."""
    return repr(data.levels), repr(data.similarities)


def _each(subjects: Sequence[Subject]) -> str:
    return listed([f"{s.name} ({s.told})" for s in subjects], most=len(subjects))


def least_similar(runs: Sequence[ReportData]) -> tuple[str, list[str]]:
    """Return what a similarity is, and each run's least similar layer at its last level.

    By the first measure that all know; ('', []) where there is none.
    """
    known = [measures_of(run.similarities) for run in runs]
    shared = [name for name in known[0] if all(name in names for names in known)]
    labels = {spoken_label(run.similarities, shared[0]) for run in runs} if shared else set()
    if len(labels) != 1:
        return "", []
    cells = []
    for run in runs:
        rows = spoken(run.levels, run.similarities)
        lines = profiles(rows, measure=shared[0])
        mean = lines[-1].mean if lines else np.array([np.nan])
        dead = lines[-1].dead & np.isnan(mean) if lines else np.array([False])
        far = np.where(dead, np.inf, mean if is_distance(shared[0]) else -mean)
        if np.isnan(far).all():
            cells.append("–")
            continue
        at = int(np.nanargmax(far))
        value = "dead" if dead[at] else f"{mean[at]:.2f}"
        cells.append(f"{value} ({lines[-1].layers[at]})")
    return labels.pop(), cells


def _test_data(config: str) -> str:
    """Return what a run was tested on, by its configuration as YAML; '' where that has none."""
    try:
        nested = yaml.safe_load(config)
    except yaml.YAMLError:
        return ""
    data = nested.get("data") if isinstance(nested, dict) else None
    if not isinstance(data, dict):
        return ""
    parts = [data.get(name) for name in ("dataset", "test_split")]
    if data.get("test_fraction") is not None:
        parts[1] = f"{data['test_fraction']:.0%} held out"
    return ", ".join(str(part) for part in parts if part is not None)
