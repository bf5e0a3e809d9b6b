"""Imports that every worker needs, made once in the fork server."""

import astropy.io.fits
import astropy.wcs
import scipy.ndimage
import torch

import lensproc.engine.worker
import lensproc.qc.quick

__all__ = ["astropy", "lensproc", "scipy", "torch"]
