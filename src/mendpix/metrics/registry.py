"""What can be measured, by the names that tables and results use."""

from collections.abc import Callable

from mendpix.metrics.dists import DISTS
from mendpix.metrics.lpips import LPIPS
from mendpix.metrics.pictures import L1, L2, MSSSIM, PSNR, SSIM, PictureMetric, RelativeL1
from mendpix.metrics.sets import FID, KID, PIDS, UIDS, SetMetric

METRICS: dict[str, Callable[[], PictureMetric]] = {
    "l1": L1,
    "l2": L2,
    "psnr": PSNR,
    "ssim": SSIM,
    "ms-ssim": MSSSIM,
    "lpips-alex": LPIPS,
    "lpips-vgg": lambda: LPIPS("vgg16"),
    "dists": DISTS,
    "l1-hole": lambda: L1("hole"),
    "l2-hole": lambda: L2("hole"),
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
"""A value per picture; each entry makes a metric that knows no picture yet."""

SET_METRICS: dict[str, Callable[[], SetMetric]] = {
    "fid-clean": FID,
    "fid-pytorch": lambda: FID("pytorch"),
    "fid-stylegan": lambda: FID("stylegan"),
    "kid": KID,
    "p-ids": PIDS,
    "u-ids": UIDS,
}
"""One value for all pictures."""
