"""A filler from an exported network: an ONNX file and what it says of its inputs. No torch.

Files of this project say it in their metadata; any other one is described by a table in a file
beside it (``NAME.toml`` or ``NAME.json``) or by an option; see :class:`Adapter`.
"""

import os
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as Waiting
from pathlib import Path
from threading import Lock
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from mendpix.errors import MendError, WeightsError
from mendpix.inpainting import input_requirements
from mendpix.inpainting.input_requirements import LARGEST
from mendpix.inpainting.onnx.description import Adapter
from mendpix.weights import cards

os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")  # it calls its maker from the import on

import onnxruntime

from mendpix.types import Hole, Photo, Progress

PATIENCE = 0.25  # seconds between two reports while the network runs
PROVIDERS = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider"}
KINDS = {
    "tensor(float)": np.float32,
    "tensor(float16)": np.float16,
    "tensor(double)": np.float64,
    "tensor(uint8)": np.uint8,
    "tensor(bool)": np.bool_,
}


class OnnxFiller:
    """Fill holes with an exported network, on any picture; known pixels are kept as they are.

    How the picture is cut, padded and resized: :func:`mendpix.inpainting.input_requirements.fill`,
    as for the network
    it was exported from. On the CPU the same picture gives the same bytes for any number of
    threads. One call at a time runs; others wait.

    Attributes:
        card: what the file says of itself; empty where it says nothing.
        starts_with: the name of the filler that fills the hole before the network sees it; ""
            where it wants none.
        start: that filler; whoever makes an OnnxFiller sets it (``mendpix.load`` does).

    Args:
        path: the ``.onnx`` file.
        adapter: its description, or the table of one; None: from the file, or from beside it.
        threads: how many may run; None: one per processor.
        device: "auto" and "cpu" run on the CPU; "cuda" needs an ONNX Runtime that has it.
        largest: pixels that a network without a size of its own is given at once.

    Raises:
        WeightsError: no such file, a damaged one, or one that nothing describes.
        MendError: a device that is not there.
    """

    channels: ClassVar[Literal[3]] = 3

    def __init__(
        self,
        path: str | Path,
        adapter: Adapter | Mapping[str, Any] | None = None,
        *,
        threads: int | None = None,
        device: str = "auto",
        largest: int = LARGEST,
    ) -> None:
        self.path = Path(path)
        self.card = _card(self.path)
        self.session = _session(self.path, threads, device)
        self.adapter = _adapter(self.path, self.card, adapter)
        self.adapter.check_names(
            [one.name for one in self.session.get_inputs()],
            [one.name for one in self.session.get_outputs()],
            str(self.path),
        )
        self.needs = self.adapter.needs(largest)
        self.starts_with = self.adapter.start
        self.start: input_requirements.Start | None = None
        self._kinds = {one.name: KINDS.get(one.type) for one in self.session.get_inputs()}
        self._lock = Lock()

    def __call__(self, photo: Photo, hole: Hole, progress: Progress | None = None) -> Photo:
        """Fill ``photo`` ``(H, W, 3)`` float32 in [0, 1] where ``hole`` ``(H, W)`` is True.

        Args:
            progress: told the share done, four times a second; may raise to stop.

        Raises:
            TensorError: an array of another shape, kind or range.
            WeightsError: the network cannot run, gives no numbers or another shape, or nobody
                has set the filler that it starts with.
        """
        if self.starts_with and self.start is None:
            raise WeightsError(
                f"{self.path} wants holes filled by {self.starts_with!r} first; "
                "get it with mendpix.load(), or set .start"
            )
        with self._lock:
            return input_requirements.fill(photo, hole, self.needs, self._run, self.start, progress)

    def refine(self, photo: Photo, hole: Hole, progress: Progress | None = None) -> Photo:
        """Go over the hole of a photo that is filled already; see ``input_requirements.refine``.

        Raises what a call raises.
        """
        with self._lock:
            return input_requirements.refine(photo, hole, self.needs, self._run, progress)

    def _run(self, photo: Photo, hole: Hole, progress: Progress | None = None) -> Photo:
        feed = self.adapter.feed(photo, hole)
        feed = {name: _as(value, self._kinds[name]) for name, value in feed.items()}
        wanted = self.adapter.output or self.session.get_outputs()[0].name
        made = self.adapter.read(self._ran(wanted, feed, progress))
        if made.shape != photo.shape:
            raise WeightsError(
                f"{self.path} made {made.shape} of a picture of {photo.shape}; "
                "set 'size' or 'multiple' in its description"
            )
        if not np.isfinite(made).all():
            raise WeightsError(f"{self.path} gave values that are no numbers; it is broken")
        return made

    def _ran(
        self, wanted: str, feed: dict[str, NDArray[Any]], progress: Progress | None
    ) -> NDArray[Any]:
        """The output; while the network runs, ``progress`` may stop it."""
        options = onnxruntime.RunOptions()

        def run() -> NDArray[Any]:
            try:
                return np.asarray(self.session.run([wanted], feed, options)[0])
            except Exception as problem:  # onnxruntime has a dozen kinds without a common parent
                raise WeightsError(f"{self.path} cannot run: {_short(problem)}") from None

        if progress is None:
            return run()
        with ThreadPoolExecutor(1) as pool:
            waiting = pool.submit(run)
            try:
                while True:
                    try:
                        return waiting.result(PATIENCE)
                    except Waiting:
                        progress(0.0)
            except BaseException:
                options.terminate = True
                raise


