"""What a pipeline gives back for one cutout: the new image beside the old one, and how it was made."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lensproc.cutout import Cutout

if TYPE_CHECKING:
    from astropy.io.fits import Header

Scalar = float | int | str | bool | None


@dataclass(frozen=True)
class Value:
    """One number or word about one cutout: a header card and a catalogue column.

    Parameters
    ----------
    value : float, int, str, bool or None
        The value; None (an undefined card, a masked cell) where it could not be measured.
    error : float, optional
        Its 1σ error, in the same unit.
    unit : str
        FITS unit string; empty where it has none.
    description : str
        One line for the card's comment and the column's description.
    """

    value: Scalar
    error: float | None = None
    unit: str = ""
    description: str = ""


@dataclass(frozen=True)
class Rows:
    """A table about one cutout, by column.

    Parameters
    ----------
    columns : mapping of str to ndarray, shape (n,)
        Column name to values, all of one length.
    units : mapping of str to str
        FITS unit per column; a column left out has none.
    descriptions : mapping of str to str
        One line per column.
    """

    columns: Mapping[str, NDArray[Any]]
    units: Mapping[str, str] = field(default_factory=dict)
    descriptions: Mapping[str, str] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(next(iter(self.columns.values()))) if self.columns else 0


@dataclass(frozen=True)
class Plane:
    """A further image about one cutout: an error map, a convergence map, a source-plane image.

    Parameters
    ----------
    data : ndarray, shape (..., ny, nx), float32
        The pixels.
    scale : float or None
        Pixels of this plane per input pixel, where it lies on the input's sky; its header is then resampled
        by rule from the input's. None where it does not.
    unit : str
        FITS unit string.
    header : astropy.io.fits.Header or None
        WCS cards of the plane's own where `scale` is None.
    description : str
        One line saying what it is.
    """

    data: NDArray[np.float32]
    scale: float | None = None
    unit: str = ""
    header: Header | None = None
    description: str = ""


@dataclass(frozen=True)
class Activity:
    """One row of the ``LENSPROC`` table: who did what to the pixels, with what.

    Row 0 of a run is the reading, rows 1 to n are the stages, and the checks come last; a second run over an
    output appends its rows. Mappings are canonical JSON (sorted keys, no spaces).

    Parameters
    ----------
    stage : int
        0 for the reading, 1 to n for the stages, n + 1 for the checks.
    id, kind : str
        Stage id and kind (``enhance``, ``classify``, ``physics``; ``core`` for the reading and the checks).
    dist, distver : str
        Distribution that the stage comes from, and its version.
    weights, wsha256 : str
        File name of the weights and their SHA-256, comma-separated where there are several; empty for none.
    options : str
        Options as JSON.
    norm : str
        What undoes the normalisation, as JSON: ``{"offset": 0.1, "scale": 2.3}``.
    insha : str
        SHA-256 of the pixels (float32, little-endian) that went in, 64 hex digits.
    t_start : str
        UTC, ISO 8601; the date of SOURCE_DATE_EPOCH where that is set.
    elapsed : float
        Seconds per cutout; 0 where SOURCE_DATE_EPOCH is set.
    device, dtype : str
        ``cpu`` or the name of the GPU; ``float32`` or ``bfloat16``.
    versions : str
        JSON of torch, CUDA, numpy, astropy and python versions.
    seed : int
        Seed handed to the stage for this cutout.
    status, message : str
        ``OK`` or ``FAILED``, and why.
    """

    stage: int
    id: str
    kind: str
    dist: str = ""
    distver: str = ""
    weights: str = ""
    wsha256: str = ""
    options: str = "{}"
    norm: str = "{}"
    insha: str = ""
    t_start: str = ""
    elapsed: float = 0.0
    device: str = "cpu"
    dtype: str = "float32"
    versions: str = "{}"
    seed: int = 0
    status: str = "OK"
    message: str = ""


@dataclass(frozen=True)
class Enhanced:
    """One cutout after a pipeline.

    Parameters
    ----------
    original : Cutout
        The cutout as read.
    image : Cutout
        The result on its own grid: pixels, variance, mask (bits renamed where lensproc added some), resampled
        header, PSF and lens centre in its own pixels.
    scale : float
        Pixels of `image` per pixel of `original`.
    config_sha256 : str
        SHA-256 of the canonical JSON of the configuration, 64 hex digits.
    activities : tuple of Activity
        Reading, stages, checks, in order; rows of earlier runs first.
    output_psf : str, float or tuple of tuple of float
        PSF of `image` as the chain of stages declares it (see `Manifest.output_psf`).
    flux_factor, variance_factor : float
        What interpolation by the core multiplied values and variances by (LPFLUXCV, LPVARCV).
    status : str
        ``OK`` (every stage), or ``PARTIAL`` (a stage that gives no image failed).
    synthetic : bool
        True where a generative stage took part (LPSYNTH).
    values : mapping of str to Value
        What the stages say of the cutout, by header keyword.
    tables, planes : mappings
        Further tables and images by EXTNAME.
    uncertainty : ndarray, shape of `image`, or None
        The stages' own 1σ model uncertainty, in the unit of `image`.
    qa : mapping of str to Value
        The quality keywords, ``QASTAT`` first; empty where checks were off.
    sources : Rows or None
        The ``SOURCES`` table of the checks.
    """

    original: Cutout
    image: Cutout
    scale: float
    config_sha256: str = ""
    activities: tuple[Activity, ...] = ()
    output_psf: str | float | tuple[tuple[float, ...], ...] = "same"
    flux_factor: float = 1.0
    variance_factor: float = 1.0
    status: str = "OK"
    synthetic: bool = False
    values: Mapping[str, Value] = field(default_factory=dict)
    tables: Mapping[str, Rows] = field(default_factory=dict)
    planes: Mapping[str, Plane] = field(default_factory=dict)
    uncertainty: NDArray[np.float32] | None = None
    qa: Mapping[str, Value] = field(default_factory=dict)
    sources: Rows | None = None
