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
from numpy.typing import NDArray

from lensproc.contract.stage import Batch, StageOutput
from lensproc.cutout import PSF
from lensproc.nn.psf import SIGMA_PER_FWHM, gaussian_kernel, matching_kernel
from lensproc_classical.interpolation import interpolate, lanczos_kernel, phases
from lensproc_classical.known_psf import psf_or_reason
from lensproc_classical.starlet_grid import Grid
from lensproc_classical.starlet_problem import Problem, solve

if TYPE_CHECKING:
    from lensproc.contract.manifest import Manifest, OptionValue

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
            problem = Problem.pose(grid, images[members], self._weights(batch, members), self.threshold)
            output[members] = solve(problem, start[members], self.iterations)
        return StageOutput(images=output.float(), failed=tuple(failed))

    def _weights(self, batch: Batch, members: list[int]) -> torch.Tensor:
        """Inverse variance per pixel; 0 where a pixel was bad and its value is made up."""
        images = batch.images[members].double()
        if batch.variance is not None:
            variance = batch.variance[members].double()
        else:
            noise = []
            for n, image in zip(members, images, strict=True):
                spread = image.flatten(1).amax(1) - image.flatten(1).amin(1)
                given = torch.tensor(batch.items[n].noise or (0.0,) * len(spread)).to(spread)
                noise.append(torch.where(given > 0, given, 1e-4 * spread))
            variance = (torch.stack(noise) ** 2)[..., None, None].expand_as(images)
        variance = torch.where(variance > 0, variance, torch.ones_like(variance))
        return torch.where(batch.mask[members], torch.zeros_like(variance), 1.0 / variance)

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
