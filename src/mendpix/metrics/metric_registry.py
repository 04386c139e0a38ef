"""Metrics by the names that tables and results use."""

from collections.abc import Callable

from mendpix.metrics.distribution_metrics import FID, KID, PIDS, UIDS, SetMetric
from mendpix.metrics.dists import DISTS
from mendpix.metrics.lpips import LPIPS
from mendpix.metrics.picture_metrics import (
    MSSSIM,
    PSNR,
    SSIM,
    L1Error,
    L2Error,
    PictureMetric,
    RelativeL1,
)

METRICS: dict[str, Callable[[], PictureMetric]] = {
    "l1": L1Error,
    "l2": L2Error,
    "psnr": PSNR,
    "ssim": SSIM,
    "ms-ssim": MSSSIM,
    "lpips-alex": LPIPS,
    "lpips-vgg": lambda: LPIPS("vgg16"),
    "dists": DISTS,
    "l1-hole": lambda: L1Error("hole"),
    "l2-hole": lambda: L2Error("hole"),
    "psnr-hole": lambda: PSNR("hole"),
    "ssim-hole": lambda: SSIM(area="hole"),
    "ssim-uniform": lambda: SSIM("uniform"),
    "ssim-padded": lambda: SSIM("padded"),
    "ssim-grey": lambda: SSIM("grey"),
    "mae-edgeconnect": lambda: RelativeL1(grey=True),
    "mae-aot": RelativeL1,
    "psnr-crfill": lambda: PSNR(slack=1e-8, bits="truncate"),
    "psnr-edgeconnect": lambda: PSNR(grey=True),
}
"""Metrics with a value per picture; each entry makes a new one."""

SET_METRICS: dict[str, Callable[[], SetMetric]] = {
    "fid-clean": FID,
    "fid-pytorch": lambda: FID("pytorch"),
    "fid-stylegan": lambda: FID("stylegan"),
    "kid": KID,
    "p-ids": PIDS,
    "u-ids": UIDS,
}
"""Metrics with one value for all pictures; each entry makes a new one."""
