"""A filler from an exported network: an ONNX file and what it says of its inputs. No torch.

Files of this project say it in their metadata; any other one is described by a table in a file
beside it (``NAME.toml`` or ``NAME.json``) or by an option; see :class:`OnnxDescription`.
"""

import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from threading import Lock
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from mendpix.errors import MendError, WeightsError
from mendpix.inpainting import input_requirements, windows
from mendpix.inpainting.input_requirements import LARGEST
from mendpix.inpainting.onnx import layout
from mendpix.inpainting.onnx.description import PLANES, OnnxDescription
from mendpix.weights import cards

os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")  # it calls its maker from the import on

import onnxruntime

from mendpix.types import Hole, Photo, Progress, processors

REPORT_SECONDS = 0.25  # seconds between two reports while the network runs
PROVIDERS = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider"}
TYPES = {
    "tensor(float)": np.float32,
    "tensor(float16)": np.float16,
    "tensor(double)": np.float64,
    "tensor(uint8)": np.uint8,
    "tensor(bool)": np.bool_,
}


class OnnxFiller:
    """Fill holes with an exported network, on any picture; known pixels are kept as they are.

    How the picture is cut, padded and resized: :func:`mendpix.inpainting.input_requirements.fill`,
    as for the network it was exported from. On the CPU the same picture gives the same bytes for
    any number of threads. One call at a time runs; others wait.

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
        adapter: OnnxDescription | Mapping[str, Any] | None = None,
        *,
        threads: int | None = None,
        device: str = "auto",
        largest: int = LARGEST,
    ) -> None:
        self.path = Path(path)
        self.threads, self._device = threads, device
        self.card = _card(self.path)
        self.description = _description(self.path, self.card, adapter)
        inputs, outputs = self.session.get_inputs(), self.session.get_outputs()
        self.description.check_names(
            [one.name for one in inputs], [one.name for one in outputs], str(self.path)
        )
        self._arrange_axes(inputs)
        self.requirements = self.description.requirements(largest)
        self.starts_with = self.description.start
        self.start: input_requirements.Start | None = None
        self._types = {one.name: TYPES.get(one.type) for one in inputs}
        self._output = self.description.output or outputs[0].name
        self._lock = Lock()

    def _arrange_axes(self, inputs: Sequence[Any]) -> None:
        """Take axes and a fixed size from the graph, where the description does not say them."""
        self._axes: dict[str, str] = {}
        for one in inputs:
            channels = sum(PLANES[plane] for plane in self.description.inputs[one.name])
            place = f"{self.path}: its input {one.name}"
            axes = layout.find_axes(one.shape, channels, self.description.layout, place)
            if axes != "NCHW":
                self._axes[one.name] = axes
            size = layout.find_size(one.shape, axes)
            if size is not None and self.description.size is None:
                side = size[0] if size[0] == size[1] else size
                self.description = replace(self.description, size=side)

    def __getstate__(self) -> dict[str, Any]:
        """All but the session, which another process opens on first use."""
        left_out = ("session", "_lock")
        return {name: value for name, value in self.__dict__.items() if name not in left_out}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state, _lock=Lock())

    @cached_property
    def session(self) -> Any:
        """The network, ready to run.

        All optimisations are on: the blocked layout that they bring is what makes sums independent
        of how many threads share them.
        """
        device = self._device
        kind = "cpu" if device == "auto" else device.split(":")[0]
        available = onnxruntime.get_available_providers()
        there = [name for name, own in PROVIDERS.items() if own in available]
        if kind not in there:
            raise MendError(f"{self.path} runs on {' or '.join(there)} here, not on {device}")
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = max(1, self.threads or processors())
        options.inter_op_num_threads = 1
        options.use_deterministic_compute = True
        # threads that spin while they wait would take time from other work
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
        options.log_severity_level = 3
        settings = {"device_id": device.partition(":")[2] or "0"} if kind == "cuda" else {}
        providers = [(PROVIDERS[kind], settings)]
        try:
            return onnxruntime.InferenceSession(str(self.path), options, providers=providers)
        except Exception as problem:  # onnxruntime has a dozen kinds without a common parent
            raise WeightsError(f"{self.path} cannot be opened: {_short(problem)}") from None

    def __call__(self, photo: Photo, hole: Hole, progress: Progress | None = None) -> Photo:
        """Fill ``photo`` ``(H, W, 3)`` float32 in [0, 1] where ``hole`` ``(H, W)`` is True.

        Args:
            progress: called with the share done, four times a second; may raise to stop.

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
            return input_requirements.fill(
                photo, hole, self.requirements, self._run, self.start, progress
            )

    def refine(self, photo: Photo, hole: Hole, progress: Progress | None = None) -> Photo:
        """Refine the hole of a photo ``(H, W, 3)`` that is filled already, on all of its pixels.

        The network sees the fill, and needs no known pixel. A photo that it takes in one piece
        is padded and run; another one is cut as by :func:`input_requirements.refine`.

        Returns: a new photo, its pixels outside the hole as they were. Raises what a call raises.
        """
        needs = self.requirements
        with self._lock:
            if needs.size is not None or hole.size > needs.largest:
                return input_requirements.refine(photo, hole, needs, self._run, progress)
            refined = photo.copy()
            np.clip(refined, 0, 1, out=refined, where=hole[..., None])
            padded = windows.pad(refined, needs.multiple), windows.pad(hole, needs.multiple)
            refined[hole] = self._run(*padded, progress)[: hole.shape[0], : hole.shape[1]][hole]
            return refined

    def _run(self, photo: Photo, hole: Hole, progress: Progress | None = None) -> Photo:
        """The network's picture ``(H, W, 3)`` in [0, 1] of a photo that suits it."""
        size, whole = self.description.size, photo.shape
        if isinstance(size, tuple) and photo.shape[:2] != size:
            photo, hole = layout.pad_to(photo, hole, size)
        feed = {
            name: _convert(value, self._types[name])
            for name, value in self.description.feed(photo, hole).items()
        }
        for name, axes in self._axes.items():
            feed[name] = layout.arrange(feed[name], axes)
        raw = self._run_session(feed, progress)
        if raw.shape[:2] != (1, 3) or self.description.layout:
            raw = layout.restore(raw, photo.shape[:2], self.description.layout)
        output = self.description.read(raw)
        if output.shape != photo.shape:
            raise WeightsError(
                f"{self.path} made {output.shape} of a picture of {photo.shape}; "
                "set 'size', 'multiple' or 'layout' in its description"
            )
        if not np.isfinite(output).all():
            raise WeightsError(f"{self.path} gave values that are no numbers; it is broken")
        if not self.card:
            self.description.check_range(raw, photo, hole, str(self.path))
        return output[: whole[0], : whole[1]]

    def _run_session(
        self, feed: dict[str, NDArray[Any]], progress: Progress | None
    ) -> NDArray[Any]:
        """The raw output; while the network runs, ``progress`` may stop it."""
        options = onnxruntime.RunOptions()

        def run() -> NDArray[Any]:
            try:
                return np.asarray(self.session.run([self._output], feed, options)[0])
            except Exception as problem:  # see above
                raise WeightsError(f"{self.path} cannot run: {_short(problem)}") from None

        if progress is None:
            return run()
        with ThreadPoolExecutor(1) as pool:
            running = pool.submit(run)
            try:
                while not wait([running], REPORT_SECONDS).done:
                    progress(0.0)
            except BaseException:
                options.terminate = True
                raise
            return running.result()


