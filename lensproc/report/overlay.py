"""What is drawn on panels: sources by verdict, scale bar, compass; as SVG in input pixels."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from lensproc.report.output import Source
from lensproc.report.sky import Orientation, bar_label, bar_length

VERDICTS = {
    "MATCHED": ("#56b4e9", "circle", "in input and output"),
    "RESOLVED": ("#00c08b", "diamond", "new in the output, and the input supports it"),
    "AMBIG": ("#f0e442", "dashed square", "new in the output, the input does not decide"),
    "HALLUC": ("#ff7f2a", "cross", "in the output, and the input denies it"),
    "LOST": ("#e58fc0", "triangle", "in the input, and gone from the output"),
}
"""Verdict to colour (after Okabe & Ito 2008, told apart by colour-blind eyes), shape and meaning."""


CROWDED = 10
"""With more sources than this markers are smaller and have no numbers, so that the image is still seen."""

WIDE = 200
"""From this width [px] on markers are smaller too, since sources are."""

_SHAPES = {
    "MATCHED": "M1 0A1 1 0 1 1 -1 0A1 1 0 1 1 1 0z",
    "RESOLVED": "M0 -1.25L1.25 0L0 1.25L-1.25 0z",
    "AMBIG": "M-1 -1H1V1H-1z",
    "HALLUC": "M-1 -1L1 1M1 -1L-1 1",
    "LOST": "M0 -1.25L1.25 1.1H-1.25z",
}
"""Outlines about the origin, of about unit radius, y downwards."""


def _twice(path: str, attributes: str = "") -> str:
    """Draw a path over a dark copy of itself, so that it is seen on any pixel."""
    return f'<g class="halo">{path}</g><g{attributes}>{path}</g>'


def marker(verdict: str, x: float, y: float, radius: float) -> str:
    """Outline of a verdict's marker about (x, y), y downwards."""
    shape = _SHAPES.get(verdict, _SHAPES["AMBIG"])
    path = f'<path transform="translate({x:.2f} {y:.2f}) scale({radius:.2f})" d="{shape}"/>'
    return _twice(path, f' class="v-{escape(verdict)}"')


def source_line(source: Source) -> str:
    """One line about a source, for its tooltip."""
    parts = [f"{source.values.get('id', '')} {source.verdict}".strip()]
    label = str(source.values.get("label") or "").strip()
    parts += [label] if label else []
    for name, words in (("snr_in", "SNR in"), ("snr_out", "out"), ("snr_forced", "forced")):
        number = source.values.get(name)
        if isinstance(number, int | float):
            parts.append(f"{words} {number:.1f}")
    return ", ".join(parts)


def gravest_first(sources: Sequence[Source]) -> list[Source]:
    """Sort lost and invented sources before the others, which stay in order."""
    order = {"LOST": 0, "HALLUC": 1, "AMBIG": 2, "RESOLVED": 3, "MATCHED": 4}
    return sorted(sources, key=lambda source: order.get(source.verdict, 2))


def draw_sources(sources: Sequence[Source], height: float, width: float, *, numbered: bool) -> str:
    """Markers of all sources.

    Parameters
    ----------
    sources : sequence of Source
        With positions in input pixels.
    height, width : float
        Of the panel [input px]: rows count from the bottom, and the markers' size follows its width.
    numbered : bool
        Write each source's number beside its marker.
    """
    crowded = len(sources) > CROWDED
    share = 0.013 if len(sources) > 4 * CROWDED else 0.02 if crowded or width > WIDE else 0.032
    radius = share * width
    drawn = []
    for source in gravest_first(sources)[::-1]:
        x, y = source.x + 0.5, height - source.y - 0.5
        number = ""
        if numbered and not crowded and source.values.get("id") is not None:
            left = x > 0.85 * width
            place = f'x="{x + (-1.5 if left else 1.5) * radius:.2f}" y="{y - 1.1 * radius:.2f}"'
            number = (
                f'<text {place} font-size="{0.05 * width:.2f}" text-anchor="{"end" if left else "start"}">'
                f"{source.values['id']}</text>"
            )
        title = f"<title>{escape(source_line(source))}</title>"
        drawn.append(f"<g>{title}{marker(source.verdict, x, y, radius)}{number}</g>")
    return f'<g class="sources">{"".join(drawn)}</g>' if drawn else ""


def draw_scale_bar(orientation: Orientation, width: float, height: float) -> str:
    """Bar with its length in arcsec, or in pixels where their scale is not known; at the lower left."""
    scale = orientation.pixel_scale
    length = bar_length(width * (scale or 1.0))
    pixels = length / (scale or 1.0)
    label = bar_label(length, "″" if scale else " px")
    x, y = 0.05 * width, height - 0.06 * width
    tick = 0.012 * width
    end = f"v{2 * tick:.2f}"
    path = f'<path d="M{x:.2f} {y - tick:.2f}{end}m0 {-tick:.2f}h{pixels:.2f}m0 {-tick:.2f}{end}"/>'
    text = f'<text x="{x:.2f}" y="{y - 0.03 * width:.2f}" font-size="{0.055 * width:.2f}">{label}</text>'
    return f'<g class="ruler">{_twice(path)}{text}</g>'


def draw_compass(orientation: Orientation, width: float) -> str:
    """Arrows to north and east at the upper right; nothing without a WCS."""
    if orientation.north is None or orientation.east is None:
        return ""
    arm = 0.09 * width
    x, y = width - 0.18 * width, 0.18 * width
    parts = []
    for letter, (dx, dy) in (("N", orientation.north), ("E", orientation.east)):
        path = f'<path d="M{x:.2f} {y:.2f}l{arm * dx:.2f} {-arm * dy:.2f}"/>'
        place = f'x="{x + 1.45 * arm * dx:.2f}" y="{y - 1.45 * arm * dy + 0.018 * width:.2f}"'
        text = f'<text {place} font-size="{0.05 * width:.2f}" text-anchor="middle">{letter}</text>'
        parts.append(_twice(path) + text)
    return f'<g class="ruler">{"".join(parts)}</g>'


def legend_marker(verdict: str) -> str:
    """Draw a marker for the legend."""
    return (
        f'<svg class="key" viewBox="0 0 16 16" width="16" height="16" aria-hidden="true">'
        f"{marker(verdict, 8, 8, 5)}</svg>"
    )


def verdict_css() -> str:
    """Stroke colours of the verdicts."""
    return "".join(f".v-{name}{{stroke:{colour}}}" for name, (colour, _, _) in VERDICTS.items())
