"""Simulated fields of a few stars on an even sky, as `lensproc_denoise.samples` gives them."""

from __future__ import annotations

import torch

from lensproc.nn.psf import gaussian_psf


def skies(n: int = 4, side: int = 48, correlation: float = 0.0) -> dict[str, torch.Tensor]:
    """Empty skies of one σ, with a PSF of 3 px."""
    return {
        "truth": torch.zeros(n, side, side),
        "photon": torch.full((n,), 0.01),
        "correlation": torch.full((n,), correlation),
        "psf": torch.from_numpy(gaussian_psf(3.0, 33)).repeat(n, 1, 1),
        "fwhm": torch.full((n,), 3.0),
    }