def _convert(value: NDArray[np.float32], kind: type[Any] | None) -> NDArray[Any]:
    return np.rint(value).astype(kind) if kind is np.uint8 else value.astype(kind, copy=False)


def _short(problem: Exception) -> str:
    return " ".join(str(problem).split())[:200]


def runs_on(device: str) -> bool:
    """Whether this ONNX Runtime knows the kind of device, such as "cuda:1"."""
    return PROVIDERS.get(device.split(":")[0]) in onnxruntime.get_available_providers()


def _card(path: Path) -> dict[str, Any]:
    try:
        return cards.read_card(path)
    except WeightsError as problem:
        if "holds no card" in str(problem):
            return {}
        raise


def _description(
    path: Path, card: Mapping[str, Any], given: OnnxDescription | Mapping[str, Any] | None
) -> OnnxDescription:
    if isinstance(given, OnnxDescription):
        return given
    if given is not None:
        return OnnxDescription.of(given, "the adapter")
    if "adapter" in card:
        return OnnxDescription.of(card["adapter"], str(path))
    for suffix in (".toml", ".json"):
        beside = path.with_suffix(suffix)
        if beside.is_file():
            return OnnxDescription.read_from(beside)
    raise WeightsError(
        f"{path} does not say what it takes and gives; describe it in {path.stem}.toml beside it "
        "(docs/models.md shows how)"
    )
