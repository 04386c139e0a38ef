"""The training loop, readable from top to bottom. Fabric moves tensors; what happens is here."""

import threading
import time
from collections.abc import Mapping
from typing import Any

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

from mendpix import __version__
from mendpix.errors import TrainingError
from mendpix.networks import features
from mendpix.training import checkpoint, sample_sheets, schedule, validation
from mendpix.training import run_directory as folders
from mendpix.training.clock import Clock, stop_on_interrupt
from mendpix.training.device_cache import Resident, placed
from mendpix.training.distributed import gathered
from mendpix.training.events import Outcome, TrainingEvent, Watch
from mendpix.training.gan_step import Game, cut, fitting, is_out_of_memory
from mendpix.training.hole_sampling import drawer, first_fills
from mendpix.training.objective import Objective, weights_at
from mendpix.training.optimizers import averaged, optimiser
from mendpix.training.recipe import Recipe
from mendpix.training.run_directory import Folder
from mendpix.training.samples import Batch, Photos, Prefetcher, Samples, held_out_batches
from mendpix.training.tensorboard import Events


class Run:
    """One training run: everything that changes, and the loop that changes it."""

    def __init__(
        self,
        fabric: Fabric,
        recipe: Recipe,
        photos: Photos,
        folder: Folder,
        network: nn.Module,
        objective: Objective,
        watch: Watch,
    ) -> None:
        self.fabric, self.recipe, self.photos, self.folder = fabric, recipe, photos, folder
        self.watch = watch
        self.draw = drawer(recipe, network)
        self.starts = first_fills(recipe, network)
        self.samples = Samples(photos, recipe, self.draw, self.starts, self._resident())
        self.layout = torch.channels_last if recipe.channels_last else torch.contiguous_format
        self.network, self.objective = network, objective
        for module in (network, objective):
            fabric.to_device(module).to(memory_format=self.layout)  # type: ignore[call-overload]
        self.seen = features.used(objective)
        self.judges = nn.ModuleList(self.objective.judges())
        self.average = averaged(self.network, recipe.ema)
        self.game = self._game()
        self.step = 0
        self.phase = -1
        self.told_lost = 0
        self.events = Events(folder.path / "tensorboard")
        self.lpips = validation.perceptual(recipe.size)
        self.best = float("inf")
        self.measured: dict[str, float] = {}

    def _resident(self) -> Resident | None:
        """The pictures on the accelerator, where the recipe wants them there and they fit."""
        if self.recipe.data.cache != "device":
            return None
        where, words = self.fabric.device, self.photos.words
        if self.starts is not None:
            words.append("first fills are made in memory, so the pictures stay there too")
            return None
        found = placed(self.photos.pictures, self.photos.train, where)
        if found is None:
            words.append(f"the pictures do not fit {where.type}'s memory and stay in the machine's")
        return found

    def _game(self) -> Game:
        called = torch.compile(self.network) if self.recipe.compile else self.network
        maker = optimiser(self.fabric, self.network, self.recipe.optimiser)
        judges = None
        if len(self.judges):
            judges = optimiser(self.fabric, self.judges, self.recipe.discriminators)
        return Game(self.fabric, called, self.objective, maker, judges)  # type: ignore[arg-type]

    @property
    def released(self) -> nn.Module:
        """The network that is validated and written: the averaged one, where there is one."""
        return self.network if self.average is None else self.average.module

    def train(self, minutes: float | None = None) -> Outcome:
        """Train from where the run stands to the end, or until it is stopped."""
        total, begun = self.recipe.total, time.monotonic()
        clock = Clock(self.step)
        with stop_on_interrupt() as interrupted, Prefetcher(self._load, self.step, total) as ahead:
            while self.step < total:
                self._enter_phase()
                waiting = time.monotonic()
                batch = ahead.take(self.step)
                clock.waited += time.monotonic() - waiting
                self._learn(batch, clock)
                self._chores(clock)
                why = self._reason_to_stop(interrupted, begun, minutes)
                if why and self.step < total:
                    return self._stop(why)
        return self._stop("")

    def _load(self, step: int) -> Batch:
        """This process's share of a step's batch."""
        share = self.recipe.batch // self.fabric.world_size
        start = step * self.recipe.batch + self.fabric.global_rank * share
        return self.samples.batch(range(start, start + share))

    def _enter_phase(self) -> None:
        """Set who learns and how fast; a phase that begins may also forget the averages."""
        number, phase, first = schedule.phase_at(self.recipe, self.step)
        if number != self.phase:
            schedule.enter(phase, self.network)
            if phase.fresh and self.step == first:
                for player in self.game.players():
                    player.optimiser.state.clear()
            self.phase = number
        if hasattr(self.network, "reconstructing"):  # a branch that nobody looks at costs time
            weights = weights_at(self.recipe, phase, self.step)
            setattr(self.network, "reconstructing", self.objective.reads("aux", weights))  # noqa: B010
        for player, rate in zip(
            self.game.players(), schedule.rates(self.recipe, self.step), strict=False
        ):
            for group in player.optimiser.param_groups:
                group["lr"] = rate

    def _learn(self, batch: Batch, clock: Clock) -> None:
        _, phase, first = schedule.phase_at(self.recipe, self.step)
        parts = cut(self._placed(batch), self.recipe.accumulate)
        weights = weights_at(self.recipe, phase, self.step)
        turn = None
        try:
            turn = self.game.step(parts, weights, look=self.step == first)
        except TrainingError as problem:
            raise TrainingError(f"step {self.step + 1}: {problem}; {self._way_out()}") from None
        except RuntimeError as problem:
            if not is_out_of_memory(problem):
                raise
        if turn is None:  # outside of the except: its traceback would hold the step's tensors
            raise TrainingError(self._too_large(parts[0], weights))
        if self.average is not None:
            self.average.update_parameters(self.network)
        self.step += 1
        if turn.shares:
            self._note({"step": self.step, "phase": self.phase, "gradient_shares": turn.shares})
        if self.step % self.recipe.log_every == 0 or self.step == self.recipe.total:
            self._report(turn.losses, {k: float(v) for k, v in turn.norms.items()}, clock)

    def _placed(self, batch: Batch) -> Batch:
        photo, hole, files, started = batch
        laid = None if started is None else self._laid(started)
        return Batch(self._laid(photo), self._laid(hole), files, laid)

    def _laid(self, tensor: Tensor) -> Tensor:
        return self.fabric.to_device(tensor).contiguous(memory_format=self.layout)

    def _report(self, losses: dict[str, float], norms: dict[str, float], clock: Clock) -> None:
        rate, waited = clock.lap(self.step)
        lr, _ = schedule.rates(self.recipe, self.step - 1)
        line = {"losses": losses, "gradients": norms, "lr": lr, "rate": rate, "waited": waited}
        self._note({"step": self.step, **line})
        self._mourn()
        left = (self.recipe.total - self.step) / rate if rate else 0.0
        self._show(TrainingEvent(self.step, self.recipe.total, rate, left, losses, self.measured))

    def _mourn(self) -> None:
        """Log pictures that could not be read any more; others took their places."""
        for file, why in list(self.photos.lost.items())[self.told_lost :]:
            self.told_lost += 1
            self._note({"step": self.step, "lost": file, "why": why})
            words = f"{file} can no longer be read ({why}); the run goes on without it"
            self._show(TrainingEvent(self.step, self.recipe.total, words=words))

    def _chores(self, clock: Clock) -> None:
        """What is done every so many steps; its time is not training's."""
        begun = time.monotonic()
        recipe, last = self.recipe, self.step == self.recipe.total
        if self.step % recipe.validate_every == 0 or last:
            self.validate()
        if (self.step % recipe.sheet_every == 0 or last) and self.fabric.is_global_zero:
            path = self.folder.path / "sheets" / f"{self.step:07d}.png"
            batch = next(held_out_batches(self.photos, recipe, self.draw, self.starts))
            drawn = sample_sheets.draw(self.released, batch, self.fabric.device, path)
            self.events.picture(self.step, "sheet", drawn)
        if self.step % recipe.save_every == 0 or last:
            self.save()
        clock.begun += time.monotonic() - begun

    def validate(self) -> None:
        """Measure the released network on the held-out pictures; write it where it is the best."""
        if self.fabric.is_global_zero:
            batches = held_out_batches(self.photos, self.recipe, self.draw, self.starts)
            device = self.fabric.device
            self.measured = validation.measure(self.released, batches, device, self.lpips)
            self._note({"step": self.step, "validation": self.measured})
            judged = self.measured.get("lpips", self.measured["hole_l1"])
            if judged < self.best:
                self.best = judged
                self.folder.save_weights("best", self.released, self._card())
        self.fabric.barrier()

    def save(self) -> None:
        """Write the state and the last weights."""
        random = self._random_states()
        if self.fabric.is_global_zero:
            checkpoint.save(self.folder.state, self._state(random))
            self.folder.save_weights("last", self.released, self._card())
        self.fabric.barrier()

    def _card(self) -> dict[str, Any]:
        read = self.samples.read(self.step)
        return folders.card(self.recipe, self.photos, read, self.step, self.measured, self.seen)

    def _random_states(self) -> list[dict[str, Tensor]]:
        gathers = {k: gathered(self.fabric, v) for k, v in checkpoint.random_state().items()}
        return [{k: v[rank] for k, v in gathers.items()} for rank in range(self.fabric.world_size)]

    def _state(self, random: list[dict[str, Tensor]]) -> dict[str, Any]:
        return {
            "version": __version__,
            "recipe": self.recipe.model_dump(mode="json"),
            "files": [self.photos.train, self.photos.held_out],
            "step": self.step,
            "network": self.network.state_dict(),
            "objective": self.objective.state_dict(),
            "optimisers": [player.optimiser.state_dict() for player in self.game.players()],
            "average": None if self.average is None else self.average.state_dict(),
            "precision": self.fabric.strategy.precision.state_dict(),
            "random": random,
            "best": self.best,
            "measured": self.measured,
        }

    def resume(self, saved: Mapping[str, Any]) -> None:
        """Go on from a saved state.

        Raises:
            TrainingError: it is of other pictures.
        """
        folders.check_pictures(saved, self.photos)
        self.network.load_state_dict(saved["network"])
        self.objective.load_state_dict(saved["objective"])
        for player, kept in zip(self.game.players(), saved["optimisers"], strict=True):
            player.optimiser.load_state_dict(kept)
        if self.average is not None:
            self.average.load_state_dict(saved["average"])
        self.fabric.strategy.precision.load_state_dict(saved["precision"])
        self.step, self.best, self.measured = saved["step"], saved["best"], saved["measured"]
        checkpoint.restore_random(saved["random"][self.fabric.global_rank])
        self.events = Events(self.folder.path / "tensorboard", self.step)
        if self.fabric.is_global_zero:
            self.folder.cut_log(self.step)

    def _reason_to_stop(
        self, interrupted: threading.Event, begun: float, minutes: float | None
    ) -> str:
        """Why to stop here, agreed by all processes; empty to go on."""
        reason = 1 if interrupted.is_set() else 0
        if minutes is not None and time.monotonic() - begun >= 60 * minutes:
            reason = reason or 2
        if self.fabric.world_size > 1:
            reason = int(gathered(self.fabric, torch.tensor(reason)).max())
        return ("", "interrupted", "time is up")[reason]

    def _stop(self, why: str) -> Outcome:
        if why:
            self.save()
            self._show(
                TrainingEvent(self.step, self.recipe.total, words=f"stopped: {why}; state saved")
            )
        return Outcome(self.folder.path, self.step, not why, why, self.measured)

    def _note(self, line: dict[str, Any]) -> None:
        """A line in the log; its tables of numbers go to TensorBoard too."""
        if not self.fabric.is_global_zero:
            return
        self.folder.log(line)
        tables = {key: value for key, value in line.items() if isinstance(value, dict)}
        numbers = {f"{key}/{name}": v for key, table in tables.items() for name, v in table.items()}
        self.events.numbers(self.step, numbers)

    def _show(self, moment: TrainingEvent) -> None:
        if self.fabric.is_global_zero:
            self.watch(moment)

    def _way_out(self) -> str:
        kept = (
            "the state before it is kept"
            if checkpoint.exists(self.folder.state)
            else "no state yet"
        )
        return f"{kept}; try a lower lr, optimiser.clip, or precision=32"

    def _too_large(self, part: Batch, weights: Mapping[str, float]) -> str:
        size, processes, parts = len(part.files), self.fabric.world_size, self.recipe.accumulate
        fits, tried = max(1, size // 2), ""
        if processes == 1:  # others would wait for this one's gradients
            fits = fitting(self.game, part, weights)
            tried = f" ({fits} do, that was tried)" if fits else " (not even one does)"
        if not fits:
            way_out = "take a smaller size or network, or precision=bf16"
        else:
            more = -(-self.recipe.batch // (fits * processes))
            way_out = f"try batch={fits * parts * processes}, or accumulate={more}"
        return (
            f"step {self.step + 1}: {size} pictures at once do not fit the accelerator's "
            f"memory{tried}; {way_out}"
        )
