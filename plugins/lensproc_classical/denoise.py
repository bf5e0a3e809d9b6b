"""Denoising on the input's own grid: non-local means and wavelet shrinkage, both from scikit-image."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray

from lensproc.contract.stage import Batch, StageOutput

if TYPE_CHECKING:
    from lensproc.contract.manifest import Manifest, OptionValue

WAVELET_LEVELS = 3
WAVELET_MARGIN = 24
"""Border [px] that is reflected around the image before it is shifted: three levels of db2 reach 21 px."""


def non_local_means(
    image: NDArray[np.floating], sigma: float, strength: float, patch_size: int, patch_distance: int
) -> NDArray[np.float32]:
    """Replace each pixel by the mean of pixels whose surroundings look like its own.

    Parameters
    ----------
    image : ndarray, shape (ny, nx)
        Image in any unit.
    sigma : float
        1σ noise in the same unit, above 0.
    strength : float
        Decay of a pixel's weight with the difference of the patches [σ].
    patch_size, patch_distance : int
        Side of a patch, and how far away patches are compared [px].

    Notes
    -----
    Buades, Coll & Morel 2005, CVPR 2, 60, with the expected difference of two noise patches subtracted.
    """
    from skimage.restoration import denoise_nl_means

    smooth = denoise_nl_means(
        image.astype(np.float64) / sigma,
        patch_size=patch_size,
        patch_distance=patch_distance,
        h=strength,
        sigma=1.0,
        fast_mode=True,
    )
    return np.asarray(smooth * sigma, np.float32)


def wavelet_shrinkage(
    image: NDArray[np.floating], sigma: float, strength: float, method: str
) -> NDArray[np.float32]:
    """Shrink the Daubechies-2 coefficients of an image towards 0, averaged over shifts of the image.

    Parameters
    ----------
    image : ndarray, shape (ny, nx)
        Image in any unit.
    sigma : float
        1σ noise in the same unit, above 0.
    strength : float
        Factor on `sigma`.
    method : str
        ``BayesShrink`` (one threshold per sub-band: Chang, Yu & Vetterli 2000, IEEE Trans. Image Process. 9, 1532)
        or ``VisuShrink`` (one threshold for all: Donoho & Johnstone 1994, Biometrika 81, 425).

    Notes
    -----
    A decimated wavelet prefers certain pixels; averaging over the 8 × 8 shifts of three levels takes that away
    (Coifman & Donoho 1995, *Translation-invariant de-noising*).
    """
    from skimage.restoration import denoise_wavelet

    period = 2**WAVELET_LEVELS
    padded = np.pad(image.astype(np.float64) / sigma, WAVELET_MARGIN, mode="symmetric")
    total = np.zeros_like(padded)
    for dy in range(period):
        for dx in range(period):
            smooth = denoise_wavelet(
                np.roll(padded, (dy, dx), (0, 1)),
                sigma=strength,
                wavelet="db2",
                mode="soft",
                wavelet_levels=WAVELET_LEVELS,
                method=method,
            )
            total += np.roll(smooth, (-dy, -dx), (0, 1))
    inner = slice(WAVELET_MARGIN, -WAVELET_MARGIN)
    return np.asarray(total[inner, inner] * (sigma / period**2), np.float32)


class Denoiser:
    """A stage that applies a function of (image, σ) to every channel.

    Parameters
    ----------
    function : callable
        Of the module, so that it pickles.
    settings : mapping
        Its further arguments.
    """

    def __init__(
        self, function: Callable[..., NDArray[np.float32]], settings: Mapping[str, OptionValue]
    ) -> None:
        self.function, self.settings = function, dict(settings)

    def load(self, device: torch.device, dtype: torch.dtype) -> None:
        """Nothing to load: scikit-image computes on the CPU."""

    def apply(self, batch: Batch) -> StageOutput:
        """Denoise a batch, image by image; one without noise or without structure comes back as it was."""
        images = batch.images.float().cpu().numpy()
        output = np.array(images)
        for n, item in enumerate(batch.items):
            for c in range(images.shape[1]):
                sigma = item.noise[c] if item.noise else 0.0
                if sigma > 0 and np.ptp(images[n, c]) > 0:
                    output[n, c] = self.function(images[n, c], sigma, **self.settings)
        return StageOutput(images=torch.from_numpy(output).to(batch.images.device))

    def close(self) -> None:
        """Nothing to let go of."""


def nlm(manifest: Manifest, options: Mapping[str, OptionValue]) -> Denoiser:
    """Build the stage ``nlm``."""
    return Denoiser(non_local_means, options)


def wavelet(manifest: Manifest, options: Mapping[str, OptionValue]) -> Denoiser:
    """Build the stage ``wavelet``."""
    return Denoiser(wavelet_shrinkage, options)
