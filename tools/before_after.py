"""Make the README's before-and-after picture, with the command itself."""

import subprocess
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image

ROOT = Path(__file__).parents[1]
EXAMPLES = ROOT / "examples"
PAIRS = ("bay.jpg", "temple.png", "beach.jpg")
HEIGHT, GAP = 240, 6


def filled(photo: Path, folder: Path) -> Path:
    """What the command makes of an example."""
    out = folder / f"{photo.stem}.png"
    mask = photo.with_name(f"{photo.stem}-mask.png")
    subprocess.run(["mendpix", "fill", photo, mask, "--out", out], check=True)
    return out


def row(paths: list[Path]) -> np.ndarray:
    """Pictures side by side, at one height."""
    made = []
    for path in paths:
        with Image.open(path) as image:
            size = (round(image.width * HEIGHT / image.height), HEIGHT)
            made.append(np.asarray(image.convert("RGB").resize(size, Image.Resampling.LANCZOS)))
        made.append(np.full((HEIGHT, GAP, 3), 255, np.uint8))
    return np.concatenate(made[:-1], axis=1)


def main() -> None:
    photos = [EXAMPLES / name for name in PAIRS]
    with tempfile.TemporaryDirectory() as folder:
        after = row([filled(photo, Path(folder)) for photo in photos])
    before = row(photos)
    gap = np.full((GAP, before.shape[1], 3), 255, np.uint8)
    page = Image.fromarray(np.concatenate([before, gap, after]))
    page.save(ROOT / "docs" / "pictures" / "before-after.jpg", quality=90)


if __name__ == "__main__":
    main()
