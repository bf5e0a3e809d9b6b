"""Sparse deconvolution: the sky without negative light, seen with half the PSF's width, that explains the image.

The idea is that of STARRED (Michalewicz et al. 2023, JOSS 8, 5340; Millon et al. 2024, AJ 168, 55): end at a
narrower PSF that the grid can sample, never at none (Magain, Courbin & Sohy 1998, ApJ 494, 472), and let starlets
decide what is noise. Here the sky s itself is sought, not negative and sparse, and the output is s seen with the
narrower PSF: so nothing in it can be sharper than that.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray

from lensproc.contract.known_psf import psf_or_reason
from lensproc.contract.stage import Batch, StageOutput
from lensproc.cutout import PSF
from lensproc.nn.psf import SIGMA_PER_FWHM, gaussian_kernel, matching_kernel
from lensproc_classical.interpolation import interpolate, lanczos_kernel, phases
from lensproc_classical.starlet_grid import Grid
from lensproc_classical.starlet_problem import Problem, solve
from lensproc_classical.starlet_transform import smooth

if TYPE_CHECKING:
    from lensproc.contract.manifest import Manifest, OptionValue

PSF_ERROR, WIDTH_ERROR = 0.05, 0.1
"""1σ error of the model as a fraction of the light, where the PSF is an image, and where only its width is known
and a Gaussian stands in. Without it a bright smooth galaxy comes out as rings: fitted to within its noise at a
thousand σ, what the PSF cannot explain is explained by structure."""
SKY_FWHM = 2.0
"""FWHM of a point in the sky that is sought [output px]: the narrowest Gaussian that a grid can hold anywhere."""


def kernels_of(psf: PSF, scale: int, output_psf: float) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Kernels that take the sky that is sought to the input and to the output.

    Parameters
    ----------
    psf : PSF
        Of the input, in its pixels.
    scale : int
        Output pixels per input pixel.
    output_psf : float
        FWHM of the output as a fraction of the input's.

    Returns
    -------
    towards_input, towards_output : ndarray, odd square shapes, float32
        On the output grid, each summing to 1.

    Notes
    -----
    The sky has itself a Gaussian PSF, of `SKY_FWHM` output pixels or of the output's width where that is less.
    """
    finest = scale * psf.fwhm
    width = min(SKY_FWHM, output_psf * finest)
    towards_input = matching_kernel(psf, width / finest, scale)
    assert towards_input is not None  # None only where the input's PSF is kept
    variance = ((output_psf * finest) ** 2 - width**2) * SIGMA_PER_FWHM**2
    return towards_input, gaussian_kernel(variance)


def noise_variance(batch: Batch, members: list[int]) -> torch.Tensor:
    """Variance of the noise of some items, from the variance plane or from `Item.noise`; shape (N, C, H, W)."""
    images = batch.images[members].double()
    if batch.variance is not None:
        variance = batch.variance[members].double()
        return torch.where(variance > 0, variance, torch.ones_like(variance))
    noise = []
    for n, image in zip(members, images, strict=True):
        spread = image.flatten(1).amax(1) - image.flatten(1).amin(1)
        given = torch.tensor(batch.items[n].noise or (0.0,) * len(spread)).to(spread)
        sigma = torch.where(given > 0, given, 1e-4 * spread)
        noise.append(torch.where(sigma > 0, sigma, torch.ones_like(sigma)))
    return (torch.stack(noise) ** 2)[..., None, None].expand_as(images)


def model_variance(batch: Batch, members: list[int], images: torch.Tensor) -> torch.Tensor:
    """Variance that stands for an imperfect PSF, from the image smoothed over a few pixels; shape (N, C, H, W)."""
    has_image = [psf is not None and psf.image is not None for psf in (batch.items[n].psf for n in members)]
    error = torch.tensor([PSF_ERROR if known else WIDTH_ERROR for known in has_image]).to(images)
    light = smooth(smooth(F.pad(images, (8, 8, 8, 8), mode="replicate"), 0), 1)[..., 8:-8, 8:-8]
    return (error[:, None, None, None] * light.clamp_min(0.0)) ** 2


def inverse(variance: torch.Tensor, bad: torch.Tensor) -> torch.Tensor:
    """1 / variance; 0 where a pixel was bad and its value is made up."""
    return torch.where(bad, torch.zeros_like(variance), 1.0 / variance)


class Starlet:
    """The stage ``starlet``.

    Parameters
    ----------
    scale : int
        Output pixels per input pixel.
    output_psf : float
        FWHM of the output as a fraction of the input's.
    iterations : int
        Steps of the proximal gradient.
    threshold : float
        Significance of a starlet coefficient [σ].
    """

    def __init__(self, scale: int, output_psf: float, iterations: int, threshold: float) -> None:
        self.scale, self.output_psf = scale, output_psf
        self.iterations, self.threshold = iterations, threshold

    def load(self, device: torch.device, dtype: torch.dtype) -> None:
        """Nothing to load."""

    def apply(self, batch: Batch) -> StageOutput:
        """Deconvolve a batch; items whose kernels have one size run together, so neighbours do not matter.

        Notes
        -----
        In double precision: a hundred steps, with a momentum that is dropped when a sum changes its sign, turn the
        rounding of single precision into 1e-4 of the peak, which would then depend on batch and device.
        """
        images = batch.images.double()
        start = images if self.scale == 1 else interpolate(images, phases(lanczos_kernel, 3, self.scale))
        output = start.clone()
        failed: list[str | None] = [None] * len(batch)
        groups: dict[tuple[int, int], list[int]] = {}
        kernels: dict[int, tuple[NDArray[np.float32], NDArray[np.float32]]] = {}
        for n, item in enumerate(batch.items):
            psf, failed[n] = psf_or_reason(item)
            if psf is not None:
                kernels[n] = kernels_of(psf, self.scale, self.output_psf)
                groups.setdefault((len(kernels[n][0]), len(kernels[n][1])), []).append(n)
        for members in groups.values():
            towards, final = (
                torch.from_numpy(np.stack([kernels[n][i] for n in members])).to(images) for i in (0, 1)
            )
            grid = Grid.around((images.shape[-2], images.shape[-1]), towards, final, self.scale)
            variance = noise_variance(batch, members)
            known, bad = images[members], batch.mask[members]
            weights = inverse(variance + model_variance(batch, members, known), bad)
            problem = Problem.pose(grid, known, weights, inverse(variance, bad), self.threshold)
            output[members] = solve(problem, start[members], self.iterations)
        return StageOutput(images=output.float(), failed=tuple(failed))

    def close(self) -> None:
        """Nothing to let go of."""


def starlet(manifest: Manifest, options: Mapping[str, OptionValue]) -> Starlet:
    """Build the stage ``starlet``."""
    ratio = manifest.output_psf
    if not isinstance(ratio, float):
        raise TypeError(f"stage {manifest.id}: output_psf must be a fraction of the FWHM, got {ratio!r}")
    return Starlet(
        manifest.scale_for(options), ratio, int(options["iterations"]), float(options["threshold"])
    )
