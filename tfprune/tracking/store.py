"""An open MLflow store: what is in it, and the recorder that adds to it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from tfprune.errors import DamagedError, InputError, RunError, unknown_name
from tfprune.tracking.candidates import Candidate, several, without_latest
from tfprune.tracking.client import DIGEST_TAG, MlflowClient, Point, RunInfo
from tfprune.tracking.delivery import Delivery, deliver_some
from tfprune.tracking.errors import RejectedError, UnavailableError
from tfprune.tracking.journal import Journal
from tfprune.tracking.kept_files import digest
from tfprune.tracking.local import prepare, require_database
from tfprune.tracking.location import StoreLocation
from tfprune.tracking.logged_models import ModelInfo
from tfprune.tracking.recorder import Recorder
from tfprune.tracking.store_problem import StoreProblem, store_problem

_MIN_PREFIX = 4


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

    def sync(self, folder: Path | str, *, anew: bool = False) -> Delivery:
        """Deliver what an earlier run left in its journal; return how it stands.

        With `anew` everything that the run logged, as if nothing had been delivered yet: a store
        that knows nothing of it is filled, and one that has it keeps what it has.
        MLflow runs that its process left open (kill -9) are marked KILLED. Stops when the store
        does not answer: then `left` is not 0. Raises InputError when the folder holds no journal
        or its run is still going.
        """
        if not (Path(folder) / "records.jsonl").exists():
            raise InputError(f"{folder} holds no journal: expected records.jsonl in it.")
        journal = Journal(Path(folder), store=self._client.identity, anew=anew)
        n_delivered = n_rejected = 0
        try:
            journal.finish_open_runs("KILLED")
            while not journal.is_delivered:
                done = deliver_some(journal, self._client, lambda _: None)
                n_delivered += done.delivered
                n_rejected += done.rejected
        except UnavailableError:
            pass  # what is left says so
        finally:
            left = journal.n_pending()
            journal.close()
        return Delivery(n_delivered, left, n_rejected, journal.damage)

    def find_run(self, reference: str) -> RunInfo:
        """Return the run meant by an id, a key, the beginning of either (4 letters) or a name.

        An id is found in every experiment, the rest in this one; NAME@latest is the newest that
        NAME could mean. Raises InputError with the nearest names when there is none, and with
        date and settings of the candidates when there are several.
        """
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
        parents = [run for run in found if run.parent_id is None]
        found = parents or found
        if not found:
            names = [run.name for run in runs if run.parent_id is None]
            raise unknown_name("run", wanted, names, where="'tfprune ui' shows them all.")
        if len(found) > 1 and not latest:
            raise several(wanted, [_candidate(run) for run in found])
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

    def search_runs(self, query: str = "") -> list[RunInfo]:
        """Return the experiment's runs, newest first; `query` is MLflow's filter string."""
        try:
            return self._client.search_runs(query)
        except UnavailableError as error:
            raise self._lost(error) from error
        except RejectedError as error:
            raise InputError(f"run filter {query!r}: {error}") from error

    def children(self, run_id: str) -> list[RunInfo]:
        """Return the child runs, ordered by seed, then level."""
        runs = self.search_runs(f"tags.`mlflow.parentRunId` = '{run_id}'")
        return sorted(runs, key=lambda run: (_number(run, "seed"), _number(run, "level")))

    def child(self, run_id: str, *, level: int, seed: int | None = None) -> RunInfo:
        """Return the child run of a level; `seed` may be left out where there is one only."""
        # controls are children too, but stand beside a level
        children = [run for run in self.children(run_id) if run.kind in (None, "level")]
        found = [
            run
            for run in children
            if _number(run, "level") == level and seed in (None, _number(run, "seed"))
        ]
        if len(found) == 1:
            return found[0]
        if found:
            seeds = ", ".join(str(_number(run, "seed")) for run in found)
            raise InputError(f"run {run_id} has level {level} for seeds {seeds}: say which seed.")
        levels = sorted({_number(run, "level") for run in children})
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
        try:
            found = self._client.download(run_id, path, target)
            logged = self._client.get_run(run_id).tags.get(f"{DIGEST_TAG}{path}")
        except (UnavailableError, RejectedError) as error:
            known = self.list_artifacts(run_id)
            if path not in known:
                raise unknown_name(f"artifact of run {run_id}", path, known) from error
            raise RunError(f"artifact {path!r} of run {run_id} can't be read: {error}") from error
        if logged is not None and digest(found) != logged:
            raise DamagedError(
                f"{path} of run {run_id} ({found})",
                "it is not what was logged; 'tfprune sync RUN --to URI' stores it again from the "
                "folder of its run",
            )
        return found

    def read_text(self, run_id: str, path: str) -> str:
        """Return the text of an artifact (UTF-8)."""
        return self.download_artifact(run_id, path).read_text(encoding="utf-8")


def _candidate(run: RunInfo) -> Candidate:
    """Return what tells a run from others of its name: when it began, and its settings."""
    settings = {name: value for name, value in run.params.items() if name[:1].islower()}
    return Candidate(run.id, run.name, run.start_time / 1000, settings)


def _number(run: RunInfo, param: str) -> int:
    try:
        return int(run.params[param])
    except (KeyError, ValueError):
        return -1
