"""RXJ1131−1231 and the COSMOS-Web Ring through ``lens-sr``: tables and pictures.

Called by ``python -m benchmarks.real_super_resolution lenses``.
"""

from __future__ import annotations

from dataclasses import dataclass

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np

from benchmarks.real_lenses import FOLDER, table
from benchmarks.real_subjects import PICTURES, enhance, stretch
from lensproc import read
from lensproc.enhanced import Enhanced
from lensproc.fits.options import ReadOptions
from lensproc.qc.pair import Pair, side_by_side


@dataclass(frozen=True)
class Subject:
    """A file, how it is read, middle and half side of what is shown [px], where the stretch ends [σ]."""

    name: str
    file: str
    credit: str
    options: ReadOptions
    centre: tuple[int, int]
    half: int
    top: float


SUBJECTS = (
    Subject(
        "lens-sr-rxj1131",
        "01_hst_acs_f814w_RXJ1131_quadqso_SCIext_CDrot.fits",
        "HST ACS F814W, RXJ1131−1231: NASA/ESA, STScI archive",
        ReadOptions(),  # the FWHM is measured on a field star, the pixel scale stands in the header
        (203, 212),
        52,
        5000.0,
    ),
    Subject(
        "lens-sr-ring-hsc",
        "24_HSC-I_COSMOSWebRing.fits",
        "HSC-I, COSMOS-Web Ring: Subaru/HSC, NAOJ",
        ReadOptions(psf="0.6"),
        (37, 37),
        37,
        150.0,
    ),
    Subject(
        "lens-sr-ring-hst",
        "23_hst_acs_F814W_COSMOSWebRing_FK5_rot.fits",
        "HST ACS F814W, COSMOS-Web Ring: NASA/ESA (COSMOS)",
        ReadOptions(psf="0.1"),
        (212, 228),
        80,
        15.0,
    ),
)


def main(weights: str) -> None:
    """Print the tables and draw the pictures."""
    cutouts = [read(str(FOLDER / subject.file), subject.options)[0] for subject in SUBJECTS]
    for subject, result in zip(SUBJECTS, enhance("lens-sr", cutouts, weights), strict=True):
        pair = side_by_side(result)
        assert pair is not None
        assert pair.psf is not None
        psf = result.original.psf
        print(f"\n## {subject.name}: {result.original.shape}, FWHM {pair.psf.fwhm:.2f} px [{psf.source}]\n")
        print(table(result, most=8))
        print(f"\n{describe(pair)}")
        draw(subject, result, pair)


def describe(pair: Pair) -> str:
    """Brightest and deepest pixel, light below the sky, and traces of a checkerboard and of the border."""
    assert pair.hy is not None
    y, x = pair.y, pair.x
    deep = np.unravel_index(int(np.argmin(y)), y.shape)
    quads = [y[i::2, j::2].mean() for i in (0, 1) for j in (0, 1)]
    edge = np.concatenate([(x - pair.hy)[0], (x - pair.hy)[-1], (x - pair.hy)[:, 0], (x - pair.hy)[:, -1]])
    return (
        f"input {x.min():.1f} to {x.max():.0f} σ; output {y.min():.1f} σ at ({deep[1]}, {deep[0]}) [output px] to "
        f"{y.max():.0f} σ; {(y < -5).sum()} output pixels below −5 σ ({(x < -5).sum()} in the input); "
        f"rms of x − H y {(x - pair.hy).std():.2f} σ, on the outermost pixels {edge.std():.2f} σ; total H y / x "
        f"{pair.hy.sum() / x.sum():.4f}; means of the four phases of the output differ by {np.ptp(quads):.2g} σ"
    )


def draw(subject: Subject, result: Enhanced, pair: Pair) -> None:
    """Draw input, output, fidelity and 1σ plane."""
    assert pair.hy is not None
    assert result.uncertainty is not None
    (u, v), half = subject.centre, subject.half
    small = np.s_[max(0, v - half) : v + half, max(0, u - half) : u + half]
    large = np.s_[2 * max(0, v - half) : 2 * (v + half), 2 * max(0, u - half) : 2 * (u + half)]
    per_pixel = 1.0 if result.original.amplitude.value == "surface brightness" else float(pair.scale**2)
    sigma = result.uncertainty * per_pixel / pair.noise.level
    figure, axes = plt.subplots(1, 4, figsize=(16, 4.6))
    light = {"input": pair.x[small], "lens-sr": pair.y[large]}
    for axis, (title, image) in zip(axes, light.items(), strict=False):
        axis.imshow(stretch(image, 0.0, subject.top, 40.0), origin="lower", cmap="gray", vmin=-0.15, vmax=1.0)
        axis.set_title(title)
    fidelity = axes[2].imshow(
        ((pair.x - pair.hy) / pair.noise.sigma)[small], origin="lower", cmap="RdBu_r", vmin=-5, vmax=5
    )
    axes[2].set_title("(x − H y) / s")
    plane = axes[3].imshow(np.log10(sigma[large]), origin="lower", cmap="viridis")
    axes[3].set_title("log10 of 1σ, in σ of the input")
    for axis in axes:
        axis.set_axis_off()
    figure.colorbar(fidelity, ax=axes[2], fraction=0.046)
    figure.colorbar(plane, ax=axes[3], fraction=0.046)
    figure.suptitle(subject.credit, fontsize=9)
    figure.tight_layout(rect=(0, 0, 1, 0.97))
    figure.savefig(PICTURES / f"{subject.name}.png", dpi=64)
    plt.close(figure)
