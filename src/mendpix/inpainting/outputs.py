"""Names and folders of the files that fills are written to."""

from pathlib import Path

from mendpix.errors import PictureError


def number_outputs(out: Path, count: int) -> list[Path]:
    """The files of ``count`` tries: NAME-1.png and so on; of one try, the file itself."""
    if count == 1:
        return [out]
    return [out.with_name(f"{out.stem}-{index}{out.suffix}") for index in range(1, count + 1)]


def make_folder(folder: Path) -> None:
    """Create a folder and those above it."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as problem:
        raise PictureError(f"{folder} cannot be made: {problem.strerror}") from None
