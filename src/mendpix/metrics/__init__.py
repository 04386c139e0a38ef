"""Metrics: told pictures by ``update``, they give a row per picture and one number for all."""

from mendpix.metrics.dists import DISTS
from mendpix.metrics.inception import Inception
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
from mendpix.metrics.registry import METRICS, SET_METRICS
from mendpix.metrics.sets import FID, KID, PIDS, UIDS, SetMetric

__all__ = [
    "DISTS",
    "FID",
    "KID",
    "L1",
    "L2",
    "LPIPS",
    "METRICS",
    "MSSSIM",
    "PIDS",
    "PSNR",
    "SET_METRICS",
    "SSIM",
    "UIDS",
    "Inception",
    "PictureMetric",
    "Pictures",
    "RelativeL1",
    "SetMetric",
    "measure",
]
