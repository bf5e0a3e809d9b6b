"""θ_E by the stage ``sis`` on simulated lenses of known θ_E, and on two real rings.

Run from the checkout:

    python -m benchmarks.sis_theta_e [--set sis.weights=FILE] [--number 200] [--real FOLDER]

Images are of the ``test`` streams, which no training draws from. SNR is that of the brightest pixel of the arcs.
Bias is the median of θ_E/truth − 1, scatter half the width that holds 68.27 % about it, coverage the part of the
lenses whose truth lies within the stated error; their 1σ errors are from 1,000 bootstraps. A second table has the
coverage of the centre, of the ellipticity and of the shear, along the axes that they are given along.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import time
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io.fits import HDUList
from astropy.wcs import WCS
from numpy.typing import NDArray

import lensproc
from lensproc.enhanced import Enhanced, Value
from lensproc.fits.options import ReadOptions
from lensproc.simulate.image import Simulated, simulate
from lensproc.simulate.layouts import hdulist
from lensproc.simulate.recipe import load_recipe
from lensproc_sis.sis_findings import orientation, turned_shape
from lensproc_sis.sis_samples import arcs_of

Array = NDArray[np.float64]

RECIPES = ("sealed-common-test", "deeplense-1", "jwst-nircam", "hst-acs", "euclid-vis", "hsc", "rings")
SEED = 20260801
"""Of recipes that are not sealed themselves."""
BINS = (0.0, 10.0, 25.0, 50.0, np.inf)
"""Edges of the SNR of the brightest pixel of the arcs."""
ENOUGH = 25.0
"""SNR from which a lens counts in the goal."""
ONE_SIGMA = 0.6827
CENTRE, SHAPE, SHEAR = ("LPLENSX", "LPLENSY"), ("LPE1", "LPE2"), ("LPG1", "LPG2")


@dataclass(frozen=True)
class Row:
    """One lens: truth, what was found, its error, SNR, seconds, and (found − truth)/error of the other numbers."""

    recipe: str
    index: int
    truth: float
    found: float
    error: float
    snr: float
    seconds: float
    pulls: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Ring:
    """A real ring and what the literature says of it."""

    name: str
    file: str
    options: ReadOptions
    published: str


RINGS = (
    Ring(
        "COSMOS-Web ring, HST F814W",
        "23_hst_acs_F814W_COSMOSWebRing_FK5_rot.fits",
        ReadOptions(pixel_units="flux"),
        "0.78 (Mercier et al. 2024, A&A 687, A61), 0.77 (van Dokkum et al. 2024, Nat. Astron. 8, 119)",
    ),
    Ring(
        "COSMOS-Web ring, HSC i",
        "24_HSC-I_COSMOSWebRing.fits",
        ReadOptions(pixel_units="flux"),
        "as above",
    ),
    Ring(
        "SDSSJ0946+1006, HST F814W",
        "26_hst_slacs0946+1006_f8_NOWCS.fits",
        ReadOptions(pixel_scale=0.05, pixel_units="flux", psf="0.1"),
        "1.43 ± .01, second ring 2.07 ± .02 (Gavazzi et al. 2008, ApJ 677, 1046); "
        "1.38 (Bolton et al. 2008, ApJ 682, 964)",
    ),
)


def lens(recipe: str, index: int) -> Simulated:
    """Lens `index` of the test stream of a recipe."""
    loaded = load_recipe(recipe)
    return simulate(loaded, SEED if loaded.seed is None else loaded.seed, "test", index)


def measured(image: Any, options: ReadOptions | None, settings: dict[str, object]) -> Enhanced:
    """Measure an image as a user does."""
    result = lensproc.enhance(image, ["sis"], settings=settings, read=options, checks="none", device="cpu")
    first = result[0] if isinstance(result, list) else result
    enhanced: Enhanced = first.meta["lensproc"]
    return enhanced


def options_of(sim: Simulated) -> ReadOptions:
    """Say what the file of a simulated lens may not."""
    frame = sim.exposure.frame
    return ReadOptions(
        pixel_scale=frame.pixel_scale,
        pixel_units=sim.recipe.instrument.amplitude,
        psf=f"{sim.exposure.psf.fwhm}",
    )


def snr_of(sim: Simulated) -> float:
    """SNR of the brightest pixel of the arcs."""
    arcs = arcs_of(sim)
    place = np.unravel_index(int(arcs.argmax()), arcs.shape)
    return float(arcs[place] / np.sqrt(sim.exposure.expected_variance[place]))


def pulls_of(sim: Simulated, hdus: HDUList, values: Mapping[str, Value]) -> dict[str, float]:
    """(Found − truth)/error of centre, ellipticity and shear; empty where they were not measured."""
    assert sim.scene.deflector is not None
    main, shear = sim.scene.deflector.kwargs[:2]
    header = next(hdu.header for hdu in hdus if hdu.data is not None and "CTYPE1" in hdu.header)
    turn = orientation(WCS(header).pixel_scale_matrix)
    truth = dict(zip(CENTRE, sim.exposure.frame.pixel(main["center_x"], main["center_y"]), strict=True))
    for names, pair in ((SHAPE, (main["e1"], main["e2"])), (SHEAR, (shear["gamma1"], shear["gamma2"]))):
        turned, _ = turned_shape(np.array(pair), np.zeros(2), turn)
        truth |= dict(zip(names, turned, strict=True))
    known = {name: values[name] for name in truth if name in values and values[name].error}
    return {
        name: (float(value.value or 0.0) - truth[name]) / float(value.error or np.nan)
        for name, value in known.items()
    }


def rows_of(recipe: str, indices: Iterable[int], settings: dict[str, object]) -> list[Row]:
    """Measure lenses of a recipe; those that could not be measured have no number."""
    rows = []
    for index in indices:
        sim = lens(recipe, index)
        hdus = hdulist(sim)
        begin = time.process_time()
        values = measured(hdus, options_of(sim), settings).values
        seconds = time.process_time() - begin
        value = values.get("LPTHETAE")
        found = np.nan if value is None else float(value.value or np.nan)
        error = np.nan if value is None else float(value.error or np.nan)
        pulls = pulls_of(sim, hdus, values)
        rows.append(Row(recipe, index, sim.scene.einstein_radius, found, error, snr_of(sim), seconds, pulls))
    return rows


def summary(ratio: Array, pull: Array) -> tuple[float, float, float]:
    """Bias and scatter [%] of ratios found/truth − 1, and coverage [%] of pulls."""
    bias = float(np.median(ratio))
    scatter = float(np.quantile(np.abs(ratio - bias), ONE_SIGMA))
    return 100.0 * bias, 100.0 * scatter, 100.0 * float(np.mean(np.abs(pull) <= 1.0))


def line(name: str, rows: list[Row], draws: int = 1000) -> str:
    """One line of the table."""
    known = [row for row in rows if np.isfinite(row.found) and np.isfinite(row.error)]
    if len(known) < 8:
        return f"| {name} | {len(known)} | – | – | – | – |"
    truth, found, error = (np.array([getattr(r, f) for r in known]) for f in ("truth", "found", "error"))
    ratio, pull = found / truth - 1.0, (found - truth) / error
    here = summary(ratio, pull)
    rng = np.random.default_rng(1)
    picks = rng.integers(0, len(known), (draws, len(known)))
    spread = np.std([summary(ratio[p], pull[p]) for p in picks], axis=0)
    cells = " | ".join(f"{value:.1f} ± {sigma:.1f}" for value, sigma in zip(here, spread, strict=True))
    seconds = float(np.median([row.seconds for row in known]))
    return f"| {name} | {len(known)} | {cells} | {seconds:.2f} |"


def tables(rows: list[Row]) -> list[str]:
    """Tables by recipe and by SNR."""
    lines = [
        "| lenses | number | bias [%] | scatter [%] | within 1σ [%] | seconds |",
        "|---|---|---|---|---|---|",
    ]
    for recipe in dict.fromkeys(row.recipe for row in rows):
        own = [row for row in rows if row.recipe == recipe]
        lines.append(line(recipe, own))
        lines.append(line(f"{recipe}, SNR ≥ {ENOUGH:g}", [row for row in own if row.snr >= ENOUGH]))
    for low, high in itertools.pairwise(BINS):
        lines.append(line(f"all, SNR {low:g} to {high:g}", [r for r in rows if low <= r.snr < high]))
    lines.append(line(f"all, SNR ≥ {ENOUGH:g}", [row for row in rows if row.snr >= ENOUGH]))
    return lines


def other_coverage(rows: list[Row]) -> list[str]:
    """Table of the lenses [%] whose centre, ellipticity and shear lie within 1σ, by recipe."""
    names = (*CENTRE, *SHAPE, *SHEAR)
    lines = [f"| lenses | number | {' | '.join(names)} |", "|---" * (len(names) + 2) + "|"]
    for recipe in dict.fromkeys(row.recipe for row in rows):
        own = [row.pulls for row in rows if row.recipe == recipe and row.pulls]
        held = [100.0 * np.mean([abs(pulls[name]) <= 1.0 for pulls in own]) for name in names]
        lines.append(f"| {recipe} | {len(own)} | {' | '.join(f'{percent:.0f}' for percent in held)} |")
    return lines


def real(folder: Path, settings: dict[str, object]) -> list[str]:
    """Measure the real rings."""
    lines = ["| ring | θ_E [″] | published [″] |", "|---|---|---|"]
    for ring in RINGS:
        value = measured(folder / ring.file, ring.options, settings).values.get("LPTHETAE")
        said = "not measured" if value is None else f"{value.value:.3f} ± {value.error:.3f}"
        lines.append(f"| {ring.name} | {said} | {ring.published} |")
    return lines


def main() -> None:
    """Measure, print the tables, and write every lens to a file where one is named."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--set", action="append", default=[], metavar="STAGE.OPTION=VALUE")
    parser.add_argument("--recipes", nargs="+", default=RECIPES)
    parser.add_argument("--number", type=int, default=200)
    parser.add_argument("--real", type=Path, default=os.environ.get("LENSPROC_REAL_DATA"))
    parser.add_argument("--rows", type=Path, help="JSON of every lens")
    given = parser.parse_args()
    settings: dict[str, object] = dict(entry.split("=", 1) for entry in given.set)
    rows = [row for recipe in given.recipes for row in rows_of(recipe, range(given.number), settings)]
    print("\n".join((*tables(rows), "", *other_coverage(rows))), flush=True)
    if given.real:
        print("\n".join(real(Path(given.real), settings)))
    if given.rows:
        given.rows.write_text(json.dumps({"sis": [asdict(row) for row in rows]}, indent=1))


if __name__ == "__main__":
    main()
