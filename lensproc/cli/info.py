"""``lensproc info``: what was understood of FITS files, and where each value comes from."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lensproc.cli.read_options import build_read_options, read_options
from lensproc.errors import LensprocError, UsageError

if TYPE_CHECKING:
    from lensproc.cutout import Cutout, Resolved


@click.command("info")
@click.argument("files", nargs=-1, metavar="FILES...")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON array.")
@read_options
def command(files: tuple[str, ...], as_json: bool, **reading: object) -> None:
    """Show what was understood of FITS files: one paragraph per band, each value with its source.

    Exit code: 0 where every file can be read; 1 where some cannot.
    """
    if not files:
        raise UsageError("no input files", remedy="lensproc info survey_cutouts/*.fits")
    options = build_read_options(reading)

    from lensproc.contract.registry import load_registry
    from lensproc.engine.inputs import dialects_of
    from lensproc.fits.read import read

    dialects = dialects_of(load_registry())
    records: list[dict[str, Any]] = []
    failed = False
    for path in files:
        try:
            cutouts = read(path, options, dialects)
        except LensprocError as error:
            if isinstance(error, UsageError):
                raise
            failed = True
            error = error.about(Path(path).name)
            records.append({"file": error.file, "error": error.what, "remedy": error.remedy})
            if not as_json:
                click.echo(f"{error}")
            continue
        for cutout in cutouts:
            records.append(describe(cutout))
            if not as_json:
                click.echo("\n".join(lines(cutout)))
    if as_json:
        click.echo(json.dumps(records, indent=1, ensure_ascii=False, allow_nan=False))
    sys.exit(1 if failed else 0)


def describe(cutout: Cutout) -> dict[str, Any]:
    """Return what is known of a cutout as JSON types, each resolved value with its source."""
    psf = cutout.psf.value
    scale = cutout.pixel_scale.value
    ny, nx = cutout.shape
    width = None if psf is None else {"fwhm_px": psf.fwhm, "image": psf.image is not None}
    if width is not None and psf is not None and scale is not None:
        width["fwhm_arcsec"] = psf.fwhm * scale
    resolved: dict[str, Resolved[Any]] = {
        "band": cutout.band,
        "unit": cutout.unit,
        "amplitude": cutout.amplitude,
        "zeropoint": cutout.zeropoint,
        "pixel_scale": cutout.pixel_scale,
        "lens_center": cutout.lens_center,
    }
    return {
        "file": cutout.source.file,
        "hdu": cutout.source.hdu,
        "sha256": cutout.source.sha256,
        "datasum": cutout.source.datasum,
        "dialect": cutout.source.dialect,
        "shape": [ny, nx],
        **{name: {"value": _plain(value.value), "source": value.source} for name, value in resolved.items()},
        "psf": {"value": width, "source": cutout.psf.source},
        "variance": cutout.variance is not None,
        "bad_pixels": int(cutout.bad.sum()),
        "mask_bits": dict(cutout.mask_bits),
        "bad_bits": [name for name, bit in cutout.mask_bits.items() if cutout.bad_bits >> bit & 1],
        "distortion": [f"{table.name},{table.extver}" for table in cutout.distortion],
        "dropped": list(cutout.dropped),
        "warnings": list(cutout.warnings),
        "earlier_stages": [activity.id for activity in cutout.history],
    }


def _plain(value: object) -> object:
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def lines(cutout: Cutout) -> Iterator[str]:
    """Write what is known of a cutout for people."""
    about = describe(cutout)
    ny, nx = about["shape"]
    yield f"{about['file']} [{about['hdu']}]  {nx} x {ny} px, dialect {about['dialect']}"
    yield _line("band", about["band"], "{}")
    yield _line("unit", about["unit"], "{}")
    yield _line("pixels are", about["amplitude"], "{}")
    yield _line("zeropoint", about["zeropoint"], "{:.3f} mag")
    yield _line("pixel scale", about["pixel_scale"], "{:.5g} arcsec")
    yield _line("PSF", {**about["psf"], "value": _width(about["psf"]["value"])}, "{}")
    center = about["lens_center"]
    yield _line(
        "lens centre",
        {**center, "value": center["value"] and tuple(center["value"])},
        "({0[0]:.2f}, {0[1]:.2f})",
    )
    share = 100.0 * about["bad_pixels"] / (ny * nx)
    errors = "a variance per pixel" if about["variance"] else "none in the file"
    yield f"  {'errors':<12} {errors}; {about['bad_pixels']} bad pixels ({share:.1f} %)"
    if about["mask_bits"]:
        yield f"  {'mask':<12} bad: {', '.join(about['bad_bits']) or 'none'} of {', '.join(about['mask_bits'])}"
    for name, key in (("distortion", "distortion"), ("not used", "dropped"), ("made by", "earlier_stages")):
        if about[key]:
            yield f"  {name:<12} {', '.join(about[key])}"
    for warning in about["warnings"]:
        yield f"  warning: {warning}"


def _line(name: str, resolved: dict[str, Any], form: str) -> str:
    value = resolved["value"]
    if value is None:
        return f"  {name:<12} {'unknown' if resolved['source'] == 'unknown' else resolved['source']}"
    return f"  {name:<12} {form.format(value)}  [{resolved['source']}]"


def _width(psf: dict[str, Any] | None) -> str | None:
    if psf is None:
        return None
    text = f"FWHM {psf['fwhm_px']:.2f} px"
    if "fwhm_arcsec" in psf:
        text += f" = {psf['fwhm_arcsec']:.3f} arcsec"
    return text + (", with an image" if psf["image"] else "")
