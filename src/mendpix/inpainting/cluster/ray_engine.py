"""Fill the tasks of a job on a Ray cluster: Ray Data streams them to actors that hold the filler.

Ray Data keeps only as much under way as the actors can take, starts a new actor for one that dies
and gives its tasks to it. A picture that ends its worker ``TRIES`` times is a failed one.
"""

import logging
import os
import pickle
import socket
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from mendpix import __version__
from mendpix.errors import MendError
from mendpix.inpainting.cluster.remote_filler import RemoteFiller, RemoteJob, RemoteResult
from mendpix.inpainting.cluster.tasks import RemoteTask
from mendpix.inpainting.registry import find_model_files, open_filler
from mendpix.io.storage import LocalStorage

TRIES = 3
"""How many workers may die of a picture."""

BLOCK = 4
"""Tasks that travel together: a killed worker's block is looked through again."""

MOST_BLOCKS = 100_000
"""Of one job, which keeps Ray Data's own bookkeeping small."""


@dataclass(frozen=True, slots=True)
class ClusterOptions:
    """Where a job runs, and what each of its workers takes.

    Attributes:
        address: of a cluster, "auto" for the one that this machine is part of; "": a cluster of
            this machine alone, which ends with the job.
        workers: how many; 0: as many as the cluster has room for.
        cpus: processors of each worker, which are its threads.
        gpus: of each worker; a share such as 0.25 puts four on one.
    """

    address: str = ""
    workers: int = 0
    cpus: int = 1
    gpus: float = 0.0


class TryCounter:
    """Counts how often each picture was begun; one actor of a job, which its workers ask."""

    def __init__(self) -> None:
        self._begun: dict[str, int] = {}

    def begin(self, name: str) -> int:
        """The number of this try, from 1."""
        self._begun[name] = self._begun.get(name, 0) + 1
        return self._begun[name]

    def end(self, name: str) -> None:
        """Forget a picture that is done."""
        self._begun.pop(name, None)


class FillActor:
    """A worker: opened once, then called with rows of a dataset.

    Args:
        counter: a handle of a :class:`TryCounter`.
    """

    def __init__(self, job: RemoteJob, counter: Any) -> None:
        self.filler, self.counter = RemoteFiller(job), counter

    def __call__(self, row: dict[str, Any]) -> dict[str, Any]:
        """Fill the row's task; the result is pickled, since a column holds no objects."""
        task = RemoteTask(row["photo"], row["mask"], row["out"])
        tried = _import_ray().get(self.counter.begin.remote(task.out)) - 1
        if tried >= TRIES:
            reason = f"{tried} workers ended in the middle of it, perhaps for lack of memory"
            result = self.filler.fail(task, reason)
        else:
            result = self.filler(task)
        self.counter.end.remote(task.out)
        return {"result": pickle.dumps(result)}


