"""Metrics: told pictures by ``update``, they give a row per picture and one number for all."""

from mendpix.metrics.dists import DISTS
from mendpix.metrics.lpips import LPIPS
from mendpix.metrics.pair import Pictures
from mendpix.metrics.pictures import (
    L1,
    L2,
    MSSSIM,
    PSNR,
    SSIM,
    PictureMetric,
    RelativeL1,
    measure,
)
from mendpix.metrics.table import METRICS

__all__ = [
    "DISTS",
    "L1",
    "L2",
    "LPIPS",
    "METRICS",
    "MSSSIM",
    "PSNR",
    "SSIM",
    "PictureMetric",
    "Pictures",
    "RelativeL1",
    "measure",
]
