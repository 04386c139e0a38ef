"""Worker processes that share out tasks.

A worker that dies costs the task it was at and is replaced; the other tasks lose nothing. Each
worker has a pipe of its own, so it is known which task was whose, and no lock or queue is left in
the hands of the dead (which is why a pool of `concurrent.futures` breaks as a whole).
"""

import contextlib
import multiprocessing
import os
import pickle
import signal
import sys
import threading
import time
import traceback
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from multiprocessing.connection import wait
from typing import Any, Generic, TypeVar

Shared = TypeVar("Shared")
Task = TypeVar("Task")
Result = TypeVar("Result")

GRACE = 5.0
"""Seconds that a worker has to remove its temporary files when it is told to end."""


@dataclass(frozen=True, slots=True)
class Death:
    """A worker that ended in the middle of its task.

    Attributes:
        code: its exit code; negative: the number of the signal that ended it.
    """

    code: int | None

    def __str__(self) -> str:
        return f"its process {self._how()}, perhaps for lack of memory"

    def _how(self) -> str:
        if self.code is None or self.code >= 0:
            return f"ended by itself with exit code {self.code}"
        known = {number.value: number.name for number in signal.Signals}
        return f"was killed ({known.get(-self.code, f'signal {-self.code}')})"


def share_out(
    begin: Callable[[Shared], Callable[[Task], Result]],
    shared: Shared,
    tasks: Sequence[Task],
    count: int,
    backlog: "Backlog[Task] | None" = None,
) -> Generator[tuple[Task, Result | Death], None, None]:
    """Work on tasks in several processes; yields each with its result, in the order they end.

    Closing the generator ends the workers. They ignore Ctrl-C, which is their parent's to hear, and
    end when their parent does, however it ends.

    Args:
        begin: called once in each worker, with ``shared``; returns what works on a task. Like
            ``shared``, tasks and results, it must be picklable.
        count: how many workers.
        backlog: of these tasks, where not every one may be under way beside any other.

    Raises:
        Exception: what ``begin`` or the work raised, with the worker's traceback as a note.
    """
    backlog = backlog or Backlog(tasks)
    team: list[Worker[Task, Result]] = []
    try:
        while backlog or team:
            while len(team) < count and (more := backlog.take()):
                team.append(Worker(begin, shared, more[0]))
            for worker in _answering(team):
                task, result = worker.task, worker.answer()
                backlog.finish(task)
                following = [] if isinstance(result, Death) else backlog.take()
                if following:
                    worker.give(following[0])
                else:
                    team.remove(worker)
                    worker.dismiss()
                yield task, result
    finally:
        for worker in team:
            worker.end()


class Backlog(Generic[Task]):
    """The tasks that wait, in order, and how much may be under way at once.

    Args:
        cost: of a task, in any unit; asked for when its turn comes.
        room: how much all tasks under way may cost together; one that costs more runs alone.
    """

    LOOKAHEAD = 64
    """Waiting tasks that are looked at for one that fits."""

    def __init__(
        self,
        tasks: Iterable[Task],
        cost: Callable[[Task], float] = lambda task: 0.0,
        room: float = float("inf"),
    ) -> None:
        self.waiting = deque(tasks)
        self.room = room
        self._measure_cost = cost
        self._costs: dict[int, float] = {}  # of the waiting tasks looked at, by the task's id
        self._under_way: list[tuple[Task, float]] = []

    def __bool__(self) -> bool:
        return bool(self.waiting)

    def take(self) -> list[Task]:
        """The next task that fits, now under way; none where none fits."""
        free = self.room - sum(cost for _, cost in self._under_way)
        for place, task in enumerate(islice(self.waiting, self.LOOKAHEAD)):
            if not self._under_way or self._cost(task) <= free:
                del self.waiting[place]
                self._under_way.append((task, self._cost(task)))
                self._costs.pop(id(task))
                return [task]
        return []

    def finish(self, task: Task) -> None:
        """The task is no longer under way."""
        place = next(i for i, (other, _) in enumerate(self._under_way) if other is task)
        del self._under_way[place]

    def _cost(self, task: Task) -> float:
        if id(task) not in self._costs:
            self._costs[id(task)] = self._measure_cost(task)
        return self._costs[id(task)]


class Worker(Generic[Task, Result]):
    """A process with a pipe to it, and the task it is at."""

    def __init__(
        self,
        begin: Callable[[Shared], Callable[[Task], Result]],
        shared: Shared,
        task: Task,
    ) -> None:
        context = multiprocessing.get_context("spawn")
        self.connection, theirs = context.Pipe()
        self.process = context.Process(target=_serve, args=(theirs, begin, shared), daemon=True)
        with _interrupts_blocked():
            self.process.start()
        theirs.close()  # so that the pipe ends when the process does
        self.give(task)

    def give(self, task: Task) -> None:
        """Send a task; where the worker is dead, its answer will say so."""
        self.task = task
        with contextlib.suppress(OSError):
            self.connection.send(task)

    def answer(self) -> Result | Death:
        """Wait for the result of the task."""
        try:
            answer: Any = self.connection.recv()
        except (EOFError, OSError):
            self.process.join()
            return Death(self.process.exitcode)
        if isinstance(answer, _Raised):
            raise answer.error
        result: Result = answer
        return result

    def dismiss(self) -> None:
        """Let it end by itself, now that it has no task."""
        self.connection.close()
        self.process.join(GRACE)
        self._kill()

    def end(self) -> None:
        """End it in the middle of its task."""
        self.process.terminate()
        self.dismiss()

    def _kill(self) -> None:
        if self.process.is_alive():
            self.process.kill()
            self.process.join()


@dataclass(frozen=True, slots=True)
class _Raised:
    """What was raised instead of a result."""

    error: Exception


def _answering(team: Sequence[Worker[Task, Result]]) -> list[Worker[Task, Result]]:
    """The workers that have answered or died; waits for one."""
    ready = wait([worker.connection for worker in team])
    return [worker for worker in team if worker.connection in ready]


@contextlib.contextmanager
def _interrupts_blocked() -> Iterator[None]:
    """A process started inside begins with Ctrl-C blocked, before it could ignore it by itself."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    from multiprocessing import resource_tracker

    resource_tracker.ensure_running()  # otherwise started inside, and it unblocks the signal
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _serve(connection: Any, begin: Callable[[Any], Callable[[Any], Any]], shared: Any) -> None:
    """A worker's life: tasks come and results go through its pipe, until that is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(1))  # runs `finally` blocks
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    threading.Thread(target=_follow_parent, daemon=True).start()
    work = None
    while True:
        try:
            task = connection.recv()
        except (EOFError, OSError):
            return
        try:
            work = work or begin(shared)
            answer = work(task)
        except Exception as error:
            answer = _Raised(_portable(error))
        connection.send(answer)


def _follow_parent() -> None:
    """End this process when its parent has ended, even in the middle of a task."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(GRACE)
    os._exit(1)


def _portable(error: Exception) -> Exception:
    """The error as it can be sent, with its traceback as a note."""
    trace = "".join(traceback.format_exception(error))
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:  # an error's own pickling may raise anything
        error = RuntimeError(f"{type(error).__name__}: {error}")
    error.add_note(trace)
    return error