class RayEngine:
    """A connection to a cluster, which is left when the block ends.

    Raises:
        MendError: Ray is not installed, there is no cluster at the address, or it has no room.
    """

    def __init__(self, options: ClusterOptions) -> None:
        self.options = options

    def __enter__(self) -> "RayEngine":
        ray = _import_ray()
        quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
        if not self.options.address:
            cpus = self.options.workers * self.options.cpus or None
            quiet |= {"num_cpus": cpus, "include_dashboard": False}
        try:
            _check_reachable(self.options.address)
            with _silence_errors():
                ray.init(address=self.options.address or "local", **quiet)
        except (ConnectionError, ValueError, OSError, RuntimeError) as problem:
            where = self.options.address or "this machine"
            raise MendError(f"no Ray cluster at {where}: {str(problem).splitlines()[0]}") from None
        return self

    def __exit__(self, *error: object) -> None:
        _import_ray().shutdown()

    def check_nodes(self, job: RemoteJob) -> None:
        """Make sure that every machine has this version and the job's models, and compile there.

        Raises:
            MendError: names each machine that has not, and what it lacks.
        """
        ray = _import_ray()
        nodes = [node for node in ray.nodes() if node["Alive"]]
        check = ray.remote(num_cpus=0, max_retries=1)(check_node)
        pending = [
            check.options(scheduling_strategy=_on_node(node["NodeID"])).remote(job, __version__)
            for node in nodes
        ]
        problems = []
        for node, future in zip(nodes, pending, strict=True):
            try:
                problem = ray.get(future)
            except ray.exceptions.RayError as error:
                problem = str(error).strip().splitlines()[-1]
            if problem:
                problems.append(f"{node['NodeManagerHostname']}: {problem}")
        if problems:
            raise MendError("not every machine is ready: " + "; ".join(problems))

    def count_workers(self) -> int:
        """How many workers the cluster has room for, or as many as were asked for.

        Raises:
            MendError: there is no room for one.
        """
        ray, options = _import_ray(), self.options
        has = ray.cluster_resources()
        room = int(has.get("CPU", 0) // options.cpus)
        if options.gpus:
            room = min(room, int(has.get("GPU", 0) / options.gpus))
        if not room:
            raise MendError(
                f"the cluster has {has.get('CPU', 0):g} processors and {has.get('GPU', 0):g} GPUs "
                f"but a worker takes {options.cpus} and {options.gpus:g}; ask for less"
            )
        return min(options.workers or room, room)

    def fill(self, job: RemoteJob, tasks: Sequence[RemoteTask]) -> Iterator[RemoteResult]:
        """Fill tasks; yields each result as it is there, in any order."""
        ray, count = _import_ray(), min(self.count_workers(), len(tasks))
        runtime = replace(job.settings.runtime, threads=self.options.cpus)
        job = replace(job, settings=replace(job.settings, runtime=runtime))
        counter = ray.remote(num_cpus=0, max_restarts=-1)(TryCounter).remote()
        rows = [{"photo": one.photo, "mask": one.mask, "out": one.out} for one in tasks]
        blocks = min(-(-len(rows) // BLOCK), max(MOST_BLOCKS, count))
        dataset = ray.data.from_items(rows, override_num_blocks=blocks).map(
            FillActor,
            fn_constructor_args=(job, counter),
            compute=ray.data.ActorPoolStrategy(size=count),
            num_cpus=self.options.cpus,
            num_gpus=self.options.gpus or None,
        )
        for row in dataset.iter_rows():
            yield pickle.loads(row["result"])  # from our own workers


def check_node(job: RemoteJob, version: str) -> str:
    """What a machine lacks for a job, "" for nothing; its kernels are compiled."""
    if __version__ != version:
        return f"it has mendpix {__version__}, the job was started by {version}"
    try:
        files = {path.name: path for path in find_model_files(job.settings.model)}
        for name, digest in job.description.models.items():
            if name in files and LocalStorage().digest(str(files[name])) != digest:
                return f"its {files[name]} is another file than the one that was chosen"
        open_filler(job.settings).prepare()
    except (MendError, OSError) as problem:
        return str(problem)
    return ""


def _check_reachable(address: str) -> None:
    """Raise OSError where nothing listens at host:port, where Ray would try for minutes."""
    host, colon, port = address.removeprefix("ray://").rpartition(":")
    if colon and port.isdecimal():
        socket.create_connection((host.strip("[]"), int(port)), timeout=10).close()


@contextmanager
def _silence_errors() -> Iterator[None]:
    """Drop what is written to standard error below Python, where Ray tells of its settings."""
    sys.stderr.flush()
    before, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(before, 2)
        os.close(before)
        os.close(nowhere)


def _on_node(node: str) -> Any:
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    return NodeAffinitySchedulingStrategy(node, soft=False)


def _import_ray() -> Any:
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")  # before Ray reads it
    try:
        import ray
        import ray.data
    except ImportError as missing:
        raise MendError(
            f"--engine ray needs {missing.name}, which is not installed; "
            "run: pip install 'mendpix[ray]'"
        ) from None
    for name in ("ray", "ray.data"):  # plans and warnings, which are for who develops on Ray
        logging.getLogger(name).setLevel(logging.ERROR)
    ray.data.DataContext.get_current().enable_progress_bars = False
    return ray
