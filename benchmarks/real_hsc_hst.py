"""HSC-I of COSJ100024+021749 ×2 against HST F814W of the same sky.

Called by ``python -m benchmarks.real_super_resolution hsc-hst``. The HST image is brought to a Gaussian PSF of
half HSC's FWHM, which `lens-sr` declares, and sampled at the pixel centres of the output. Both PSFs are Moffat
profiles fitted to the one star in the field.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from astropy.io import fits
from astropy.wcs import WCS
from astropy.wcs.utils import pixel_to_pixel
from numpy.typing import NDArray
from photutils.detection import DAOStarFinder
from scipy.ndimage import map_coordinates
from scipy.optimize import linear_sum_assignment
from scipy.signal import fftconvolve

from benchmarks.real_lenses import FOLDER
from benchmarks.real_subjects import (
    PICTURES,
    Array,
    enhance,
    fit_affine,
    fit_moffat,
    moffat_image,
    print_table,
    quality,
    stretch,
    write_psf,
)
from lensproc import read
from lensproc.enhanced import Enhanced
from lensproc.fits.options import ReadOptions
from lensproc.nn.psf import gaussian_psf, ratio_kernel
from lensproc.qc.forced import ForcedFit, PointSpread
from lensproc.qc.pair import Pair, side_by_side

HSC = "16_subaru_HSC-I_COSJ100024+021749.fits"
HST = "13_hst_acs_F814W_COSJ100024+021749_hugeheader.fits"
CREDIT = "HSC-I: Subaru/HSC, NAOJ; F814W: NASA/ESA HST (ACS). COSJ100024+021749"
STAGES = ("bicubic", "richardson-lucy", "starlet", "lens-sr")
STAR = {"HSC": (28.0, 58.6), "HST": (161.3, 332.3)}
"""Where the star is [px]."""
HALF_WIDTH = 0.5
"""FWHM of the comparison over HSC's."""
BORDER = 8
"""Output pixels beside the frame that are not compared."""
FAINTEST = 5.0
"""SNR on HSC of the faintest point source that is looked for."""
KEYS = ("QASTAT", "QAFLX", "QASHFT", "QACHI2", "QACHIP", "QANLOST", "QANNEW", "QANHAL")


@dataclass(frozen=True)
class Peaks:
    """Places [output px] of the peaks of an image."""

    x: Array
    y: Array


def main(weights: str) -> None:
    """Print the tables and draw the picture."""
    with fits.open(FOLDER / HST) as file:
        hst, header = file[0].data.astype(np.float64), file[0].header
    hsc = fits.getdata(FOLDER / HSC).astype(np.float64)
    width = {"HSC": fit_moffat(hsc, *STAR["HSC"])[2:], "HST": fit_moffat(hst, *STAR["HST"])[2:]}
    for name, (fwhm, beta) in width.items():
        print(f"{name}: Moffat of FWHM {fwhm:.2f} px, beta {beta:.2f}")
    with tempfile.TemporaryDirectory() as folder:
        psf = write_psf(Path(folder, "psf.fits"), *width["HSC"])
        (cutout,) = read(str(FOLDER / HSC), ReadOptions(psf=psf))
    assert cutout.psf.value is not None
    assert cutout.pixel_scale.value is not None
    results = {stage: enhance(stage, [cutout], weights)[0] for stage in STAGES}
    grid = WCS(results["bicubic"].image.header)
    pixel = cutout.pixel_scale.value / 0.03
    target = HALF_WIDTH * cutout.psf.value.fwhm * pixel
    matched = degraded(hst, moffat_image(*width["HST"], side=65), target)
    space = on_grid(matched, WCS(header), grid, results["bicubic"].image.shape)
    pairs = {stage: pair_of(result) for stage, result in results.items()}
    lens_sr = pairs["lens-sr"]
    inner = np.zeros(space.shape, bool)
    inner[BORDER:-BORDER, BORDER:-BORDER] = True
    # one unit for all: HST is brought to the unit of lens-sr's input, its noise, through bicubic of equal width
    truth, factor = in_noise_units(space, results["bicubic"], lens_sr, inner)
    print(f"1 e/s per HST pixel is {factor:.4g} σ of HSC; data range {truth[inner].max():.0f} σ")
    report(pairs, results, truth, inner)
    draw(pairs, truth)


