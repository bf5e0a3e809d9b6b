"""The checks on an output and its input as they lie on disk, whoever made the output."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from lensproc.config import StageSpec
from lensproc.contract.registry import Registry, load_registry
from lensproc.cutout import Cutout
from lensproc.engine.calibrating import calibration_for
from lensproc.engine.inputs import dialects_of
from lensproc.engine.pipeline import Pipeline, PipelineConfig
from lensproc.engine.replay import reading_of, recorded_options
from lensproc.engine.third_party_checks import add_findings, collect_checks
from lensproc.enhanced import Enhanced, Value
from lensproc.errors import InputError, LensprocError, UsageError
from lensproc.fits.provenance import Provenance, latest_run, read_provenance
from lensproc.fits.read import ReadOptions, read
from lensproc.nn.psf import OutputPSF
from lensproc.qc.calibration import Calibration
from lensproc.qc.own_sky import calibration_from_sky
from lensproc.qc.pair import side_by_side
from lensproc.qc.quick import quick_checks

Kept = Literal["flux", "surface brightness"]
"""What an output keeps of its input: sums over pixels, or values."""

_CHANCE = re.compile(r"p=([0-9.eE+-]+)")


@dataclass(frozen=True)
class PairOptions:
    """What the user says of a pair; None or empty for what is to be found out.

    Parameters
    ----------
    output_psf : str, float or None
        ``same``, a fraction of the input's FWHM, or 0 for a deconvolved output.
    amplitude : str or None
        ``flux`` where sums over pixels are kept, ``surface brightness`` where values are.
    scale : int or None
        Output pixels per input pixel.
    """

    output_psf: OutputPSF | None = None
    amplitude: Kept | None = None
    scale: int | None = None


@dataclass(frozen=True)
class CheckedPair:
    """What the checks say of one image and its input.

    Parameters
    ----------
    enhanced : Enhanced
        Input and output with quality keywords and sources.
    name : str
        Base name and HDU of the output.
    basis : mapping of str to str
        What the checks rest on, each with where it comes from: ``scale``, ``PSF``, ``output PSF``, ``amplitude``,
        ``threshold``.
    troubles : tuple of str
        Checks of plugins that failed.
    """

    enhanced: Enhanced
    name: str
    basis: Mapping[str, str]
    troubles: tuple[str, ...] = ()

    @property
    def chance(self) -> float | None:
        """Chance of the largest residual peak."""
        found = _CHANCE.search(self.enhanced.qa.get("QACHIP", Value(None)).description)
        return float(found.group(1)) if found else None


def check_pair(
    original: str, output: str, read_options: ReadOptions | None = None, options: PairOptions | None = None
) -> list[CheckedPair]:
    """Check an output file against its input file.

    Parameters
    ----------
    original, output : str
        The files.
    read_options : ReadOptions, optional
        What the input does not say of itself; where nothing is said, what lensproc recorded in an output of
        its own.
    options : PairOptions, optional
        What relates the two.

    Returns
    -------
    list of CheckedPair
        One per image of the output.

    Raises
    ------
    InputError
        Where a file cannot be read, or the images do not go together.
    """
    said, options = read_options or ReadOptions(), options or PairOptions()
    registry = load_registry()
    dialects = dialects_of(registry)
    made = _own(output)
    if made is not None:
        said = _completed(said, made)
    inputs = read(original, said, dialects)
    if made is not None:
        inputs = [cutout for cutout in inputs if cutout.source.hdu == made.primary.get("LPINEXT")]
    outputs = read(output, ReadOptions(bands=() if made is not None else said.bands), dialects)
    calibration = _calibration_of(made) if made is not None else None
    registered = collect_checks(registry)
    results = []
    for cutout, image in pair_up(inputs, outputs, options.scale, Path(original).name, Path(output).name):
        scale = image.shape[0] // cutout.shape[0]
        psf, psf_from = _output_psf(options, made, registry)
        kept, kept_from = _kept(options, made, cutout, image, scale)
        if scale > 1 and kept != (cutout.amplitude.value or "flux"):
            factor = scale**-2 if kept == "surface brightness" else scale**2
            image = image.replace(data=(image.data * np.float32(factor)).astype(np.float32))
        enhanced = Enhanced(cutout, image, float(scale), output_psf=psf)
        enhanced, how = _checked(enhanced, calibration)
        enhanced, troubles = add_findings(enhanced, registered)
        width = cutout.psf.value
        basis = {
            "scale": f"{scale} [{'shapes' if options.scale is None else 'option'}]",
            "PSF": ("unknown" if width is None else f"FWHM {width.fwhm:.2f} px") + f" [{cutout.psf.source}]",
            "output PSF": f"{psf if isinstance(psf, str | float) else 'a kernel'} [{psf_from}]",
            "amplitude": f"{kept} [{kept_from}]",
            "threshold": how,
        }
        if made is not None and made.primary.get("LPINSHA") != cutout.source.sha256:
            basis["input"] = "not the file that the output was made from: another SHA-256 is recorded"
        results.append(CheckedPair(enhanced, f"{Path(output).name} [{image.source.hdu}]", basis, troubles))
    return results


def _own(output: str) -> Provenance | None:
    """Return what lensproc recorded; None for a file of another program (one that cannot be read fails later)."""
    try:
        return read_provenance(output)
    except InputError:
        return None


def _completed(said: ReadOptions, made: Provenance) -> ReadOptions:
    """Take what was said in the recorded run for everything that is not said now."""
    recorded = recorded_options(reading_of(latest_run(made.activities)), said.psf)
    return ReadOptions(
        bands=said.bands or recorded.bands,
        pixel_scale=said.pixel_scale if said.pixel_scale is not None else recorded.pixel_scale,
        pixel_units=said.pixel_units or recorded.pixel_units,
        zeropoint=said.zeropoint if said.zeropoint is not None else recorded.zeropoint,
        psf=recorded.psf,
        lens_center=said.lens_center or recorded.lens_center,
    )


def _calibration_of(made: Provenance) -> Calibration | None:
    """Calibrate the recorded chain anew; None where a stage of it is not installed in the recorded version."""
    stages = latest_run(made.activities).stages
    try:
        specs = tuple(StageSpec(row.id, json.loads(row.options)) for row in stages)
        with Pipeline(PipelineConfig(specs, checks="none", device="cpu")) as pipeline:
            same = all(
                link.package == f"{row.dist}=={row.distver}"
                for link, row in zip(pipeline.links, stages, strict=True)
            )
            return calibration_for(pipeline)[0] if same else None
    except LensprocError:  # the stage is gone: the output's own sky takes its place, and the basis says so
        return None


def _checked(enhanced: Enhanced, calibration: Calibration | None) -> tuple[Enhanced, str]:
    how = "blanks through the recorded stages"
    if calibration is None:
        pair = side_by_side(enhanced)
        calibration = None if pair is None else calibration_from_sky(pair)
        how = "the output's own blank sky" if calibration else "noise of the input: too little blank sky"
    checked = quick_checks(enhanced, calibration)
    return replace(
        enhanced,
        qa=checked.qa,
        sources=checked.sources,
        planes=checked.planes,
    ), how


def pair_up(
    inputs: Sequence[Cutout], outputs: Sequence[Cutout], scale: int | None, input_name: str, output_name: str
) -> list[tuple[Cutout, Cutout]]:
    """Find the input of each output: by band where both name it, else in order.

    Raises
    ------
    InputError
        Where their numbers or shapes do not go together.
    """
    bands = [cutout.band.value for cutout in inputs]
    named = None not in bands and len(set(bands)) == len(bands)
    if named and len(inputs) > 1 and all(image.band.value in bands for image in outputs):
        pairs = [(inputs[bands.index(image.band.value)], image) for image in outputs]
    elif len(inputs) == len(outputs):
        pairs = list(zip(inputs, outputs, strict=True))
    else:
        raise InputError(
            f"has {len(outputs)} images, {input_name} has {len(inputs)}",
            file=output_name,
            remedy="choose one with --band",
        )
    for cutout, image in pairs:
        (ny, nx), (my, mx) = cutout.shape, image.shape
        wanted = scale or my // ny
        if wanted < 1 or (my, mx) != (wanted * ny, wanted * nx):
            raise InputError(
                f"{mx} x {my} px is not {scale or 'a whole number'} times the {nx} x {ny} px of {input_name}",
                file=output_name,
                remedy="cut both to the same field; pixel edges must coincide",
            )
    return pairs


def _output_psf(options: PairOptions, made: Provenance | None, registry: Registry) -> tuple[OutputPSF, str]:
    if options.output_psf is not None:
        return options.output_psf, "option"
    if made is None:
        return "same", "assumed; say it with --output-psf"
    recorded: Any = None
    for row in made.activities:
        if row.kind == "core" and row.id == "checks":
            recorded = json.loads(row.options).get("output_psf", recorded)
    if isinstance(recorded, list):
        return tuple(tuple(float(v) for v in line) for line in recorded), "recorded"
    if isinstance(recorded, str | float | int):
        return recorded if isinstance(recorded, str) else float(recorded), "recorded"
    stages = latest_run(made.activities).stages
    declared = {
        manifest.output_psf
        for row in stages
        if row.kind == "enhance" and row.status == "OK" and (manifest := registry.find(row.id)) is not None
    } - {"same"}
    if len(declared) > 1:
        raise UsageError("several recorded stages change the PSF", remedy="say the outcome with --output-psf")
    return (declared.pop() if declared else "same"), "declared by the recorded stages"


def _kept(
    options: PairOptions, made: Provenance | None, cutout: Cutout, image: Cutout, scale: int
) -> tuple[Kept, str]:
    """Tell whether the output keeps sums or values of its input, and how that is known."""
    if options.amplitude is not None:
        return options.amplitude, "option"
    if scale == 1 or made is not None:
        own = cutout.amplitude.value or "flux"
        return own, "no matter at scale 1" if made is None else "recorded unit"
    ratio = brightness_ratio(cutout, image, scale)
    if ratio is None or ratio <= 0.0:
        raise UsageError(
            "too little light to tell whether the output keeps flux or surface brightness",
            remedy="say it with --amplitude",
        )
    kept: Kept = "flux" if ratio < 1.0 / scale else "surface brightness"
    return kept, f"measured: a pixel has {ratio:.3g} of the input's value"


def brightness_ratio(cutout: Cutout, image: Cutout, scale: int) -> float | None:
    """Brightness above the sky of an output's pixels over the input's, where the input is brightest.

    Returns
    -------
    float or None
        About 1 where values are kept, 1/scale² where sums are; None where nothing stands out of the noise.
    """
    from lensproc.nn.prepare import sky_and_noise

    ny, nx = cutout.shape
    binned = image.data.astype(np.float64).reshape(ny, scale, nx, scale).mean((1, 3))
    good = ~cutout.bad & np.isfinite(binned)
    sky, noise = sky_and_noise(cutout.data, ~good)
    bright = good & (cutout.data > sky + 5.0 * noise)
    if not bright.any() or noise <= 0.0:
        return None
    sky_out, _ = sky_and_noise(binned.astype(np.float32), ~good)
    before = cutout.data[bright].astype(np.float64).sum() - bright.sum() * sky
    return float((binned[bright].sum() - bright.sum() * sky_out) / before)
