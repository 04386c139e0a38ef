"""Errors a user can put right: one line each, with both values and the way out."""

from collections.abc import Iterable
from difflib import get_close_matches


class MendError(Exception):
    """A mistake the user can fix. The command prints it as one line and exits with 2."""


class PictureError(MendError):
    """A picture file that cannot be read or written as asked."""


class SizeError(PictureError):
    """A picture with more pixels than are taken."""


class MaskError(MendError):
    """A mask that does not fit its picture, or leaves nothing to fill from."""


class WeightsError(MendError):
    """A weights file that does not hold what was asked of it."""


class DownloadError(MendError):
    """A file that could not be fetched, or is not the one expected."""


class TensorError(MendError):
    """A tensor whose shape, range, kind or device a loss or network cannot take."""


class RecipeError(MendError):
    """A recipe that says something unknown, or values that do not fit each other."""


class TrainingError(MendError):
    """A training run that cannot start, go on, or be resumed as asked."""


class Cancelled(Exception):  # noqa: N818  (a wish, not an error: never shown as one)
    """Raised by a ``progress`` callback to stop the work it reports on."""


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """A hint for an error about an unknown name: the nearest known one, or all of them."""
    names = list(known)
    close = get_close_matches(name, names, n=1)
    return f"did you mean {close[0]!r}?" if close else f"known are {', '.join(names)}"
