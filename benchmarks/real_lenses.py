"""Two lensed quasars through `bicubic` and `richardson-lucy`: tables and pictures of ``docs/real-lenses.md``.

Run from the checkout: ``LENSPROC_REAL_DATA=FOLDER python -m benchmarks.real_lenses``. The pictures go to
``docs/images``.
"""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np

from lensproc import Pipeline
from lensproc.enhanced import Enhanced
from lensproc.fits.options import ReadOptions

FOLDER = Path(os.environ.get("LENSPROC_REAL_DATA", "../shared/data/real"))
PICTURES = Path(__file__).parents[1] / "docs" / "images"
STAGES = ("bicubic", "richardson-lucy")
COLOURS = {
    "MATCHED": "#5ad45a",
    "RESOLVED": "#4cc3ff",
    "AMBIG": "#ffc20a",
    "HALLUC": "#ff4d4d",
    "LOST": "#ff4dd2",
}
NUMBERED = 4
"""Sources with a number in the picture: those of the highest forced SNR."""
COLUMNS = ("id", "x", "y", "snr_in", "snr_out", "snr_forced", "dchi2_pair", "flux_in", "flux_out", "flux_err")
KEYS = ("QASTAT", "QAFLX", "QASHFT", "QACHI2", "QACHIP", "QARHO1", "QADMAG", "QANLOST", "QANNEW", "QANHAL")


@dataclass(frozen=True)
class Lens:
    """A file, how it is read, and the part of it that is shown.

    Parameters
    ----------
    name, file, credit : str
        For titles.
    options : ReadOptions
        What the file does not say.
    centre : (float, float)
        Middle of the picture [px].
    half : float
        Half its side [px].
    """

    name: str
    file: str
    credit: str
    options: ReadOptions
    centre: tuple[float, float]
    half: float


LENSES = (
    Lens(
        "rxj1131",
        "01_hst_acs_f814w_RXJ1131_quadqso_SCIext_CDrot.fits",
        "HST ACS F814W, RXJ1131−1231: NASA/ESA, STScI archive",
        ReadOptions(),
        (203.0, 212.0),
        48.0,
    ),
    Lens(
        "cloverleaf",
        "06_ps1_z_H1413+117_cloverleaf_sci_34pctNaN.fits",
        "H1413+117, z: Pan-STARRS1 Surveys, STScI archive",
        ReadOptions(psf="3.64px"),  # of four Gaussians of one width, fitted to the image
        (22.0, 30.0),
        18.0,
    ),
)


def draw(lens: Lens, results: dict[str, Enhanced]) -> Path:
    """Draw the input and each output on one stretch, sources with their verdicts."""
    figure, axes = plt.subplots(1, 1 + len(results), figsize=(4.2 * (1 + len(results)), 5.0))
    original = next(iter(results.values())).original
    x0, y0 = lens.centre
    window = [x0 - lens.half, x0 + lens.half, y0 - lens.half, y0 + lens.half]
    rows, columns = (
        slice(max(0, int(low)), int(high) + 1)
        for low, high in ((window[2], window[3]), (window[0], window[1]))
    )
    shown = original.data[rows, columns]
    sky, top = np.nanpercentile(original.data, 20), np.nanpercentile(shown, 99.8)
    ny, nx = original.shape
    panels = {"input": (original.data, 1.0, None)} | {
        stage: (result.image.data, 1.0 / result.scale**2, result.sources) for stage, result in results.items()
    }
    for axis, (title, (data, per_pixel, sources)) in zip(axes, panels.items(), strict=True):
        if original.amplitude.value == "surface brightness":
            per_pixel = 1.0
        stretched = np.arcsinh(10.0 * (data / per_pixel - sky) / (top - sky)) / np.arcsinh(10.0)
        extent = (-0.5, nx - 0.5, -0.5, ny - 0.5)
        axis.imshow(stretched, origin="lower", cmap="gray", vmin=-0.05, vmax=1.0, extent=extent)
        axis.set(xlim=window[:2], ylim=window[2:], title=title, xlabel="x [input px]")
        for i in range(0 if sources is None else len(sources)):
            verdict = str(sources.columns["verdict"][i])
            x, y = float(sources.columns["x"][i]), float(sources.columns["y"][i])
            if not (window[0] < x < window[1] and window[2] < y < window[3]):
                continue
            bright = i < NUMBERED
            style = {"marker": "o", "facecolors": "none", "linewidths": 1.5 if bright else 0.7}
            axis.scatter([x], [y], s=130 if bright else 14, edgecolors=COLOURS[verdict], **style)
            if bright:
                at = {"textcoords": "offset points", "color": COLOURS[verdict], "fontsize": 11}
                axis.annotate(str(sources.columns["id"][i]), (x, y), (7, 7), **at)
    axes[0].set_ylabel("y [input px]")
    handles = [plt.Line2D([], [], marker="o", ls="", mfc="none", mec=c, label=v) for v, c in COLOURS.items()]
    figure.legend(handles=handles, ncols=5, loc="lower center", frameon=False, fontsize=9)
    figure.suptitle(lens.credit, fontsize=9)
    figure.tight_layout(rect=(0, 0.08, 1, 1))
    path = PICTURES / f"{lens.name}.png"
    figure.savefig(path, dpi=72)
    plt.close(figure)
    return path


def table(result: Enhanced, most: int = 14) -> str:
    """Write quality keywords and the brightest sources in Markdown."""
    qa = result.qa
    words = [
        f"{key} {v.value if isinstance(v.value, str | int) else f'{v.value:.3g}'}"
        for key, v in qa.items()
        if key in KEYS and v.value is not None
    ]
    lines = [
        ", ".join(words),
        "",
        f"| {' | '.join(COLUMNS)} | label | verdict |",
        "|" + " ---: |" * 10 + " --- | --- |",
    ]
    found = result.sources
    for i in range(min(most, len(found))):
        numbers = [f"{float(found.columns[name][i]):.4g}" for name in COLUMNS]
        words = [str(found.columns[name][i]) for name in ("label", "verdict")]
        lines.append(f"| {' | '.join([*numbers, *words])} |".replace(" nan ", " "))
    if len(found) > most:
        lines.append(f"\n{len(found)} in all.")
    return "\n".join(lines)


def main() -> int:
    """Make tables and pictures."""
    if not FOLDER.is_dir():
        print(f"{FOLDER} is missing; set LENSPROC_REAL_DATA", file=sys.stderr)
        return 1
    PICTURES.mkdir(exist_ok=True)
    for lens in LENSES:
        results = {}
        for stage in STAGES:
            with Pipeline([stage], read=lens.options) as pipeline:
                (result,) = pipeline.run([str(FOLDER / lens.file)])
            if not isinstance(result, Enhanced):
                raise result
            results[stage] = result
        psf = result.original.psf
        print(f"\n## {lens.name}: {result.original.shape}, FWHM {psf.value.fwhm:.2f} px [{psf.source}]")
        for stage, result in results.items():
            print(f"\n### {stage}\n\n{table(result)}")
        path = draw(lens, results)
        print(f"\n{path.name}: {path.stat().st_size / 1000:.0f} kB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
