"""What goes into a stage, what comes out, and the three calls that the engine makes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

if TYPE_CHECKING:
    import numpy as np
    import torch
    from numpy.typing import NDArray

    from lensproc.cutout import PSF
    from lensproc.enhanced import Plane, Rows, Value


@dataclass(frozen=True)
class SkyAxes:
    """Where the pixels of an image lie on the sky: its WCS, linear about one place.

    Parameters
    ----------
    x, y : float
        That place, zero-based [px].
    ra, dec : float
        Its right ascension and declination [deg].
    matrix : ((float, float), (float, float))
        ((∂E/∂x, ∂E/∂y), (∂N/∂x, ∂N/∂y)): how far east, along right ascension on the sky, and north one goes with a
        pixel [arcsec/px].
    """

    x: float
    y: float
    ra: float
    dec: float
    matrix: tuple[tuple[float, float], tuple[float, float]]


@dataclass(frozen=True)
class Item:
    """What a stage may know of one cutout of a batch, beside its pixels.

    Parameters
    ----------
    pixel_scale : float or None
        Of the image it gets [arcsec].
    psf : PSF or None
        In pixels of the image it gets.
    noise : tuple of float
        1σ noise of the sky per channel, in the (normalised) unit of `Batch.images`: the median of the variance
        plane where there is one, else the median absolute deviation of the background.
    bands : tuple of str
        Band name per channel; empty strings where unknown.
    lens_center : (float, float) or None
        Zero-based (x, y) of the lens in the image it gets [px].
    seed : int
        For stages that draw random numbers: follows from the input's SHA-256 and the stage's position, so that
        neither batch size nor order matter.
    products : mapping
        The named products of earlier stages that the manifest `requires`.
    sky : SkyAxes or None
        Where the image it gets lies on the sky, for a manifest that asks for it (`Manifest.sky`); None where the
        file has no celestial WCS.
    """

    pixel_scale: float | None = None
    psf: PSF | None = None
    noise: tuple[float, ...] = ()
    bands: tuple[str, ...] = ()
    lens_center: tuple[float, float] | None = None
    seed: int = 0
    products: Mapping[str, Any] = field(default_factory=dict)
    sky: SkyAxes | None = None


@dataclass(frozen=True)
class Batch:
    """N cutouts of one shape. Pixels that were bad are filled; a stage must not write into its input.

    Parameters
    ----------
    images : torch.Tensor, shape (N, C, H, W)
        Normalised as the manifest asks, without NaN.
    variance : torch.Tensor, shape (N, C, H, W), or None
        In the square of the unit of `images`; None where the files give none.
    mask : torch.Tensor, shape (N, C, H, W), bool
        True where a pixel was bad and is filled.
    items : tuple of Item, length N
        The rest, per cutout.
    original : torch.Tensor, shape (N, C, h, w), or None
        The original image, where the manifest sees ``both``.
    enhanced : Batch or None
        The same cutouts after the stages before, with a normalisation, noise and PSF of their own, where the
        manifest sees ``original`` and its option ``also_enhanced`` is true.
    """

    images: torch.Tensor
    variance: torch.Tensor | None
    mask: torch.Tensor
    items: tuple[Item, ...]
    original: torch.Tensor | None = None
    enhanced: Batch | None = None

    def __len__(self) -> int:
        return len(self.items)


@dataclass(frozen=True)
class StageOutput:
    """What a stage makes of a `Batch`: the same N in the same order.

    Parameters
    ----------
    images : torch.Tensor, shape (N, C, sH, sW), or None
        The new images, in the (normalised) unit of the batch; None for a stage that gives none.
    uncertainty : torch.Tensor, shape of `images`, or None
        The model's own 1σ.
    values : tuple of mapping, length N or 0
        Per cutout: header keyword (at most 8 characters) to `Value`.
    tables : tuple of mapping, length N or 0
        Per cutout: EXTNAME to `Rows`.
    planes : tuple of mapping, length N or 0
        Per cutout: EXTNAME to `Plane`.
    failed : tuple of str or None, length N or 0
        Per cutout: why it failed, or None.
    """

    images: torch.Tensor | None = None
    uncertainty: torch.Tensor | None = None
    values: tuple[Mapping[str, Value], ...] = ()
    tables: tuple[Mapping[str, Rows], ...] = ()
    planes: tuple[Mapping[str, Plane], ...] = ()
    failed: tuple[str | None, ...] = ()


@runtime_checkable
class Stage(Protocol):
    """A running stage. It never sees a path or a header, and it pickles before `load`."""

    def load(self, device: torch.device, dtype: torch.dtype) -> None:
        """Load weights and move to `device`. Called once, before `apply`."""

    def apply(self, batch: Batch) -> StageOutput:
        """Process a batch that lies on the device given to `load`. Called without gradients."""

    def close(self) -> None:
        """Let go of memory and files. Called once; also after a failure."""


def psf_stack(batch: Batch, size: int | None = None) -> NDArray[np.float32] | None:
    """PSF images of a batch on one odd grid.

    Parameters
    ----------
    batch : Batch
        Items without a PSF image but with a width get a Gaussian of that FWHM.
    size : int, optional
        Side [px], odd; the largest needed by default.

    Returns
    -------
    ndarray, shape (N, size, size), float32, each summing to 1, or None
        None where any item has no PSF at all.
    """
    from lensproc.nn.psf import stack_psfs

    return stack_psfs([item.psf for item in batch.items], size)