def pair_of(result: Enhanced) -> Pair:
    """Put input and output side by side."""
    pair = side_by_side(result)
    assert pair is not None
    return pair


def degraded(hst: Array, psf: NDArray[np.float32], fwhm: float) -> Array:
    """HST with a Gaussian PSF of `fwhm` [HST px]."""
    kernel = ratio_kernel(gaussian_psf(fwhm, psf.shape[0]), psf)
    half = kernel.shape[0] // 2
    padded = np.pad(hst, half, mode="edge")
    return np.asarray(fftconvolve(padded, kernel, mode="valid"))


def on_grid(image: Array, frame: WCS, grid: WCS, shape: tuple[int, int]) -> Array:
    """Values of a well-sampled image at the pixel centres of another grid."""
    rows, columns = np.indices(shape)
    x, y = pixel_to_pixel(grid.celestial, frame.celestial, columns.ravel(), rows.ravel())
    return np.asarray(map_coordinates(image, [y, x], order=3, mode="nearest").reshape(shape))


def in_noise_units(
    space: Array, blurred: Enhanced, pair: Pair, inner: NDArray[np.bool_]
) -> tuple[Array, float]:
    """HST in units of HSC's noise: the factor is fitted on the input's grid, behind the input's PSF."""
    as_image = replace(
        blurred, image=blurred.image.replace(data=space.astype(np.float32)), output_psf=HALF_WIDTH
    )
    back = pair_of(as_image)
    assert back.hy is not None
    seen = back.hy * back.noise.level + back.noise.sky
    coarse = inner[::2, ::2]
    _, factor, pedestal = fit_affine(pair.x, seen, coarse)
    per_pixel = 1.0 if blurred.original.amplitude.value == "surface brightness" else 4.0
    return factor * per_pixel * space + pedestal, factor * per_pixel


def report(
    pairs: dict[str, Pair], results: dict[str, Enhanced], truth: Array, inner: NDArray[np.bool_]
) -> None:
    """Print the scores, the sources and what has no counterpart."""
    from skimage.metrics import peak_signal_noise_ratio

    some = pairs["lens-sr"]
    assert some.psf is not None
    reach = some.psf.fwhm * some.scale * 0.5
    peak = (
        FAINTEST * np.sqrt(4.0 * np.pi) * 0.4247 * some.psf.fwhm / (1.133 * (HALF_WIDTH * some.psf.fwhm) ** 2)
    )
    there, faint = peaks(truth, peak, reach), peaks(truth, 0.5 * peak, reach)
    template = replace(results["lens-sr"])
    level = some.noise.level / (1.0 if template.original.amplitude.value == "surface brightness" else 4.0)
    data = (truth * level + some.noise.sky * level / some.noise.level).astype(np.float32)
    on_hst = pair_of(replace(template, image=template.image.replace(data=data), output_psf=HALF_WIDTH))
    fit = ForcedFit(PointSpread(some.psf), (there.x + 0.5) / 2 - 0.5, (there.y + 0.5) / 2 - 0.5, some.noise)
    assert on_hst.hy is not None
    expected = fit.fluxes(on_hst.hy)
    # a peak of that height in a galaxy's outskirts is no source of that SNR: the forced fit decides
    sure = expected.flux / expected.error >= FAINTEST
    there = Peaks(there.x[sure], there.y[sure])
    print(f"\n{sure.sum()} of {sure.size} peaks in HST above {peak:.1f} σ have SNR {FAINTEST:.0f} on HSC.\n")
    rows, sources = [], []
    for stage, pair in pairs.items():
        assert pair.hy is not None
        image, factor, _ = fit_affine(truth, pair.y, inner)
        left = (image - truth)[inner]
        score = peak_signal_noise_ratio(truth[inner], image[inner], data_range=float(truth[inner].max()))
        match = np.corrcoef(image[inner], truth[inner])[0, 1]
        bright = truth[inner] > 3.0
        row = [
            stage,
            f"{factor:.3f}",
            f"{score:.2f}",
            f"{match:.4f}",
            f"{left.std():.2f}",
            f"{left[~bright].std():.2f}",
        ]
        mine, mine_faint = peaks(pair.y, peak, reach), peaks(pair.y, 0.5 * peak, reach)
        at, of = joined(there, mine, reach)
        offsets = np.hypot(there.x[at] - mine.x[of], there.y[at] - mine.y[of]) / 2.0
        row += [f"{mine.x.size}", f"{at.size}", f"{unmatched(mine, faint, reach).size}"]
        row += [
            f"{unmatched(there, mine_faint, reach).size}",
            f"{np.median(offsets):.2f}",
            f"{pair.y.min():.1f}",
        ]
        rows.append([*row, *quality(results[stage], KEYS)])
        seen = fit.fluxes(pair.hy)
        sources.append(
            [stage, *(f"{s / e:.2f}" for s, e in zip(seen.flux[sure], expected.flux[sure], strict=True))]
        )
        for i in unmatched(mine, faint, reach):
            print(f"- {stage}: no counterpart in HST at ({mine.x[i]:.1f}, {mine.y[i]:.1f}) [output px]")
        for i in unmatched(there, mine_faint, reach):
            print(f"- {stage}: HST peak missed at ({there.x[i]:.1f}, {there.y[i]:.1f}) [output px]")
    names = [
        "factor",
        "PSNR",
        "correlation",
        "rms [σ]",
        "rms of sky [σ]",
        "peaks",
        "matched",
        "invented",
        "missed",
    ]
    print_table(["", *names, "offset [px]", "minimum [σ]", *KEYS], rows)
    places = [f"({u:.0f}, {v:.0f})" for u, v in zip(there.x, there.y, strict=True)]
    errors = [f"± {r:.2f}" for r in expected.error[sure] / expected.flux[sure]]
    print_table(["forced flux over HST's", *places], [["photon error", *errors], *sources])


