"""Images of a set with what the simulation knows of their class."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from lensproc.cutout import Cutout
from lensproc.errors import InputError
from lensproc.evaluate.scoring import truth_files
from lensproc.evaluate.scoring.dataset import DataSet, recipe_of

if TYPE_CHECKING:
    from astropy.io.fits import HDUList, Header

    from lensproc.simulate.image import Simulated

NONE = "no"
"""Class of a lens without substructure."""


@dataclass(frozen=True)
class Truth:
    """What is known of one image.

    Parameters
    ----------
    index : int
        Its number in the set.
    class_name : str
        Substructure class.
    mass : float
        All mass of the substructure [M_sun]; NaN where it is not known.
    einstein_radius : float
        θ_E [arcsec]; NaN without lens.
    snr : float
        Root of the sum of (noise-free light / σ)² over all pixels: the SNR of a fit of the right light.
    """

    index: int
    class_name: str
    mass: float = math.nan
    einstein_radius: float = math.nan
    snr: float = math.nan


def classes_of(dataset: DataSet) -> tuple[str, ...]:
    """Classes that a set is made of, in the order of their labels."""
    if dataset.folder is None:
        return tuple(recipe_of(dataset.name).classes)
    table = truth_files.catalogue_of(dataset.folder)
    if "class" not in table.colnames:
        raise InputError("the catalogue has no column class", file=truth_files.CATALOGUE)
    names = [str(name) for name in table["class"]]
    labels = [int(n) for n in table["label"]] if "label" in table.colnames else [0] * len(names)
    return tuple(dict.fromkeys(name for _, name in sorted(zip(labels, names, strict=True))))


def labelled(dataset: DataSet, indices: Sequence[int]) -> list[tuple[Cutout, Truth]]:
    """Images as ``lensproc run`` would read them, each with its truth.

    The lens centre is what the reader finds, not where the simulation has put the lens.

    Raises
    ------
    InputError
        Where a file is missing or does not name its class.
    """
    if dataset.folder is not None:
        return [_from_files(dataset, index) for index in indices]
    from lensproc.simulate.image import simulate

    recipe = recipe_of(dataset.name)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module=r"lenstronomy(\..*)?")
        sims = [simulate(recipe, dataset.seed, dataset.split, index) for index in indices]
    return [(_as_read(sim), _truth_of(sim)) for sim in sims]


def snr_of(light: NDArray[np.floating], variance: NDArray[np.floating]) -> float:
    """Root of the summed squares of light over noise, above the darkest pixel of the noise-free image.

    Parameters
    ----------
    light, variance : ndarray, shape (ny, nx)
        Noise-free image and the variance of its noise.
    """
    above = np.asarray(light, np.float64) - float(np.min(light))
    known = np.isfinite(variance) & (variance > 0)
    if not known.any():
        return math.nan
    return float(np.sqrt((above[known] ** 2 / variance[known].astype(np.float64)).sum()))


def _as_read(sim: Simulated) -> Cutout:
    from lensproc.evaluate.scenes import cutout_of
    from lensproc.fits.center import resolve_center

    cutout = cutout_of(sim, sim.exposure)
    center = resolve_center(None, cutout.header, cutout.data, cutout.bad, cutout.psf)
    return cutout.replace(lens_center=center)


def _truth_of(sim: Simulated) -> Truth:
    return Truth(
        sim.index,
        sim.scene.class_name,
        float(sim.scene.subhalos.mass.sum()),
        float(sim.scene.einstein_radius),
        snr_of(sim.exposure.noise_free, sim.exposure.expected_variance),
    )


def _from_files(dataset: DataSet, index: int) -> tuple[Cutout, Truth]:
    from lensproc.fits.read import read

    assert dataset.folder is not None
    name = truth_files.file_of(dataset.folder, index)
    cutout = read(dataset.folder / name)[0]
    with truth_files.open_truth(dataset.folder, index) as truth:
        header = truth[0].header
        if "CLASS" not in header:
            raise InputError("the truth does not name its class (CLASS in PRIMARY)", file=f"truth/{name}")
        return cutout, Truth(
            index,
            str(header["CLASS"]).strip(),
            _mass_of(truth),
            _number(header, "THETA_E"),
            _snr_of_file(truth),
        )


def _mass_of(truth: HDUList) -> float:
    return float(np.sum(truth["SUBHALOS"].data["MASS"])) if "SUBHALOS" in truth else math.nan


def _number(header: Header, keyword: str) -> float:
    return float(header[keyword]) if keyword in header else math.nan


def _snr_of_file(truth: HDUList) -> float:
    if "TRUTH1" not in truth or "VARIANCE" not in truth:
        return math.nan
    return snr_of(np.asarray(truth["TRUTH1"].data), np.asarray(truth["VARIANCE"].data))
