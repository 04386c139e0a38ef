"""What can be measured: names, labels, units and directions, without what computes them."""

from dataclasses import dataclass
from typing import Any, Literal


@dataclass(frozen=True, slots=True)
class About:
    """What a table has to know of a metric.

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

METRICS: dict[str, About] = {
    "l1": About("L1", "%", "lower", 3, f"mean absolute error {_ERROR}"),
    "l2": About("L2", "%", "lower", 4, f"mean squared error {_ERROR}"),
    "psnr": About("PSNR", "dB", "higher", 2, _RATIO),
    "ssim": About("SSIM", "", "higher", 4, "Wang's window of 11 pixels, where it fits"),
    "ms-ssim": About("MS-SSIM", "", "higher", 4, "SSIM over five scales"),
    "lpips-alex": About("LPIPS (Alex)", "", "lower", 4, "version 0.1, AlexNet"),
    "lpips-vgg": About("LPIPS (VGG)", "", "lower", 4, "version 0.1, VGG-16"),
    "dists": About("DISTS", "", "lower", 4, "VGG-16, structure and texture"),
    "l1-hole": About("L1 (hole)", "%", "lower", 3, f"mean absolute error {_ERROR}, in the hole"),
    "l2-hole": About("L2 (hole)", "%", "lower", 4, f"mean squared error {_ERROR}, in the hole"),
    "psnr-hole": About("PSNR (hole)", "dB", "higher", 2, f"{_RATIO}'s hole"),
    "ssim-hole": About("SSIM (hole)", "", "higher", 4, "Wang's SSIM, the mean of its map there"),
    "ssim-uniform": About("SSIM (7x7)", "", "higher", 4, "scikit-image's default window"),
    "ssim-padded": About("SSIM (padded)", "", "higher", 4, "Wang's window, zeros around"),
    "ssim-grey": About("SSIM (grey)", "", "higher", 4, "EdgeConnect's: grey, 51 pixels"),
    "mae-edgeconnect": About("MAE (EdgeConnect)", "%", "lower", 3, "sum |a-b| / sum (a+b), grey"),
    "mae-aot": About("MAE (AOT)", "%", "lower", 3, "sum |a-b| / sum (a+b)"),
    "psnr-crfill": About("PSNR (CR-Fill)", "dB", "higher", 2, "1e-8 added to MSE on 0..255"),
    "psnr-edgeconnect": About("PSNR (EdgeConnect)", "dB", "higher", 2, "of grey pictures"),
    "fid-clean": About("FID (clean-fid)", "", "lower", 2, "TF-Inception, bicubic resize", True),
    "fid-pytorch": About("FID (pytorch-fid)", "", "lower", 2, "TF-Inception, bilinear", True),
    "fid-stylegan": About("FID (StyleGAN)", "", "lower", 2, "TF-Inception, / N", True),
    "kid": About("KID", "", "lower", 5, "cubic kernel on clean-fid's features", True),
    "p-ids": About("P-IDS", "", "higher", 4, f"{_IDS}: pairs in which the fill wins", True),
    "u-ids": About("U-IDS", "", "higher", 4, f"{_IDS}: how often it errs", True),
}
"""By name, in the order of the tables; :mod:`mendpix.metrics` computes them."""
