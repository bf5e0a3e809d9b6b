"""The four images of one cutout, on one stretch, with its sources drawn on each."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from html import escape

import numpy as np
from numpy.typing import NDArray

from lensproc.report.numbers import short
from lensproc.report.original import Compared
from lensproc.report.output import Output, Source
from lensproc.report.overlay import VERDICTS, draw_compass, draw_scale_bar, draw_sources
from lensproc.report.sky import Orientation, orientation_of
from lensproc.report.stretch import (
    BRIGHT,
    DIVERGING,
    FIDELITY_LIMIT,
    Stretch,
    binned,
    binning_of,
    fidelity_levels,
    png_uri,
    stretch_of,
)

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Panel:
    """One image of a cutout, ready to be drawn.

    Parameters
    ----------
    title, alt : str
        What stands above it, and what is said to those who cannot see it.
    levels : ndarray or None
        0 to 1 on the colours; None where there is no image.
    colours : str
        Colour map.
    ticks : (str, str, str)
        What low, middle and high on the colours stand for.
    missing : str
        Why there is no image.
    numbered : bool
        Write the sources' numbers beside them.
    """

    title: str
    alt: str
    levels: Array | None
    colours: str
    ticks: tuple[str, str, str]
    missing: str = ""
    numbered: bool = False


def panels_html(output: Output, compared: Compared) -> str:
    """Draw input, output, difference and fidelity of a cutout."""
    stretch = stretch_of(compared.original if compared.original is not None else output.image)
    orientation = orientation_of(output)
    return "".join(_figure(panel, output, orientation) for panel in _panels(output, compared, stretch))


def _panels(output: Output, compared: Compared, stretch: Stretch) -> tuple[Panel, ...]:
    unit = str(output.header.get("BUNIT") or "")
    if output.primary.get("LPFLUXCV") != 1.0:
        unit = f"{unit or 'units'}/px"
    limits = (short(stretch.low), f"asinh [{unit}]" if unit else "asinh", short(stretch.high))
    reach = short(stretch.high - stretch.sky)
    around = (f"−{reach} too faint", "0", f"too bright +{reach}")
    sigmas = (f"−{FIDELITY_LIMIT:g}σ put in", "0", f"left out +{FIDELITY_LIMIT:g}σ")
    original = None if compared.original is None else stretch.image(binned(compared.original))
    difference = None if compared.difference is None else stretch.difference(binned(compared.difference))
    fidelity = None if output.fidelity is None else fidelity_levels(binned(output.fidelity))
    enhanced = stretch.image(binned(output.image))
    put_together = ", put together" if compared.reconstructed else ""
    coarse, coarser = _binning_in_words(output.shape), _binning_in_words(output.image.shape)
    explained = "What the output does not explain of the input, in σ"
    return (
        Panel(f"Input{put_together}{coarse}", "Input image", original, BRIGHT, limits, compared.how_original),
        Panel(f"Output{coarser}", "Enhanced image", enhanced, BRIGHT, limits, numbered=True),
        Panel(
            f"Difference H y − x{coarse}",
            compared.how_difference,
            difference,
            DIVERGING,
            around,
            compared.how_difference,
        ),
        Panel(
            f"Fidelity (x − H y)/σ{coarse}",
            explained,
            fidelity,
            DIVERGING,
            sigmas,
            "no FIDELITY plane in the output",
        ),
    )


def _binning_in_words(shape: tuple[int, ...]) -> str:
    n = binning_of(shape)
    return f" (binned {n}×{n})" if n > 1 else ""


def _figure(panel: Panel, output: Output, orientation: Orientation) -> str:
    ny, nx = output.shape
    caption = f"<figcaption>{escape(panel.title)}</figcaption>"
    if panel.levels is None:
        gone = f"<p>{escape(panel.missing)}</p>"
        return f'<figure>{caption}<div class="frame missing" style="aspect-ratio:{nx}/{ny}">{gone}</div></figure>'
    light = panel.colours == DIVERGING
    drawn = draw_sources(output.sources, ny, nx, numbered=panel.numbered)
    drawn += draw_scale_bar(orientation, nx, ny)
    drawn += "" if light else draw_compass(orientation, nx)
    spoken = escape(f"Sources: {tally(output.sources)}" if output.sources else "No sources")
    uri, ground = png_uri(panel.levels, panel.colours), "on-light" if light else "on-dark"
    height, width = panel.levels.shape
    ticks = "".join(f"<span>{escape(tick)}</span>" for tick in panel.ticks)
    return (
        f'<figure>{caption}<div class="frame" style="aspect-ratio:{nx}/{ny}">'
        f'<img src="{uri}" alt="{escape(panel.alt)}" width="{width}" height="{height}">'
        f'<svg class="{ground}" viewBox="0 0 {nx} {ny}" role="img" aria-label="{spoken}">'
        f'{drawn}</svg></div><div class="bar {"diverging" if light else "bright"}"></div>'
        f'<div class="ticks">{ticks}</div></figure>'
    )


def tally(sources: tuple[Source, ...]) -> str:
    """Count sources by verdict, in words."""
    counts = Counter(source.verdict for source in sources)
    names = [*VERDICTS, *sorted(set(counts) - set(VERDICTS))]
    return ", ".join(f"{counts[name]} {name}" for name in names if counts[name])
