"""Metadata of the metrics: names, labels, units and directions, without their computation."""

from dataclasses import dataclass
from typing import Any, Literal


@dataclass(frozen=True, slots=True)
class MetricDescription:
    """How a table presents a metric.

    Attributes:
        unit: after its values, "" for none.
        digits: to print behind the point.
        how: it is computed, in one line.
        of_sets: of all pictures at once.
    """

    label: str
    unit: str
    better: Literal["lower", "higher"]
    digits: int
    how: str
    of_sets: bool = False

    def as_dict(self) -> dict[str, Any]:
        """For :class:`~mendpix.evaluation.results.Results`."""
        return {
            "label": self.label,
            "unit": self.unit,
            "better": self.better,
            "digits": self.digits,
            "how": self.how,
            "set": self.of_sets,
        }


_ERROR = "of values in [0, 1], in percent"
_RATIO = "10 log10(1 / MSE) of each picture"
_IDS = "linear SVM on StyleGAN's features"

METRICS: dict[str, MetricDescription] = {
    "l1": MetricDescription("L1", "%", "lower", 3, f"mean absolute error {_ERROR}"),
    "l2": MetricDescription("L2", "%", "lower", 4, f"mean squared error {_ERROR}"),
    "psnr": MetricDescription("PSNR", "dB", "higher", 2, _RATIO),
    "ssim": MetricDescription("SSIM", "", "higher", 4, "Wang's window of 11 pixels, where it fits"),
    "ms-ssim": MetricDescription("MS-SSIM", "", "higher", 4, "SSIM over five scales"),
    "lpips-alex": MetricDescription("LPIPS (Alex)", "", "lower", 4, "version 0.1, AlexNet"),
    "lpips-vgg": MetricDescription("LPIPS (VGG)", "", "lower", 4, "version 0.1, VGG-16"),
    "dists": MetricDescription("DISTS", "", "lower", 4, "VGG-16, structure and texture"),
    "l1-hole": MetricDescription(
        "L1 (hole)", "%", "lower", 3, f"mean absolute error {_ERROR}, in the hole"
    ),
    "l2-hole": MetricDescription(
        "L2 (hole)", "%", "lower", 4, f"mean squared error {_ERROR}, in the hole"
    ),
    "psnr-hole": MetricDescription("PSNR (hole)", "dB", "higher", 2, f"{_RATIO}'s hole"),
    "ssim-hole": MetricDescription(
        "SSIM (hole)", "", "higher", 4, "Wang's SSIM, the mean of its map there"
    ),
    "ssim-uniform": MetricDescription(
        "SSIM (7x7)", "", "higher", 4, "scikit-image's default window"
    ),
    "ssim-padded": MetricDescription(
        "SSIM (padded)", "", "higher", 4, "Wang's window, zeros around"
    ),
    "ssim-grey": MetricDescription(
        "SSIM (grey)", "", "higher", 4, "EdgeConnect's: grey, 51 pixels"
    ),
    "mae-edgeconnect": MetricDescription(
        "MAE (EdgeConnect)", "%", "lower", 3, "sum |a-b| / sum (a+b), grey"
    ),
    "mae-aot": MetricDescription("MAE (AOT)", "%", "lower", 3, "sum |a-b| / sum (a+b)"),
    "psnr-crfill": MetricDescription(
        "PSNR (CR-Fill)", "dB", "higher", 2, "1e-8 added to MSE on 0..255"
    ),
    "psnr-edgeconnect": MetricDescription(
        "PSNR (EdgeConnect)", "dB", "higher", 2, "of grey pictures"
    ),
    "fid-clean": MetricDescription(
        "FID (clean-fid)", "", "lower", 2, "TF-Inception, bicubic resize", True
    ),
    "fid-pytorch": MetricDescription(
        "FID (pytorch-fid)", "", "lower", 2, "TF-Inception, bilinear", True
    ),
    "fid-stylegan": MetricDescription("FID (StyleGAN)", "", "lower", 2, "TF-Inception, / N", True),
    "kid": MetricDescription("KID", "", "lower", 5, "cubic kernel on clean-fid's features", True),
    "p-ids": MetricDescription(
        "P-IDS", "", "higher", 4, f"{_IDS}: pairs in which the fill wins", True
    ),
    "u-ids": MetricDescription("U-IDS", "", "higher", 4, f"{_IDS}: how often it errs", True),
}
"""By name, in the order of the tables; :mod:`mendpix.metrics` computes them."""