def peaks(image: Array, threshold: float, fwhm: float) -> Peaks:
    """Peaks of an image away from its frame."""
    finder = DAOStarFinder(
        threshold=threshold,
        fwhm=fwhm,
        sigma_radius=2.5,
        min_separation=0.5 * fwhm,
        sharpness_range=(0.1, 1.4),
        roundness_range=(-1.5, 1.5),
    )
    table = finder(image)
    if table is None:
        return Peaks(np.empty(0), np.empty(0))
    x, y = np.asarray(table["x_centroid"], float), np.asarray(table["y_centroid"], float)
    ny, nx = image.shape
    inside = (x > BORDER) & (y > BORDER) & (x < nx - BORDER) & (y < ny - BORDER)
    return Peaks(x[inside], y[inside])


def joined(a: Peaks, b: Peaks, reach: float) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Pairs of peaks nearer than `reach` to each other, one to one."""
    distance = np.hypot(a.x[:, None] - b.x, a.y[:, None] - b.y)
    of_a, of_b = linear_sum_assignment(np.minimum(distance, 10.0 * reach))
    near = distance[of_a, of_b] < reach
    return of_a[near], of_b[near]


def unmatched(a: Peaks, b: Peaks, reach: float) -> NDArray[np.intp]:
    """Peaks of `a` that have none of `b` within `reach`."""
    return np.setdiff1d(np.arange(a.x.size), joined(a, b, reach)[0])


def draw(pairs: dict[str, Pair], truth: Array) -> None:
    """Draw input, outputs and HST on one stretch."""
    some = pairs["lens-sr"]
    shown = {
        "HSC-I input": some.x,
        "bicubic": pairs["bicubic"].y,
        "richardson-lucy": pairs["richardson-lucy"].y,
    }
    shown |= {"lens-sr": some.y, "HST F814W, degraded": truth}
    figure, axes = plt.subplots(1, len(shown), figsize=(3.0 * len(shown), 3.6))
    for axis, (title, image) in zip(axes, shown.items(), strict=True):
        axis.imshow(stretch(image, 0.0, 300.0, 60.0), origin="lower", cmap="gray", vmin=-0.15, vmax=1.0)
        axis.set_title(title, fontsize=10)
        axis.set_axis_off()
    figure.suptitle(CREDIT, fontsize=8)
    figure.tight_layout(rect=(0, 0, 1, 0.97))
    figure.savefig(PICTURES / "hsc-hst.png", dpi=72)
    plt.close(figure)