def _as(value: NDArray[np.float32], kind: type[Any] | None) -> NDArray[Any]:
    return np.rint(value).astype(kind) if kind is np.uint8 else value.astype(kind, copy=False)


def _short(problem: Exception) -> str:
    return " ".join(str(problem).split())[:200]


def processors() -> int:
    """How many processors this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _session(path: Path, threads: int | None, device: str) -> Any:
    """The network, ready to run.

    All optimisations are on: the blocked layout that they bring is what makes sums independent
    of how many threads share them.
    """
    kind = "cpu" if device == "auto" else device.split(":")[0]
    there = [name for name, own in PROVIDERS.items() if own in _providers()]
    if kind not in there:
        raise MendError(f"{path} runs on {' or '.join(there)} here, not on {device}")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = max(1, threads or processors())
    options.inter_op_num_threads = 1
    options.use_deterministic_compute = True
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # to other work's cost
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    options.log_severity_level = 3
    provider = PROVIDERS[kind]
    settings = {"device_id": device.partition(":")[2] or "0"} if kind == "cuda" else {}
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=[(provider, settings)])
    except Exception as problem:  # see above
        raise WeightsError(f"{path} cannot be opened: {_short(problem)}") from None


def runs_on(device: str) -> bool:
    """Whether this ONNX Runtime knows the kind of device, such as "cuda:1"."""
    return PROVIDERS.get(device.split(":")[0]) in _providers()


def _providers() -> list[str]:
    return list(onnxruntime.get_available_providers())


def _card(path: Path) -> dict[str, Any]:
    try:
        return cards.card(path)
    except WeightsError as problem:
        if "holds no card" in str(problem):
            return {}
        raise


def _adapter(
    path: Path, card: Mapping[str, Any], given: Adapter | Mapping[str, Any] | None
) -> Adapter:
    if isinstance(given, Adapter):
        return given
    if given is not None:
        return Adapter.of(given, "the adapter")
    if "adapter" in card:
        return Adapter.of(card["adapter"], str(path))
    for suffix in (".toml", ".json"):
        beside = path.with_suffix(suffix)
        if beside.is_file():
            return Adapter.read_from(beside)
    raise WeightsError(
        f"{path} does not say what it takes and gives; describe it in {path.stem}.toml beside it "
        "(docs/models.md shows how)"
    )
