"""Metrics: ``update`` with pictures, ``rows()`` per picture, ``compute()`` one number for all."""

from mendpix.metrics.distribution_metrics import FID, KID, PIDS, UIDS, SetMetric
from mendpix.metrics.dists import DISTS
from mendpix.metrics.inception_features import Inception
from mendpix.metrics.lpips import LPIPS
from mendpix.metrics.metric_registry import METRICS, SET_METRICS
from mendpix.metrics.picture_metrics import (
    MSSSIM,
    PSNR,
    SSIM,
    L1Error,
    L2Error,
    PictureMetric,
    RelativeL1,
    measure,
)
from mendpix.metrics.picture_pairs import PictureBatch

__all__ = [
    "DISTS",
    "FID",
    "KID",
    "LPIPS",
    "METRICS",
    "MSSSIM",
    "PIDS",
    "PSNR",
    "SET_METRICS",
    "SSIM",
    "UIDS",
    "Inception",
    "L1Error",
    "L2Error",
    "PictureBatch",
    "PictureMetric",
    "RelativeL1",
    "SetMetric",
    "measure",
]
