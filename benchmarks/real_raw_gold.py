"""A real HSC cutout and its HST counterpart: ``lens-sr`` beside four other networks on one ruler.

Called by ``python -m benchmarks.real_super_resolution raw-gold``. `LENSPROC_DEEPLENSE_DATA` names the folder with
Raw.npy (64², HSC), Gold.npy (128², HST) and peer_*.npy (128²).
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
from astropy.io import fits
from astropy.stats import mad_std
from photutils.detection import DAOStarFinder
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from benchmarks import peers
from benchmarks.real_subjects import Array, enhance, fit_affine, print_table, quality
from lensproc import read
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
    """Print the table."""
    raw, gold = peers.load(peers.FOLDER / "Raw.npy"), peers.load(peers.FOLDER / "Gold.npy")
    fwhm = peers.blur_of(raw, gold)
    ratio = peers.GOLD_FWHM / peers.SCALE / fwhm
    noise = float(mad_std(gold))
    print(
        f"FWHM of Raw {fwhm:.2f} px; Gold and the other networks {ratio:.3f} of that; σ of Gold {noise:.4f}"
    )
    options = ReadOptions(psf=f"{fwhm:.3f}px", pixel_units="surface brightness")
    with tempfile.TemporaryDirectory() as folder:
        raw_file = Path(folder, "raw.fits")
        fits.writeto(raw_file, raw.astype(np.float32))
        (cutout,) = read(str(raw_file), options)
        subjects = [peers.Subject("Gold", gold, ratio)]
        for stage in STAGES:
            (result,) = enhance(stage, [cutout], weights, checks="none")
            subjects.append(peers.Subject(stage, result.image.data.astype(np.float64), result.output_psf))
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
            row = [subject.name, f"{factor:.2f}", *scores, *shares, *found_in(image, noise)]
            rows.append([*row, *quality(checked.enhanced, KEYS)])
    names = [f"{name} found" for name in peers.SOURCES]
    print_table(["", "factor", "PSNR", "SSIM", *peers.SOURCES, *names, "other peaks", *KEYS], rows)


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
