"""Richardson–Lucy deconvolution by the whole PSF, with the noise kept from becoming negative light."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray

from lensproc.contract.known_psf import psf_or_reason
from lensproc.contract.stage import Batch, StageOutput
from lensproc.nn.psf import resample_psf
from lensproc_classical.interpolation import interpolate, lanczos_kernel, phases

if TYPE_CHECKING:
    from lensproc.contract.manifest import Manifest, OptionValue

PEDESTAL = 2.0
"""Level [σ of the sky] on which the sky is put, so that its noise stays positive. Two measured better than 5 in
every respect (``docs/stages.md``); at 1 the noise that is cut off would raise the sky by 0.08σ."""
FLOOR = 0.05
"""Smallest value [σ] that a pixel may have above zero, so that nothing is divided by zero."""


def deconvolve(
    image: NDArray[np.floating], psf: NDArray[np.floating], sigma: float, iterations: int
) -> NDArray[np.float32]:
    """Deconvolve one sky-subtracted image.

    Parameters
    ----------
    image : ndarray, shape (ny, nx)
        Image with its sky at 0, in any unit.
    psf : ndarray, shape (k, k), k odd
        PSF on the same grid.
    sigma : float
        1σ noise of the sky in the unit of `image`, above 0.
    iterations : int
        Number of iterations: the only regularisation, so noise grows with it.

    Returns
    -------
    ndarray, shape (ny, nx)
        The deconvolved image, whose convolution with `psf` is near `image`.

    Notes
    -----
    Richardson 1972, JOSA 62, 55; Lucy 1974, AJ 79, 745. Both assume counts above zero, and a sky-subtracted
    image is negative in half of its sky. A PSF of unit sum leaves a constant alone, so the image is put on a
    pedestal of 2σ, deconvolved, and taken off it again: light may fall 2σ below the sky and no lower. Pixels
    deeper than that are cut off there, which raises the mean of a sky of Gaussian noise by 0.008σ.

    Values are divided by σ first, since scikit-image adds 1e-12 to a denominator; its ``clip``, which would cut
    at ±1, is off. The border goes on beyond the frame, since scikit-image convolves with zeros there.
    """
    from skimage.restoration import richardson_lucy as iterate

    margin = psf.shape[0]
    raised = np.maximum(image.astype(np.float64) / sigma + PEDESTAL, FLOOR)
    raised = np.pad(raised, margin, mode="edge")
    result = iterate(raised, psf.astype(np.float64), iterations, clip=False, filter_epsilon=1e-3 * FLOOR)
    inner = result[margin:-margin, margin:-margin]
    return np.asarray((inner - PEDESTAL) * sigma, np.float32)


class RichardsonLucy:
    """The stage ``richardson-lucy``.

    Parameters
    ----------
    scale : int
        Output pixels per input pixel; finer grids are reached by Lanczos-3 interpolation.
    iterations : int
        See `deconvolve`.
    """

    def __init__(self, scale: int, iterations: int) -> None:
        self.scale, self.iterations = scale, iterations

    def load(self, device: torch.device, dtype: torch.dtype) -> None:
        """Nothing to load: scikit-image computes on the CPU."""

    def apply(self, batch: Batch) -> StageOutput:
        """Deconvolve a batch, image by image."""
        images = batch.images.float().cpu()
        if self.scale > 1:
            images = interpolate(images, phases(lanczos_kernel, 3, self.scale))
        fine = images.numpy()
        output = np.array(fine, np.float32)
        failed: list[str | None] = []
        for n, item in enumerate(batch.items):
            psf, reason = psf_or_reason(item)
            failed.append(reason)
            if psf is None:
                continue
            kernel = resample_psf(psf, self.scale)
            for c in range(fine.shape[1]):
                spread = float(np.ptp(fine[n, c]))
                if spread == 0.0:
                    continue  # a constant is its own deconvolution
                noise = item.noise[c] if item.noise and item.noise[c] > 0 else 1e-4 * spread
                output[n, c] = deconvolve(fine[n, c], kernel, noise, self.iterations)
        return StageOutput(images=torch.from_numpy(output).to(batch.images.device), failed=tuple(failed))

    def close(self) -> None:
        """Nothing to let go of."""


def richardson_lucy(manifest: Manifest, options: Mapping[str, OptionValue]) -> RichardsonLucy:
    """Build the stage ``richardson-lucy``."""
    return RichardsonLucy(manifest.scale_for(options), int(options["iterations"]))
