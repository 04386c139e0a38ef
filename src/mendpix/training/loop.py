"""The training loop, readable from top to bottom. Fabric moves tensors; what happens is here."""

import threading
import time
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from mendpix.errors import TrainingError
from mendpix.networks import features
from mendpix.training import checkpoint, out_of_memory, sample_sheets, schedule, validation
from mendpix.training.clock import Clock, stop_on_interrupt
from mendpix.training.distributed import gather_from_all
from mendpix.training.events import TrainingEvent, TrainingResult
from mendpix.training.gan_step import StepResult, split_batch
from mendpix.training.models import choose_layout
from mendpix.training.objective import weights_at
from mendpix.training.run_directory import RunDirectory, build_card
from mendpix.training.run_log import RunLog
from mendpix.training.run_state import RunState
from mendpix.training.samples import Batch, Prefetcher, Samples, iterate_held_out


class TrainingLoop:
    """Trains a run from where its state stands."""

    def __init__(
        self, state: RunState, samples: Samples, directory: RunDirectory, log: RunLog
    ) -> None:
        self.state, self.samples, self.directory, self.log = state, samples, directory, log
        self.recipe, self.fabric, self.gan_step = state.recipe, state.fabric, state.gan_step
        self.network, self.objective, _ = state.models
        self.feature_hashes = features.hash_used_networks(self.objective)
        self.lpips = validation.load_lpips(self.recipe.size)
        self.clock = Clock(state.step)
        self._phase_number = -1

    def train(self, max_minutes: float | None = None) -> TrainingResult:
        """Train to the recipe's last step, or until the run is stopped."""
        start, state, total = time.monotonic(), self.state, self.recipe.total
        self.clock = Clock(state.step)
        with (
            stop_on_interrupt() as interrupted,
            Prefetcher(self._load_batch, state.step, total) as batches,
        ):
            while not state.is_complete:
                self._enter_phase()
                with self.clock.count_waiting():
                    batch = batches.take(state.step)
                result = self._take_step(batch)
                self._log_step(result)
                with self.clock.pause():
                    self._run_periodic_tasks()
                reason = self._find_reason_to_stop(interrupted, start, max_minutes)
                if reason and not state.is_complete:
                    return self._stop(reason)
        return TrainingResult(self.directory.path, state.step, True, "", state.validation)

    def _load_batch(self, step: int) -> Batch:
        """This process's share of a step's batch."""
        share = self.recipe.batch // self.fabric.world_size
        first = step * self.recipe.batch + self.fabric.global_rank * share
        return self.samples.load_batch(range(first, first + share))

    def _enter_phase(self) -> None:
        """Set which parameters learn, how fast, and what the network computes at this step."""
        step, modules = self.state.step, self.gan_step.optimized_modules()
        number, phase, first = schedule.find_phase(self.recipe, step)
        if number != self._phase_number:
            schedule.enter_phase(phase, self.network)
            if phase.fresh and step == first:  # not where a run is resumed within the phase
                for optimized in modules:
                    optimized.optimizer.state.clear()
            self._phase_number = number
        if hasattr(self.network, "branch_enabled"):  # a branch that no term reads costs time
            weights = weights_at(self.recipe, phase, step)
            is_read = self.objective.reads_part("aux", weights)
            setattr(self.network, "branch_enabled", is_read)  # noqa: B010  (types: no attribute)
        rates = schedule.learning_rates(self.recipe, step)
        for optimized, rate in zip(modules, rates, strict=False):  # discriminators may be missing
            for group in optimized.optimizer.param_groups:
                group["lr"] = rate

    def _take_step(self, batch: Batch) -> StepResult:
        """Train on a batch.

        Raises:
            TrainingError: a loss is not finite, or the batch does not fit the device.
        """
        state = self.state
        _, phase, first = schedule.find_phase(self.recipe, state.step)
        parts = split_batch(self._move_to_device(batch), self.recipe.accumulate)
        weights = weights_at(self.recipe, phase, state.step)
        place, result = f"step {state.step + 1}", None
        try:
            result = self.gan_step.run(parts, weights, measure_shares=state.step == first)
        except TrainingError as problem:
            raise TrainingError(f"{place}: {problem}; {self._suggest_way_out()}") from None
        except RuntimeError as problem:
            if not out_of_memory.is_out_of_memory(problem):
                raise
        if result is None:  # outside of the except: its traceback would hold the step's tensors
            explanation = out_of_memory.explain(self.gan_step, parts[0], weights, self.recipe)
            raise TrainingError(f"{place}: {explanation}")
        if state.average is not None:
            state.average.update_parameters(self.network)
        state.step += 1
        return result

    def _move_to_device(self, batch: Batch) -> Batch:
        layout = choose_layout(self.recipe)

        def move(tensor: Tensor) -> Tensor:
            return self.fabric.to_device(tensor).contiguous(memory_format=layout)

        fill = None if batch.initial_fill is None else move(batch.initial_fill)
        return Batch(move(batch.photo), move(batch.hole), batch.files, fill)

    def _log_step(self, result: StepResult) -> None:
        step, total = self.state.step, self.recipe.total
        if result.shares:
            self.log.write(step, phase=self._phase_number, gradient_shares=result.shares)
        if not self.state.is_due(self.recipe.log_every):
            return
        rate, waited = self.clock.lap(step)
        norms = {name: float(norm) for name, norm in result.norms.items()}
        lr, _ = schedule.learning_rates(self.recipe, step - 1)
        losses = result.losses
        self.log.write(step, losses=losses, gradients=norms, lr=lr, rate=rate, waited=waited)
        self.log.log_lost_files(step, self.state.photos.lost)
        left = (total - step) / rate if rate else 0.0
        self.log.report(TrainingEvent(step, total, rate, left, losses, self.state.validation))

    def _run_periodic_tasks(self) -> None:
        """Validate, draw a sheet, and save, each at its steps and at the last one."""
        if self.state.is_due(self.recipe.validate_every):
            self.validate()
        if self.state.is_due(self.recipe.sheet_every):
            self.draw_sheet()
        if self.state.is_due(self.recipe.save_every):
            self.save()

    def validate(self) -> None:
        """Measure the released network on the held-out pictures; write it where it is the best."""
        state, network = self.state, self.state.released_network
        if self.fabric.is_global_zero:
            batches = self._iterate_held_out()
            measured = validation.measure(network, batches, self.fabric.device, self.lpips)
            state.validation = measured
            self.log.write(state.step, validation=measured)
            error = measured.get("lpips", measured["hole_l1"])
            if error < state.best:
                state.best = error
                self.directory.save_weights("best", network, self._build_card())
        self.fabric.barrier()

    def draw_sheet(self) -> None:
        """Draw the first held-out pictures, as the released network fills them."""
        if not self.fabric.is_global_zero:
            return
        batch = next(self._iterate_held_out())
        network, step = self.state.released_network, self.state.step
        pixels = sample_sheets.draw_sheet(network, batch, self.fabric.device)
        sample_sheets.write_sheet(self.directory.path / "sheets" / f"{step:07d}.png", pixels)
        self.log.add_sheet(step, pixels)

    def save(self) -> None:
        """Write the state and the last weights."""
        random = self.state.collect_random_states()
        if self.fabric.is_global_zero:
            checkpoint.save(self.directory.state, self.state.state_dict(random))
            self._save_last()
        self.fabric.barrier()

    def _save_last(self) -> None:
        self.directory.save_weights("last", self.state.released_network, self._build_card())

    def complete_save(self) -> None:
        """Write the last weights where a killed process had written the state alone."""
        if self.fabric.is_global_zero and self.directory.read_last_step() != self.state.step:
            self._save_last()
        self.fabric.barrier()

    def _iterate_held_out(self) -> Iterator[Batch]:
        samples = self.samples
        return iterate_held_out(
            samples.photos, self.recipe, samples.sample_hole, samples.initial_fills
        )

    def _build_card(self) -> dict[str, Any]:
        state = self.state
        files = self.samples.list_files_read(state.step)
        return build_card(
            self.recipe, state.photos, files, state.step, state.validation, self.feature_hashes
        )

    def _find_reason_to_stop(
        self, interrupted: threading.Event, start: float, max_minutes: float | None
    ) -> str:
        """Why to stop here, agreed by all processes; empty to go on."""
        reason = 0
        if max_minutes is not None and time.monotonic() - start >= 60 * max_minutes:
            reason = 2
        if interrupted.is_set():
            reason = 1
        if self.fabric.world_size > 1:  # a signal may reach one process before the others
            reason = int(gather_from_all(self.fabric, torch.tensor(reason)).max())
        return ("", "interrupted", "time is up")[reason]

    def _stop(self, reason: str) -> TrainingResult:
        self.save()
        self.log.say(self.state.step, f"stopped: {reason}; state saved")
        step, measured = self.state.step, self.state.validation
        return TrainingResult(self.directory.path, step, False, reason, measured)

    def _suggest_way_out(self) -> str:
        is_saved = checkpoint.exists(self.directory.state)
        kept = "the state before it is kept" if is_saved else "no state yet"
        return f"{kept}; try a lower lr, optimiser.clip, or precision=32"
