"""A star's position on the sky in eight images of one field, before and after ``lensproc.enhance``.

The star at 10:00:24.1161 +02:17:53.392 lies beside the lens COSJ100024+021749 in Subaru, CFHT, VISTA, Hubble and
Webb images with pixels of 0.03 to 0.168 arcsec. A two-dimensional Gaussian plus a constant is fitted to it in the
same box of sky in the input and in the output; a header wrong by half an input pixel would show as 15 to 84 mas.

Usage: LENSPROC_REAL_DATA=FOLDER python benchmarks/sky_positions.py [--stages lanczos] [--markdown]
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import math
import os
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from astropy.coordinates import SkyCoord
from astropy.modeling.fitting import TRFLSQFitter
from astropy.modeling.models import Const2D, Gaussian2D
from astropy.wcs import WCS
from numpy.typing import NDArray

from lensproc import Cutout, Pipeline

REAL_DATA = Path(os.environ.get("LENSPROC_REAL_DATA", Path(__file__).parents[2] / "shared" / "data" / "real"))
STAR = SkyCoord("10h00m24.1161s +02d17m53.392s")
GOAL_MAS = 5.0
FILES = {
    "HSC g": "16_subaru_HSC-G_COSJ100024+021749.fits",
    "HSC r": "16_subaru_HSC-R_COSJ100024+021749.fits",
    "HSC i": "16_subaru_HSC-I_COSJ100024+021749.fits",
    "CFHT u": "17_cfht_u_COSJ100024+021749.fits",
    "VISTA Ks": "18_uvista_Ks_COSJ100024+021749.fits",
    "HST F606W": "14_hst_acs_F606W_COSJ100024+021749.fits",
    "HST F814W": "13_hst_acs_F814W_COSJ100024+021749_hugeheader.fits",
    "JWST F150W": "11_jwst_nircam_F150W_COSJ100024+021749_SCIprimary_PC.fits",
}


@dataclass(frozen=True)
class Box:
    """A square of whole input pixels: its first pixel and its side, zero-based [px]."""

    x: int
    y: int
    side: int

    def on_grid(self, scale: float) -> Box:
        """Return the same square of sky on pixels `scale` times finer (edges aligned)."""
        return Box(*(round(scale * value) for value in (self.x, self.y, self.side)))


@dataclass(frozen=True)
class Position:
    """Where a star was found: world coordinates [deg], and its full width at half maximum [px]."""

    ra: float
    dec: float
    fwhm: float


@dataclass(frozen=True)
class Shift:
    """A star's position before and after; differences are after minus before."""

    image: str
    ra: float
    dec: float
    ra_after: float
    dec_after: float
    east_mas: float
    north_mas: float
    shift_mas: float
    from_catalogue_mas: float
    pixel_mas: float
    fwhm_arcsec: float


def box_around_star(cutout: Cutout, wcs: WCS) -> Box:
    """Return a box of 3 FWHM a side, at least 7 pixels, on the brightest pixel within 0.3 arcsec of the star."""
    x, y = wcs.world_to_pixel(STAR)
    pixel_scale, psf = cutout.pixel_scale.value, cutout.psf.value
    if pixel_scale is None or psf is None:
        raise SystemExit(f"{cutout.source.file} has no pixel scale or no PSF")
    reach = max(1, round(0.3 / pixel_scale))
    x0, y0 = round(float(x)) - reach, round(float(y)) - reach
    near = cutout.data[y0 : y0 + 2 * reach + 1, x0 : x0 + 2 * reach + 1]
    peak_y, peak_x = np.unravel_index(np.nanargmax(near), near.shape)
    half = max(3, round(1.5 * psf.fwhm))
    return Box(x0 + int(peak_x) - half, y0 + int(peak_y) - half, 2 * half + 1)


def fit_star(data: NDArray[np.float32], wcs: WCS, box: Box) -> Position:
    """Fit an elliptical Gaussian plus a constant to the pixels of a box, unweighted."""
    stamp = data[box.y : box.y + box.side, box.x : box.x + box.side].astype(np.float64)
    y, x = np.mgrid[: box.side, : box.side]
    level = np.median(np.concatenate([stamp[0], stamp[-1], stamp[:, 0], stamp[:, -1]]))
    peak = stamp.max() - level
    middle, width = (box.side - 1) / 2, box.side / 7
    start = Gaussian2D(1.0, middle, middle, width, width) + Const2D(0.0)
    fitter = TRFLSQFitter()
    fit = fitter(start, x, y, (stamp - level) / peak, maxiter=2000)[0]
    ra, dec = wcs.all_pix2world(box.x + fit.x_mean.value, box.y + fit.y_mean.value, 0)
    fwhm = 2.3548 * math.sqrt(abs(fit.x_stddev.value * fit.y_stddev.value))
    return Position(float(ra), float(dec), fwhm)


def sky_of(cutout: Cutout) -> WCS:
    """Return the WCS of a cutout's header."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return WCS(cutout.header, naxis=2)


def shift_of(name: str, before: Position, after: Position, pixel_scale: float) -> Shift:
    """Compare two positions on the tangent plane."""
    east = (after.ra - before.ra) * math.cos(math.radians(before.dec)) * 3.6e6
    north = (after.dec - before.dec) * 3.6e6
    catalogue = SkyCoord(before.ra, before.dec, unit="deg").separation(STAR).arcsec
    return Shift(
        name,
        before.ra,
        before.dec,
        after.ra,
        after.dec,
        east,
        north,
        math.hypot(east, north),
        1e3 * float(catalogue),
        1e3 * pixel_scale,
        before.fwhm * pixel_scale,
    )


def measure(folder: Path = REAL_DATA, stages: str = "lanczos") -> Iterator[Shift]:
    """Enhance the eight images and give the star's shift in each."""
    with Pipeline(stages.split(","), checks="none", device="cpu") as pipeline:
        results = pipeline.run([folder / name for name in FILES.values()])
        for name, result in zip(FILES, results, strict=True):
            if isinstance(result, Exception):
                raise result
            original, image = result.original, result.image
            wcs = sky_of(original)
            box = box_around_star(original, wcs)
            before = fit_star(original.data, wcs, box)
            after = fit_star(image.data, sky_of(image), box.on_grid(result.scale))
            yield shift_of(name, before, after, original.pixel_scale.value or math.nan)


def main() -> None:
    """Print one JSON line per image, or a Markdown table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--stages", default="lanczos", help="stage ids, separated by commas")
    parser.add_argument("--markdown", action="store_true", help="print a table instead of JSON lines")
    options = parser.parse_args()
    if not REAL_DATA.is_dir():
        raise SystemExit(f"real survey files not found in {REAL_DATA}; set LENSPROC_REAL_DATA")
    if options.markdown:
        print("| image | pixel [mas] | RA before | Dec before | RA after | Dec after | shift [mas] |")
        print("| --- | ---: | --- | --- | --- | --- | ---: |")
    for shift in measure(stages=options.stages):
        if not options.markdown:
            print(json.dumps(dataclasses.asdict(shift)))
            continue
        columns = [f"{v:.7f}" for v in (shift.ra, shift.dec, shift.ra_after, shift.dec_after)]
        print(
            "|", " | ".join([shift.image, f"{shift.pixel_mas:.0f}", *columns, f"{shift.shift_mas:.2f}"]), "|"
        )


if __name__ == "__main__":
    main()
