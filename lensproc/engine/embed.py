"""One call for notebooks and reduction scripts: in comes what they have, out comes ``CCDData``."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from lensproc.config import StageSpec
from lensproc.cutout import Cutout
from lensproc.engine.pipeline import Pipeline
from lensproc.enhanced import Enhanced
from lensproc.errors import LensprocError
from lensproc.fits.read import ReadOptions
from lensproc.qc.sky import celestial_wcs

if TYPE_CHECKING:
    from astropy.io.fits import HDUList
    from astropy.nddata import CCDData


def enhance(
    image: str | os.PathLike[str] | Cutout | CCDData | HDUList,
    stages: str | Sequence[str | StageSpec] | None = None,
    *,
    settings: Mapping[str, object] | None = None,
    read: ReadOptions | None = None,
    checks: str = "quick",
    device: str = "auto",
) -> CCDData | list[CCDData]:
    """Enhance one image without touching disk or the working folder.

    Parameters
    ----------
    image : path, HDUList, CCDData or Cutout
        The image; a file or HDUList may hold several bands.
    stages : str or sequence of str, optional
        Stage ids in order; the default recipe where left out.
    settings : mapping, optional
        ``{"stage.option": value}``.
    read : ReadOptions, optional
        What the image does not say of itself.
    checks : str
        ``quick`` or ``none``.
    device : str
        ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.

    Returns
    -------
    CCDData, or list of CCDData where there are several bands
        With WCS, mask, uncertainty, unit and PSF set; quality keywords and stage values in ``meta``, the whole
        `Enhanced` in ``meta["lensproc"]``.

    Raises
    ------
    LensprocError
        Where the image cannot be read or enhanced.

    Examples
    --------
    >>> import numpy as np
    >>> from astropy.nddata import CCDData
    >>> import lensproc
    >>> ccd = CCDData(np.ones((16, 16)), unit="adu")
    >>> finer = lensproc.enhance(ccd, "bicubic", checks="none")
    >>> finer.shape, round(float(finer.data.sum()), 3)  # flux per pixel: the sum is kept
    ((32, 32), 256.0)
    """
    with Pipeline(stages, settings=settings, read=read, checks=checks, device=device) as pipeline:
        results = []
        for result in pipeline.run([image]):
            if isinstance(result, LensprocError):
                raise result
            results.append(to_ccddata(result))
    return results[0] if len(results) == 1 else results


def to_ccddata(enhanced: Enhanced) -> CCDData:
    """Return a result as ``CCDData``: WCS, mask (True is bad), standard deviations, unit and PSF set."""
    import astropy.units as u
    from astropy.nddata import CCDData, StdDevUncertainty

    image = enhanced.image
    uncertainty = None
    if image.variance is not None:
        uncertainty = StdDevUncertainty(np.sqrt(image.variance))
    meta: dict[str, Any] = {name: value.value for name, value in {**enhanced.values, **enhanced.qa}.items()}
    meta["lensproc"] = enhanced
    psf = image.psf.value.image if image.psf.value is not None else None
    return CCDData(
        image.data,
        unit=u.Unit(image.unit.value or "", parse_strict="silent"),
        uncertainty=uncertainty,
        mask=image.bad,
        wcs=celestial_wcs(image),
        psf=psf,
        meta=meta,
    )
