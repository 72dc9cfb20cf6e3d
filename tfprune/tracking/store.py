"""An open MLflow store: what is in it, and the recorder that adds to it."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path

from tfprune.errors import DamagedError, InputError, RunError, unknown_name
from tfprune.refused import refusals_told
from tfprune.tracking.candidates import (
    candidate_of_run,
    check_reference,
    several,
    without_latest,
)
from tfprune.tracking.client import DIGEST_TAG, MlflowClient
from tfprune.tracking.delivery import Delivery, deliver_some
from tfprune.tracking.entities import Point, RunInfo, number_of
from tfprune.tracking.errors import RejectedError, UnavailableError
from tfprune.tracking.journal import Journal
from tfprune.tracking.kept_files import digest
from tfprune.tracking.local import (
    folder_here,
    has_finished_here,
    prepare,
    require_database,
    run_here,
)
from tfprune.tracking.location import StoreLocation
from tfprune.tracking.logged_models import ModelInfo
from tfprune.tracking.recorder import Recorder
from tfprune.tracking.store_problem import StoreProblem, refill, store_problem
from tfprune.tracking.verify import Check, check, copy_problem, lost_files

_MIN_PREFIX = 4
#: the key of a level's run, and of a control's beside it: experiment, seed, level
_PLACE = re.compile(r"(.+)-s(\d+)-l(\d+)(?:-[a-z].*)?")


def open_store(location: StoreLocation, *, create: bool = True) -> Store:
    """Return the store, ready: tables made, artifact paths true, the experiment there.

    With `create=False` (for commands that only read) a missing database or experiment raises
    StoreProblem, and so does a store that does not answer or can't be used. Raises InputError
    when the experiment's name belongs to a deleted one.
    """
    if not create:
        require_database(location)
    try:
        prepare(location)
        client = MlflowClient(location.uri, artifact_root=location.artifact_root)
        problem = client.open_experiment(location.experiment, create=create)
    except (UnavailableError, RejectedError) as error:
        raise store_problem(error, location) from error
    if problem == "missing":
        raise StoreProblem(
            f"the MLflow store {location.shown} has no experiment {location.experiment!r}",
            is_missing=True,
            remedy="Give the name of one that is there with --experiment.",
        )
    if problem is not None:
        number = problem.removeprefix("deleted ")
        raise InputError(
            f"the experiment {location.experiment!r} was deleted in {location.shown}, and MLflow "
            "keeps its name taken. Give another --experiment, or restore it with: "
            f"mlflow experiments restore --experiment-id {number}"
        )
    return Store(location, client)


def check_store(location: StoreLocation) -> None:
    """Raise what `open_store` would, as far as it can be known without creating anything."""
    try:
        open_store(location, create=False)
    except StoreProblem as problem:
        if not problem.is_missing:
            raise


class Store:
    """The runs of one experiment; made by `open_store`.

    Methods that read raise InputError for a run that is not there and RunError when the store
    does not answer.
    """

    def __init__(self, location: StoreLocation, client: MlflowClient) -> None:
        self.location = location
        self._client = client

    def record(self, folder: Path | str, *, on_gap: Callable[[str], None]) -> Recorder:
        """Return a recorder that keeps its journal in `folder`; see `Recorder`."""
        return Recorder(self._client, folder, on_gap=on_gap)

    def sync(
        self, folder: Path | str, *, anew: bool = False, has_finished: bool = False
    ) -> Delivery:
        """Deliver what an earlier run left in its journal; return how it stands.

        With `anew` everything that the run logged, as if nothing had been delivered yet: a store
        that knows nothing of it is filled, and one that has it keeps what it has.
        MLflow runs that its process left open (kill -9) are marked KILLED, or FINISHED where the
        experiment is known to have finished, or the store says so of them. Stops when the store
        does not answer: then `left` is not 0. Raises InputError when the folder holds no journal
        or its run is still going.
        """
        if not (Path(folder) / "records.jsonl").exists():
            raise InputError(f"{folder} holds no journal: expected records.jsonl in it.")
        journal = Journal(Path(folder), store=self._client.identity, anew=anew)
        n_delivered = n_rejected = 0
        try:
            journal.finish_open_runs(
                "KILLED", finished=lambda key: has_finished or self._has_finished(journal, key)
            )
            while not journal.is_delivered:
                done = deliver_some(journal, self._client, lambda _: None)
                n_delivered += done.delivered
                n_rejected += done.rejected
        except UnavailableError:
            pass  # what is left says so
        finally:
            left = journal.n_pending()
            journal.close()
        damage = journal.damage
        if not (anew or left):
            refused = (Path(folder) / "rejected.jsonl").exists()
            lacking = "" if refused else self.lacking(folder)
            damage = " ".join(filter(None, [damage, self._lost_files(Path(folder)), lacking]))
        return Delivery(n_delivered, left, n_rejected, damage)

    def _lost_files(self, folder: Path) -> str:
        """Return which files neither the store nor the journal holds as they were logged."""
        try:
            lost = lost_files(folder, self._client)
        except UnavailableError:  # whoever delivers next says so
            return ""
        if not lost:
            return ""
        more = f", and {len(lost) - 3} more" if len(lost) > 3 else ""
        noun = "file is" if len(lost) == 1 else "files are"
        return (
            f"{len(lost)} {noun} lost: {'; '.join(lost[:3])}{more}. Put them back from a backup, "
            "here or there."
        )

    def _has_finished(self, journal: Journal, key: str) -> bool:
        """Return whether the store knows the end of a run that a damaged journal lacks."""
        run_id = journal.run_ids.get(key) if journal.damage else None
        if run_id is None:
            return False
        try:
            run = self._client.get_run(run_id)
        except RejectedError:
            return False
        return (run.key, run.status) == (key, "FINISHED")

    def lacking(self, folder: Path | str) -> str:
        """Return what the store lacks of what was delivered to it, empty where nothing is seen."""
        folder = Path(folder)
        if not (folder / "records.jsonl").exists():
            return ""
        try:
            found = check(folder, self._client, thorough=False).differences
        except UnavailableError:  # whoever delivers next says so
            return ""
        if not found:
            return ""
        again = refill(folder.name) if self.location.artifact_root else refill(folder.name, "URI")
        more = f", and {len(found) - 1} more" if len(found) > 1 else ""
        return (
            f"The store lacks what was uploaded to it: {found[0]}{more}. An older copy of it was "
            f"put back, or runs were deleted there. Upload the whole run again with: {again}"
        )

    def check(self, folder: Path | str) -> Check:
        """Return what of the run whose journal is in `folder` is not as it was logged."""
        try:
            return check(Path(folder), self._client)
        except UnavailableError as error:
            raise self._lost(error) from error

    def find_run(self, reference: str) -> RunInfo:
        """Return the run meant by an id, a key, the beginning of either (4 letters) or a name.

        An id is found in every experiment, the rest in this one; NAME@latest is the newest that
        NAME could mean. Raises InputError with the nearest names when there is none, and with
        date and settings of the candidates when there are several.
        """
        check_reference(reference)
        try:
            return self._get(reference)
        except RejectedError as error:
            if "deleted" in str(error):
                raise InputError(
                    f"run {reference} was deleted. Restore it with: mlflow runs restore "
                    f"--run-id {reference}"
                ) from error
        runs = self.search_runs()
        wanted, latest = without_latest(reference)
        if any(reference == run.name for run in runs):
            wanted, latest = reference, False
        exact = [run for run in runs if wanted in (run.key, run.name)]
        found = exact or [
            run
            for run in runs
            if len(wanted) >= _MIN_PREFIX
            and (run.id.startswith(wanted) or (run.key or "").startswith(wanted))
        ]
        parents = [run for run in found if not run.is_part]
        found = parents or found
        if not found and (key := run_here(self.location, wanted)):
            raise InputError(
                f"run {reference!r} is not in the MLflow store, but its folder is here. Upload "
                f"it with: tfprune sync {key}"
            )
        whole, _, number = reference.rpartition(":")
        named = without_latest(whole)[0]
        if not found and number.isdigit() and any(named in (r.name, r.key, r.id) for r in runs):
            raise InputError(
                f"{reference!r} is a level, and a whole run is needed here: give {whole!r}."
            )
        if not found:
            listed = (None, "experiment")  # as 'tfprune runs' does
            names = [run.name for run in runs if not run.is_part and run.kind in listed]
            raise unknown_name("run", wanted, names, where="'tfprune runs' lists them all.")
        if len(found) > 1 and not latest:
            raise several(wanted, [candidate_of_run(run) for run in found])
        return max(found, key=lambda run: run.start_time)

    def _get(self, run_id: str) -> RunInfo:
        try:
            return self._client.get_run(run_id)
        except UnavailableError as error:
            raise self._lost(error) from error

    def _lost(self, error: UnavailableError) -> RunError:
        problem = store_problem(error, self.location)
        # that of a silent store is for its beginning: it answered then
        return RunError(problem.what if problem.is_silent else problem)

    def lacks_end_of(self, run: RunInfo) -> bool:
        """Return whether a run is here as one that has not finished, and by its folder it has."""
        return run.status != "FINISHED" and has_finished_here(self.location, run.key or run.id)

    def search_runs(self, query: str = "") -> list[RunInfo]:
        """Return the experiment's runs, newest first; `query` is MLflow's filter string."""
        try:
            return self._client.search_runs(query)
        except UnavailableError as error:
            raise self._lost(error) from error
        except RejectedError as error:
            raise InputError(f"run filter {query!r}: {error}") from error

    def children(self, run_id: str) -> list[RunInfo]:
        """Return the child runs, ordered by seed, then level.

        Raises DamagedError where the database contradicts itself on which level one is of.
        """
        runs = self.search_runs(f"tags.`mlflow.parentRunId` = '{run_id}'")
        parent = self._get(run_id).key if runs else None
        for run in runs:
            self._check_place(run, parent)
        return sorted(runs, key=lambda run: (number_of(run, "seed"), number_of(run, "level")))

    def _check_place(self, run: RunInfo, parent: str | None) -> None:
        """Raise DamagedError where a level's key and its params name different levels."""
        named = _PLACE.fullmatch(run.key or "")
        if named is None:  # not logged by an experiment
            return
        said = (parent, run.params.get("seed"), run.params.get("level"))
        if any(one not in (None, other) for one, other in zip(said, named.groups(), strict=True)):
            raise DamagedError(
                f"the MLflow store {self.location.shown}",
                f"run {run.id} is {run.key} by its key, and level {said[2]} of seed {said[1]} of "
                f"run {parent} by its params and its parent. What else differs from what was "
                f"logged is told by: tfprune sync {named[1]} --check",
            )

    def child(self, run_id: str, *, level: int, seed: int | None = None) -> RunInfo:
        """Return the child run of a level; `seed` may be left out where there is one only."""
        # controls are children too, but stand beside a level
        children = [run for run in self.children(run_id) if run.kind in (None, "level")]
        found = [
            run
            for run in children
            if number_of(run, "level") == level and seed in (None, number_of(run, "seed"))
        ]
        if len(found) == 1:
            return found[0]
        if found:
            seeds = ", ".join(str(number_of(run, "seed")) for run in found)
            raise InputError(
                f"run {run_id} has level {level} for seeds {seeds}: choose one of the seeds."
            )
        levels = sorted({number_of(run, "level") for run in children})
        raise InputError(
            f"run {run_id} has no level {level}"
            + (f" with seed {seed}" if seed is not None else "")
            + (f"; its levels are {', '.join(map(str, levels))}." if levels else "; it has none.")
        )

    def logged_models(self, run_id: str) -> list[ModelInfo]:
        """Return the models that a run logged, by name, with their metrics and data sets."""
        try:
            return self._client.logged_models(run_id)
        except UnavailableError as error:
            raise self._lost(error) from error

    def register_model(self, name: str, run_id: str, path: str, *, tags: Mapping[str, str]) -> str:
        """Register a run's logged model as the next version of `name`; return the version."""
        models = [model for model in self.logged_models(run_id) if model.name == path]
        # not by models:/<id>, which MLflow's registry looks up in the default store
        source = models[0].location if models else f"{self._get(run_id).artifact_uri}/{path}"
        try:
            return self._client.register_model(
                name, source, run_id, tags, model=models[0].id if models else None
            )
        except UnavailableError as error:
            raise self._lost(error) from error
        except RejectedError as error:
            raise InputError(f"model name {name!r}: {error}") from error

    def metric_history(self, run_id: str, key: str) -> list[Point]:
        """Return all points of one metric, ordered by step."""
        try:
            return self._client.metric_history(run_id, key)
        except UnavailableError as error:
            raise self._lost(error) from error

    def list_artifacts(self, run_id: str, folder: str | None = None) -> list[str]:
        """Return the paths of a run's artifacts, sorted, from `folder` downwards."""
        try:
            return self._client.list_artifacts(run_id, folder)
        except UnavailableError as error:
            raise self._lost(error) from error

    def download_artifact(
        self, run_id: str, path: str, destination: Path | str | None = None
    ) -> Path:
        """Return where the artifact lies on this machine: fetched if need be, else in place.

        Without `destination` a remote artifact goes into a temporary folder. Raises DamagedError
        where the run has a checksum of it (see `Run.log_file`) and it is something else.
        """
        target = Path(destination) if destination is not None else None
        run: RunInfo | None = None
        try:
            run = self._client.get_run(run_id)
            found = self._client.download(run_id, path, target)
        except (UnavailableError, RejectedError) as error:
            known = self.list_artifacts(run_id)
            if path not in known:
                if run is not None and f"{DIGEST_TAG}{path}" in run.tags:
                    raise self._gone(run, path) from error
                raise unknown_name(f"artifact of run {run_id}", path, known) from error
            raise RunError(f"artifact {path!r} of run {run_id} can't be read: {error}") from error
        logged = run.tags.get(f"{DIGEST_TAG}{path}")
        with refusals_told("read", place=found):
            if logged is not None and digest(found) != logged:
                raise DamagedError(
                    f"{path} of run {run_id} ({found})",
                    f"it is not what was logged{self._copy_of(run, path)}",
                )
        return found

    def has_artifact(self, run: RunInfo, path: str) -> bool:
        """Return whether a run has this file.

        Raises DamagedError where it was logged, by the checksum that the run has of it, and is
        gone.
        """
        if path in self.list_artifacts(run.id):
            return True
        if f"{DIGEST_TAG}{path}" in run.tags:
            raise self._gone(run, path)
        return False

    def _gone(self, run: RunInfo, path: str) -> DamagedError:
        return DamagedError(
            f"{path} of run {run.id}", f"it is gone from the store{self._copy_of(run, path)}"
        )

    def _copy_of(self, run: RunInfo, path: str) -> str:
        """Return what became of the copy of a file that the store has lost, and what to do."""
        folder = folder_here(self.location, run.key or "")
        problem = None if folder is None else copy_problem(folder, run.key or "", path)
        if folder is None or problem is None:
            return (
                "; where the folder of its run holds it, it is stored again with: tfprune sync "
                f"{run.key or 'RUN'} --to URI"
            )
        if problem:
            return f", and its copy is lost too: {problem}. Put back either of them from a backup"
        return f"; its copy is whole, store it again with: {refill(folder.name)}"

    def read_text(self, run_id: str, path: str) -> str:
        """Return the text of an artifact (UTF-8); raises as `download_artifact` does."""
        found = self.download_artifact(run_id, path)
        try:
            with refusals_told("read", place=found):
                return found.read_text(encoding="utf-8")
        except UnicodeDecodeError as error:
            raise DamagedError(
                f"{path} of run {run_id} ({found})", f"it is not UTF-8 text ({error.reason})"
            ) from error
