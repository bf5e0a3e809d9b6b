"""A real HSC cutout and its HST counterpart: stages beside four other networks on one ruler.

    python -m benchmarks.real_super_resolution raw-gold
    python -m benchmarks.real_raw_gold [--weights ROW=FILE]… [--page] [ROW]…

The first makes the figures of docs/real-super-resolution.md. The second takes any rows of
``adversarial_table.toml``, by default all that have weights; ``--page`` puts its figures into
docs/adversarial-scores.md. `LENSPROC_DEEPLENSE_DATA` names the folder with Raw.npy (64², HSC), Gold.npy
(128², HST) and peer_*.npy (128²).
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from astropy.io import fits
from astropy.stats import mad_std
from photutils.detection import DAOStarFinder
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from benchmarks import adversarial_table, peers
from benchmarks.adversarial_rows import Row
from benchmarks.real_subjects import Array, fit_affine, quality
from benchmarks.super_resolution_table import compact, put_into_page
from lensproc import Pipeline, read
from lensproc.cutout import Cutout
from lensproc.enhanced import Enhanced
from lensproc.errors import LensprocError
from lensproc.fits.options import ReadOptions

STAGES = ("bicubic", "richardson-lucy", "lens-sr")
FINDER_FWHM = 4.0
"""Kernel of the star finder [Gold px]: between the PSF of HST and the companion's width of 5 px."""
FINDER_SIGMA = 10.0
"""Threshold [σ of Gold's sky], for every image alike."""
NEAR = 3.0
"""A source is found within this of its place in Gold [Gold px]."""
KEYS = ("QASTAT", "QAFLX", "QACHI2", "QACHIP", "QANLOST", "QANHAL")


def main(weights: str) -> None:
    """Print the table of a few stages; `weights` are those of ``lens-sr``, empty for what ships."""
    options = {"lens-sr": {"weights": weights}} if weights else {}
    print("\n".join(lines_of([Row(stage, stage, options.get(stage, {})) for stage in STAGES])))


def lines_of(stages: Sequence[Row]) -> list[str]:
    """Measure stages and the other networks; return the lines of the table."""
    raw, gold = peers.load(peers.FOLDER / "Raw.npy"), peers.load(peers.FOLDER / "Gold.npy")
    fwhm = peers.blur_of(raw, gold)
    ratio = peers.GOLD_FWHM / peers.SCALE / fwhm
    noise = float(mad_std(gold))
    options = ReadOptions(psf=f"{fwhm:.3f}px", pixel_units="surface brightness")
    with tempfile.TemporaryDirectory() as folder:
        raw_file = Path(folder, "raw.fits")
        fits.writeto(raw_file, raw.astype(np.float32))
        (cutout,) = read(str(raw_file), options)
        subjects = [peers.Subject("Gold", gold, ratio)]
        for row in stages:
            result = enhanced_by(row, cutout)
            subjects.append(peers.Subject(row.name, result.image.data.astype(np.float64), result.output_psf))
        for path in sorted(peers.FOLDER.glob("peer_*.npy")):
            subjects.append(peers.Subject(path.stem.removeprefix("peer_"), peers.load(path), ratio))
        rows = []
        truth: dict[str, tuple[float, float]] = {}
        for subject in subjects:
            _, _, fluxes, checked = peers.row_of(subject, raw, raw_file, options, fwhm)
            truth = truth or fluxes
            image, factor, _ = fit_affine(gold, subject.image)
            scores = ["", ""] if subject.name == "Gold" else scores_of(gold, image)
            shares = [
                f"{fluxes[name][0] / truth[name][0]:.2f} ± {fluxes[name][1] / truth[name][0]:.2f}"
                for name in peers.SOURCES
            ]
            (main_flux, _), (companion, error) = (fluxes[name] for name in peers.SOURCES)
            shares.append(f"{companion / main_flux:.3f} ± {error / main_flux:.3f}")
            row_cells = [subject.name, f"{factor:.2f}", *scores, *shares, *found_in(image, noise)]
            rows.append([*row_cells, *quality(checked.enhanced, KEYS)])
    names = [f"{name} found" for name in peers.SOURCES]
    heads = ["", "factor", "PSNR", "SSIM", *peers.SOURCES, "companion / main", *names, "other peaks", *KEYS]
    widths = (
        f"FWHM of Raw {fwhm:.2f} px; Gold and the other networks {ratio:.3f} of that; σ of Gold {noise:.4f}"
    )
    return [widths, "", *compact(heads, rows)]


def enhanced_by(row: Row, cutout: Cutout) -> Enhanced:
    """Run the stage of a row on a cutout.

    Raises
    ------
    LensprocError
        Where it fails.
    """
    settings = {f"{row.stage}.{name}": value for name, value in row.options.items()}
    with Pipeline([row.stage], settings=settings, checks="none") as pipeline:
        (result,) = pipeline.run([cutout])
    if not isinstance(result, Enhanced):
        raise result
    return result


def scores_of(gold: Array, image: Array) -> list[str]:
    """PSNR [dB] and SSIM at the fixed data range."""
    psnr = peak_signal_noise_ratio(gold, image, data_range=peers.DATA_RANGE)
    ssim = structural_similarity(
        gold,
        image,
        data_range=peers.DATA_RANGE,
        gaussian_weights=True,
        sigma=1.5,
        use_sample_covariance=False,
    )
    return [f"{psnr:.1f}", f"{ssim:.3f}"]


def found_in(image: Array, noise: float) -> list[str]:
    """Whether the star finder has each source, and how many other peaks."""
    finder = DAOStarFinder(
        threshold=FINDER_SIGMA * noise,
        fwhm=FINDER_FWHM,
        min_separation=0.5 * FINDER_FWHM,
        sharpness_range=(0.1, 1.4),
        roundness_range=(-1.5, 1.5),
    )
    table = finder(image - np.median(image))
    if table is None:
        return ["no"] * len(peers.SOURCES) + ["0"]
    x, y = np.asarray(table["x_centroid"]), np.asarray(table["y_centroid"])
    near = [np.hypot(x - u, y - v) < NEAR for u, v in peers.SOURCES.values()]
    other = ~np.logical_or.reduce(near)
    return [*("yes" if some.any() else "no" for some in near), str(int(other.sum()))]


def command() -> int:
    """Print the table of any rows."""
    parser = argparse.ArgumentParser(description="Rows of the adversarial table on Raw and Gold.")
    parser.add_argument("--weights", action="append", default=[], metavar="ROW=FILE")
    parser.add_argument(
        "--page", action="store_true", help="replace the figures of docs/adversarial-scores.md too"
    )
    parser.add_argument("rows", nargs="*", metavar="ROW")
    arguments = parser.parse_args()
    if not (peers.FOLDER / "Raw.npy").is_file():
        print(f"no Raw.npy in {peers.FOLDER}; set LENSPROC_DEEPLENSE_DATA", file=sys.stderr)
        return 1
    try:
        rows = adversarial_table.rows_given(arguments.weights, arguments.rows)
        lines = lines_of(rows)
    except LensprocError as error:
        print(error, file=sys.stderr)
        return 1
    print("\n".join(lines))
    if arguments.page:
        put_into_page("raw-gold", lines, adversarial_table.PAGE)
    return 0


if __name__ == "__main__":
    sys.exit(command())
