"""Recipes: all settings of a training run, typed. :mod:`.recipe_io` reads them from TOML."""

from collections.abc import Iterable, Sequence
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from mendpix.errors import RecipeError, did_you_mean
from mendpix.types import LARGEST_SEED

LARGEST_SIDE = 8192
"""Pixels of a training picture's side."""
LARGEST_NUMBER = 1e12
"""Of a recipe: beyond, float32 overflows in the first step."""


def _refuse_bool(value: Any) -> Any:
    """A bool is an int to Python, and would be 0 or 1."""
    if isinstance(value, bool):
        raise ValueError("a number is wanted, not true or false")
    return value


Whole = Annotated[int, BeforeValidator(_refuse_bool), Field(le=LARGEST_SEED)]
Real = Annotated[float, BeforeValidator(_refuse_bool), Field(ge=-LARGEST_NUMBER, le=LARGEST_NUMBER)]
Weight = Annotated[Real, Field(ge=0)]
Decay = Annotated[Real, Field(ge=0, lt=1)]
Enlargement = Annotated[Real, Field(ge=0.1, le=100)]

Precision = Annotated[
    Literal["32", "bf16", "16"], BeforeValidator(lambda value: str(value).removeprefix("fp"))
]


class RecipeTable(BaseModel):
    """A table of a recipe: unknown keys are refused, values are not changed after reading."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class NetworkSettings(RecipeTable):
    """The network to train."""

    name: str = Field(
        default="",
        description="name of a network, for example 'partial-unet'; empty: that of the weights",
    )
    options: dict[str, Any] = Field(
        default={}, description="its options, as in its options dataclass"
    )


class DiscriminatorSettings(RecipeTable):
    """The discriminator of an adversarial term."""

    name: str = Field(description="name of a discriminator, for example 'sn-patchgan'")
    options: dict[str, Any] = Field(
        default={}, description="its options, as in its options dataclass"
    )


class TermSettings(RecipeTable):
    """One term of the objective: its weight, what it is, and when it counts."""

    weight: Real | None = Field(
        default=None,
        ge=0,
        description="factor of the term; 0 leaves the term out; not given: about as strong as l1",
    )
    kind: str = Field(
        default="", description="name of the loss; the term's own name where left out"
    )
    discriminator: DiscriminatorSettings | None = Field(
        default=None, description="of adversarial kinds; trained beside the network"
    )
    options: dict[str, Any] = Field(
        default={}, description="the loss's own options, as it is constructed"
    )
    start: Whole = Field(default=0, ge=0, description="first step at which the term counts")
    ramp: Whole = Field(
        default=0, ge=0, description="steps over which its weight then rises from 0"
    )

    @model_validator(mode="before")
    @classmethod
    def _from_number(cls, value: Any) -> Any:
        """A bare number is the weight: ``style = 60``."""
        return {"weight": value} if isinstance(value, int | float) else value

    def weight_at(self, step: int) -> float:
        """The weight that counts at a step (steps count from 0).

        Raises:
            RecipeError: the weight is left out and not resolved yet (:mod:`.default_weights`).
        """
        if self.weight is None:
            raise RecipeError("a term has no weight; resolve_weights() chooses one")
        if step < self.start:
            return 0.0
        rise = (step - self.start + 1) / self.ramp if self.ramp else 1.0
        return self.weight * min(1.0, rise)


class HoleSettings(RecipeTable):
    """A generator of holes and its share of the mixture."""

    kind: str = Field(
        description="a kind that 'mendpix holes' knows; 'centre' is the network's own square"
    )
    share: Real = Field(
        default=1.0, gt=0, description="how often, relative to the other generators"
    )
    options: dict[str, Any] = Field(
        default={}, description="the generator's own options, for example folder='MASKS'"
    )


class OptimizerSettings(RecipeTable):
    """How the network, or the discriminators, learn."""

    kind: Literal["adam", "adamw", "sgd"] = Field(default="adam", description="rule of the update")
    lr: Real = Field(default=2e-4, gt=0, description="learning rate")
    betas: tuple[Decay, Decay] = Field(default=(0.5, 0.999), description="Adam's two decays")
    momentum: Real = Field(default=0.0, ge=0, lt=1, description="of sgd")
    weight_decay: Real = Field(default=0.0, ge=0, description="pull of the weights towards 0")
    clip: Real = Field(
        default=0.0, ge=0, description="largest norm of all gradients together; 0: none"
    )


class Phase(RecipeTable):
    """A stretch of the run. What is left out stays as the recipe says."""

    steps: Whole = Field(ge=1, description="length of the stretch")
    lr: Real | None = Field(default=None, gt=0, description="the network's learning rate")
    discriminator_lr: Real | None = Field(
        default=None, gt=0, description="the discriminators' rate"
    )
    train: tuple[str, ...] = Field(
        default=(),
        description="only parameters whose name starts with one of these learn; empty: all",
    )
    rest: tuple[str, ...] = Field(
        default=(), description="parameters whose name starts with one of these do not learn"
    )
    still_norms: tuple[str, ...] = Field(
        default=(),
        description="batch norms whose name starts with one of these keep their statistics",
    )
    weights: dict[str, Weight] = Field(
        default={},
        description="weights of terms in this phase, by the term's name; 0 leaves it out",
    )
    fresh: bool = Field(default=False, description="forget the optimisers' averages at the start")


class DataSettings(RecipeTable):
    """From picture files to training pictures."""

    short_side: Whole = Field(
        default=0,
        ge=0,
        le=LARGEST_SIDE,
        description="resize the short side to this first; 0: to size",
    )
    crop: Literal["random", "centre"] = Field(
        default="random", description="where the square is cut"
    )
    flip: Real = Field(default=0.5, ge=0, le=1, description="how often the square is mirrored")
    scale: tuple[Enlargement, Enlargement] = Field(
        default=(1.0, 1.0),
        description="the square is cut this many times larger, at random, then resized",
    )
    start_options: dict[str, Any] = Field(
        default={},
        description="options of the filler that fills holes first, for networks with a 'start'",
    )
    start_holes: Whole = Field(
        default=1, ge=1, description="how many different holes and first fills a photo has"
    )
    held_out: Real = Field(
        default=0.05, gt=0, lt=1, description="share of files kept for validation"
    )
    cache: Literal["ram", "disk", "device", "none"] = Field(
        default="ram",
        description="keep decoded pictures in memory, on disk with first fills, the device, or not",
    )


Data = DataSettings
"""The name of 0.1.0, for scripts; goes with 0.3."""


class Recipe(RecipeTable):
    """Everything a run is made of."""

    network: NetworkSettings = Field(description="the network to train")
    losses: dict[str, TermSettings] = Field(
        min_length=1, description="the terms of the objective, by name"
    )
    holes: tuple[HoleSettings, ...] = Field(
        min_length=1, description="the mixture of hole generators"
    )
    one_hole: bool = Field(
        default=False, description="all pictures of a batch share one hole, as in some sources"
    )
    size: Whole = Field(
        default=256, ge=16, le=LARGEST_SIDE, description="side of the training pictures in pixels"
    )
    batch: Whole = Field(default=8, ge=1, description="pictures per step, over all processes")
    steps: Whole = Field(
        default=0, ge=0, le=10**9, description="length of the run; 0: the phases' sum"
    )
    phases: tuple[Phase, ...] = Field(default=(), description="stretches of the run; empty: one")
    optimiser: OptimizerSettings = Field(
        default=OptimizerSettings(), description="how the network learns"
    )
    discriminators: OptimizerSettings = Field(
        default=OptimizerSettings(), description="how the discriminators learn"
    )
    schedule: Literal["constant", "linear", "cosine"] = Field(
        default="constant", description="the rates' course over the run: constant, or down to 0"
    )
    warmup: Whole = Field(default=0, ge=0, description="steps over which the rates rise from 0")
    accumulate: Whole = Field(
        default=1,
        ge=1,
        description="parts that a batch is cut into to save memory; batch norms see each twice",
    )
    ema: Real = Field(default=0.0, ge=0, lt=1, description="decay of the averaged weights; 0: none")
    precision: Precision = Field(
        default="32", description="32, bf16 (mixed) or 16 (mixed; GPU only)"
    )
    channels_last: bool = Field(default=True, description="lay tensors out with channels innermost")
    compile: bool = Field(default=False, description="compile the network with torch.compile")
    data: DataSettings = Field(default=DataSettings(), description="from files to pictures")
    seed: Whole = Field(
        default=0, ge=0, le=LARGEST_SEED, description="every random choice follows from it"
    )
    log_every: Whole = Field(default=10, ge=1, description="steps between lines of log.jsonl")
    validate_every: Whole = Field(default=500, ge=1, description="steps between validations")
    validate_count: Whole = Field(
        default=64, ge=1, description="held-out pictures that are measured"
    )
    sheet_every: Whole = Field(default=500, ge=1, description="steps between sample sheets")
    save_every: Whole = Field(default=500, ge=1, description="steps between saved states")
    from_weights: str = Field(default="", description="weights to start from, as --from")

    @property
    def phase_plan(self) -> tuple[Phase, ...]:
        """The phases, fitted to ``steps`` where both are given."""
        if not self.phases:
            return (Phase(steps=max(1, self.steps)),)
        total = sum(phase.steps for phase in self.phases)
        if not self.steps or self.steps == total:
            return self.phases
        return tuple(_scale_phases(self.phases, self.steps / total, self.steps))

    @property
    def total(self) -> int:
        """Length of the run in steps."""
        return sum(phase.steps for phase in self.phase_plan)

    @model_validator(mode="after")
    def _check_consistency(self) -> "Recipe":
        if not self.steps and not self.phases:
            raise ValueError("the recipe has neither steps nor phases; say how long to train")
        if self.steps and self.steps < len(self.phases):
            raise ValueError(
                f"steps is {self.steps} but there are {len(self.phases)} phases of one or more"
            )
        if self.data.scale[0] > self.data.scale[1]:
            raise ValueError(f"data.scale is {self.data.scale}; give the smaller factor first")
        if self.batch % self.accumulate:
            raise ValueError(
                f"a batch of {self.batch} cannot be cut into {self.accumulate} equal parts; "
                "change batch or accumulate"
            )
        for phase in self.phases:
            for name in phase.weights:
                if name not in self.losses:
                    raise ValueError(f"a phase weighs {name!r}; {did_you_mean(name, self.losses)}")
        return self


def _scale_phases(phases: Sequence[Phase], factor: float, total: int) -> Iterable[Phase]:
    """Phases scaled to another total, each at least one step long."""
    left = total
    for later, phase in zip(range(len(phases) - 1, -1, -1), phases, strict=True):
        steps = left if not later else min(max(1, round(phase.steps * factor)), left - later)
        left -= steps
        yield phase.model_copy(update={"steps": steps})
