"""Sets on disk: FITS cutouts beside their truth, as ``lensproc simulate`` writes them."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lensproc.cutout import Cutout
from lensproc.errors import InputError
from lensproc.evaluate.scoring.example import Example, PointSources, Reference, values_of

if TYPE_CHECKING:
    from astropy.io.fits import HDUList
    from astropy.table import Table

CATALOGUE = "catalog.ecsv"


@lru_cache(maxsize=4)
def catalogue_of(folder: Path) -> Table:
    """Read the catalogue of a set.

    Raises
    ------
    InputError
        Where there is none.
    """
    from astropy.table import Table

    path = folder / CATALOGUE
    if not path.is_file():
        raise InputError(
            f"the folder has no {CATALOGUE}: it is no set of FITS files with truth",
            file=folder.name,
            remedy="make one with lensproc simulate",
        )
    return Table.read(path, format="ascii.ecsv")


def count(folder: Path) -> int:
    """Return the number of images of a set."""
    return len(catalogue_of(folder))


def origin_of(folder: Path) -> dict[str, Any]:
    """Recipe, seed, split and hashes of a set, as its catalogue has them."""
    meta = catalogue_of(folder).meta
    return {
        key: meta[key] for key in ("recipe", "seed", "split", "split_sha256", "data_sha256") if key in meta
    }


def is_unit_range(folder: Path) -> bool:
    """Whether the images are scaled to [0, 1], by the first of them."""
    with open_truth(folder, 0) as truth:
        return float(truth[0].header.get("FACTOR", 1.0)) != 1.0


def example(folder: Path, index: int, scale: int, wanted: tuple[str, ...]) -> Example:
    """Read one image with the references among `wanted` that its truth file has at `scale`.

    Raises
    ------
    InputError
        Where a file is missing or cannot be read.
    """
    from lensproc.fits.read import read
    from lensproc.simulate.instrument import load_instrument

    table = catalogue_of(folder)
    flat = load_instrument(str(table.meta["instrument"])).amplitude == "surface brightness"
    cutout = read(folder / file_of(folder, index))[0]
    with open_truth(folder, index) as truth:
        if "TRUTH1" not in truth:
            raise InputError("the truth has no HDU TRUTH1", file=file_of(folder, index))
        clean = _pixels(truth, "TRUTH1")
        cutout = _with_lens(cutout, truth)
        references = _references(truth, cutout, clean, scale, wanted, flat=flat)
        return Example(index, cutout, clean, references, _points(truth))


def file_of(folder: Path, index: int) -> str:
    """Name of the file of an image."""
    return f"{catalogue_of(folder)['name'][index]}.fits"


def open_truth(folder: Path, index: int) -> HDUList:
    """Open the truth of an image.

    Raises
    ------
    InputError
        Where it is missing.
    """
    from astropy.io import fits

    path = folder / "truth" / file_of(folder, index)
    if not path.is_file():
        raise InputError("the truth is missing", file=f"truth/{path.name}")
    return fits.open(path)


def _pixels(truth: HDUList, name: str) -> NDArray[np.float64]:
    return np.array(truth[name].data, np.float64)


def _with_lens(cutout: Cutout, truth: HDUList) -> Cutout:
    """Put the true place of the lens into a cutout, so that core and sky are told apart."""
    header = truth[0].header
    place = (float(header["LENS_X"]), float(header["LENS_Y"])) if "LENS_X" in header else None
    return cutout.replace(lens_center=type(cutout.lens_center)(place, "truth"))


def _references(
    truth: HDUList,
    cutout: Cutout,
    clean: NDArray[np.float64],
    scale: int,
    wanted: tuple[str, ...],
    *,
    flat: bool,
) -> dict[str, Reference]:
    from lensproc.nn.psf import resample_psf

    found: dict[str, Reference] = {}
    floor, psf = float(clean.min()), cutout.psf.value
    shape = (scale * clean.shape[0], scale * clean.shape[1])
    if scale == 1 and "noisy" in wanted:
        own = None if psf is None else psf.image
        found["noisy"] = Reference(cutout.data.astype(np.float64), own, floor)
    if "HIGHRES" in truth and truth["HIGHRES"].data.shape == shape:
        partner = _pixels(truth, "HIGHTRUTH")
        same_sky = "TRUTH2" in truth and np.array_equal(partner, _pixels(truth, "TRUTH2"))
        kernel = np.array(truth["HIGHPSF"].data, np.float32)
        for name, image in (("noisy", _pixels(truth, "HIGHRES")), ("partner", partner)):
            if name in wanted and (name == "noisy" or not same_sky or "truth" not in wanted):
                found[name] = Reference(image, kernel, float(partner.min()), not same_sky)
    # half the PSF on s times finer pixels is the PSF on s/2 times finer ones
    for name, plane, finer in (("truth", f"TRUTH{scale}", scale), ("sharp", f"SHARP{scale}", scale / 2)):
        if name in wanted and plane in truth:
            image = values_of(_pixels(truth, plane), scale, surface_brightness=flat)
            found[name] = Reference(image, None if psf is None else resample_psf(psf, finer), floor)
    return found


def _points(truth: HDUList) -> PointSources:
    rows = truth["SOURCES"].data
    kinds = tuple(str(kind).strip() for kind in rows["KIND"])
    x, y, flux = (np.array(rows[name], np.float64) for name in ("X", "Y", "FLUX"))
    return PointSources(kinds, x, y, flux)
