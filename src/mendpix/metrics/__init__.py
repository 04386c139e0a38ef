"""Metrics: told pictures by ``update``, they give a row per picture and one number for all."""

from mendpix.metrics.lpips import LPIPS
from mendpix.metrics.pictures import L1, L2, MSSSIM, PSNR, SSIM, PictureMetric

__all__ = ["L1", "L2", "LPIPS", "MSSSIM", "PSNR", "SSIM", "PictureMetric"]
