"""The scores as tables for a terminal or a Markdown page."""

from __future__ import annotations

import math
from collections.abc import Sequence

from lensproc.evaluate.intervals import Measured
from lensproc.evaluate.scoring.example import REFERENCES
from lensproc.evaluate.scoring.points import PLACES, SAMPLES, PointSummary
from lensproc.evaluate.scoring.run import Evaluation
from lensproc.evaluate.scoring.summary import Summary

COLUMNS = (
    "method",
    "PSNR, mean [dB]",
    "PSNR of mean MSE [dB]",
    "gain [dB]",
    "SSIM",
    "matched_psf [dB]",
    "affine [dB]",
    "matched, affine [dB]",
    "flux",
    "bias [σ]",
    "RMSE [σ]",
    "images/s",
)


def report_of(evaluation: Evaluation) -> str:
    """Put all tables together."""
    lines = [
        f"Set: {evaluation.dataset.words}; ×{evaluation.scale}; data range {evaluation.data_range:.6g}",
        f"gain, SSIM: of the value marked *; gain: PSNR of the mean MSE less that of {evaluation.yardstick}; 95 % "
        "intervals in brackets",
        "*: a stage convolved to the reference where it declares a sharper PSF, else as it is; a baseline by the "
        "better of both",
    ]
    for name in evaluation.references:
        lines += ["", f"**{name}**: {REFERENCES[name]}", "", *score_table(evaluation, name)]
        best = evaluation.best_iterations(name)
        if best is not None:
            lines += ["", f"Best Richardson-Lucy against {name}: {best}"]
    for name in evaluation.references:
        lines += [
            "",
            f"PSNR of mean MSE [dB] by region against **{name}**",
            "",
            *region_table(evaluation, name),
        ]
    if evaluation.points:
        for sample in SAMPLES:
            for place in PLACES:
                table = point_table(evaluation.points, sample, place)
                if table:
                    title = f"Flux of {SAMPLES[sample]}, {PLACES[place]}"
                    lines += ["", f"{title}: median ratio; scatter over the photon limit", "", *table]
    return "\n".join(lines) + "\n"


def score_table(evaluation: Evaluation, reference: str) -> list[str]:
    """Lines of the table of one reference, a row per method."""
    rows = []
    for method in evaluation.methods:
        of = {
            s.variant: s
            for s in evaluation.summaries
            if (s.method, s.reference, s.region) == (method.name, reference, "all")
        }
        best = evaluation.quoted(method, reference)
        if best is None:
            continue
        direct = of["direct"]

        def cell(variant: str, of: dict[str, Summary] = of, best: Summary = best) -> str:
            if variant not in of:
                return "–"
            mark = "*" if best.variant == variant else ""
            return number(of[variant].psnr_of_mean.value, 2) + mark

        speed = evaluation.speed.get(method.name) if method.stage else None
        rows.append(
            [
                method.name,
                interval(direct.psnr_mean, 2),
                interval(direct.psnr_of_mean, 2) + ("*" if best.variant == "direct" else ""),
                interval(best.gain_of_mean, 2, sign=True),
                number(best.ssim.value, 4),
                cell("matched_psf"),
                cell("affine"),
                cell("matched_affine"),
                number(direct.flux.value, 4),
                number(direct.bias_sigma.value, 3),
                number(direct.rmse_sigma.value, 3),
                "–" if speed is None else f"{speed:.3g}",
            ]
        )
    return table(COLUMNS, rows)


def region_table(evaluation: Evaluation, reference: str) -> list[str]:
    """Lines of the table of regions: the value by which each method is quoted."""
    rows = []
    regions = ("all", "point", "arc", "core", "sky")
    for method in evaluation.methods:
        best = evaluation.quoted(method, reference)
        if best is None:
            continue
        of = {
            s.region: s
            for s in evaluation.summaries
            if (s.method, s.reference, s.variant) == (method.name, reference, best.variant)
        }
        rows.append(
            [
                method.name,
                best.variant,
                *(number(of[r].psnr_of_mean.value, 2) if of[r].images else "–" for r in regions),
            ]
        )
    return table(("method", "compared", *regions), rows)


def point_table(points: Sequence[PointSummary], sample: str, place: str) -> list[str]:
    """Lines of the table of fluxes, a row per method; empty where there are none."""
    those = [p for p in points if (p.sample, p.place) == (sample, place)]
    bins = sorted({(p.low, p.high) for p in those})
    counts = {(p.low, p.high): p.ratio.n for p in those}
    rows = []
    for method in dict.fromkeys(p.method for p in those):
        of = {(p.low, p.high): p for p in those if p.method == method}
        cells = [
            f"{interval(of[b].ratio, 3)}; {interval(of[b].scatter, 2)}" if b in of else "–" for b in bins
        ]
        rows.append([method, *cells])
    heads = [f"SNR {low:g}–{high:g} ({counts[(low, high)]})" for low, high in bins]
    return table(("method", *heads), rows) if rows else []


def table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Lines of a Markdown table, padded so that it reads on a terminal."""
    widths = [max(len(row[i]) for row in [columns, *rows]) for i in range(len(columns))]

    def line(cells: Sequence[str]) -> str:
        return "| " + " | ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)) + " |"

    return [line(columns), "|" + "|".join("-" * (width + 2) for width in widths) + "|", *map(line, rows)]


def number(value: float, digits: int, *, sign: bool = False) -> str:
    """Write a number; – where it is not known, ∞ where there is no error at all."""
    if math.isnan(value):
        return "–"
    if math.isinf(value):
        return "∞"
    text = f"{value:+.{digits}f}" if sign else f"{value:.{digits}f}"
    return text.replace("-", "−")


def interval(measured: Measured, digits: int, *, sign: bool = False) -> str:
    """Write a number with its interval."""
    value = number(measured.value, digits, sign=sign)
    if not all(map(math.isfinite, (measured.value, measured.low, measured.high))):
        return value
    low, high = (number(end, digits, sign=sign) for end in (measured.low, measured.high))
    return f"{value} [{low}, {high}]"
