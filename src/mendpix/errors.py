"""Errors a user can put right: one line each, with both values and the way out."""

import re
from collections.abc import Iterable
from difflib import get_close_matches

# Controls, line separators, overrides of the direction of writing, and bytes that are no UTF-8.
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def escape(text: str) -> str:
    r"""The text on one line, with what could steer a terminal as ``\n``, ``\x1b`` and so on."""
    return _UNPRINTABLE.sub(_escape_character, text)


def _escape_character(found: re.Match[str]) -> str:
    code = ord(found[0])
    if 0xDC80 <= code <= 0xDCFF:  # how Python writes a byte of a file name that is no UTF-8
        return f"\\x{code - 0xDC00:02x}"
    return found[0].encode("unicode_escape").decode("ascii")


class MendError(Exception):
    """A mistake the user can fix. The command prints it as one line and exits with 2."""

    def __str__(self) -> str:
        return escape(super().__str__())


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
