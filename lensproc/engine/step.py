"""One stage over one micro-batch: prepare, apply, undo, record."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lensproc.contract.output_rules import fault_of
from lensproc.contract.stage import Batch, Item, SkyAxes, Stage, StageOutput
from lensproc.contract.weights import loaded_weights
from lensproc.cutout import Cutout, Resolved
from lensproc.engine import pixels
from lensproc.engine.chain import Link
from lensproc.engine.tiling import apply_tiled
from lensproc.engine.working import Working, compose_psf, scaled_geometry
from lensproc.enhanced import Activity, Plane
from lensproc.errors import LensprocError, PluginError
from lensproc.fits.provenance import (
    canonical_json,
    durations_are_zero,
    pixels_sha256,
    software_versions,
    timestamp,
)
from lensproc.nn.prepare import Affine, affine_for, fill_missing
from lensproc.nn.psf import output_psf_of

if TYPE_CHECKING:
    import torch

Subject = tuple[Working, ...]
"""The bands of one object that a stage takes as channels."""


@dataclass(frozen=True)
class Runner:
    """A stage, loaded.

    Parameters
    ----------
    link : Link
        What it is.
    position : int
        Its place in the chain, from 1.
    stage : Stage
        The stage itself.
    device : torch.device
        Where it computes.
    device_label : str
        ``cpu`` or the name of the GPU.
    dtype : str
        ``float32`` or ``bfloat16``.
    """

    link: Link
    position: int
    stage: Stage
    device: torch.device
    device_label: str
    dtype: str


def seen_image(work: Working, link: Link) -> Cutout:
    """Return the image that a stage gets of a cutout: the original, or the present one."""
    return work.original if link.manifest.sees == "original" else work.image


def run_batch(runner: Runner, subjects: Sequence[Subject]) -> None:
    """Apply a stage to objects of one shape and write what it makes into them.

    Raises
    ------
    PluginError
        Where the output is not what the contract says.
    Exception
        Whatever the stage raises.
    """
    import torch

    link = runner.link
    started, clock = timestamp(), time.perf_counter()
    cutouts = [[seen_image(work, link) for work in subject] for subject in subjects]
    batch, affines = _make_batch(runner, subjects, cutouts)
    if link.also_enhanced:
        enhanced, _ = _make_batch(
            runner, subjects, [[work.image for work in subject] for subject in subjects]
        )
        batch = replace(batch, enhanced=enhanced)
    with (
        torch.inference_mode(),
        torch.autocast(runner.device.type, dtype=torch.bfloat16, enabled=runner.dtype == "bfloat16"),
    ):
        output = apply_tiled(runner.stage, link, batch)
    fault = fault_of(output, batch, link.manifest.kind, link.scale)
    if fault is not None:
        raise PluginError(f"stage {link.manifest.id} {fault}", plugin=link.package)
    images = None if output.images is None else output.images.float().cpu().numpy()
    sigmas = None if output.uncertainty is None else output.uncertainty.float().cpu().numpy()
    seconds = 0.0 if durations_are_zero() else (time.perf_counter() - clock) / len(subjects)
    for i, subject in enumerate(subjects):
        reason = output.failed[i] if output.failed else None
        for channel, work in enumerate(subject):
            if reason:
                what = f"stage {link.manifest.id}: {reason}"
                record_failure(runner, work, PluginError(what, plugin=link.package))
                continue
            seen = cutouts[i][channel]
            activity = _activity(runner, work, seen, affines[i], started, seconds)
            if images is not None:
                sigma = None if sigmas is None else sigmas[i, channel]
                _take_image(work, link, images[i, channel], sigma, affines[i])
            _take_findings(work, link, output, i)
            work.activities.append(activity)


def record_failure(runner: Runner, work: Working, error: LensprocError) -> None:
    """Note that a stage failed on a cutout: given up where it owed an image, PARTIAL where it did not."""
    seen = seen_image(work, runner.link)
    work.activities.append(_activity(runner, work, seen, Affine(), timestamp(), 0.0, error.what))
    if runner.link.manifest.kind == "enhance":
        work.error = error
    else:
        work.status = "PARTIAL"


def _make_batch(
    runner: Runner,
    subjects: Sequence[Subject],
    cutouts: Sequence[Sequence[Cutout]],
) -> tuple[Batch, list[Affine]]:
    """Images of the subjects as the stage wants them, and what undoes the normalisation of each."""
    import torch

    link = runner.link
    data = [np.stack([cutout.data for cutout in bands]) for bands in cutouts]
    bad = [np.stack([cutout.bad for cutout in bands]) for bands in cutouts]
    affines = [
        affine_for(link.manifest.normalisation, image, flags) for image, flags in zip(data, bad, strict=True)
    ]
    images = [
        (np.stack([fill_missing(c.data) for c in bands]) - np.float32(a.offset)) / np.float32(a.scale)
        for bands, a in zip(cutouts, affines, strict=True)
    ]
    variances = [[pixels.variance_for_stage(cutout) for cutout in bands] for bands in cutouts]
    variance = None
    if all(plane is not None for bands in variances for plane in bands):
        # divided twice: the square of a scale of 1e-20 is no float32
        variance = np.stack(
            [
                np.stack([plane for plane in bands if plane is not None])
                / np.float32(a.scale)
                / np.float32(a.scale)
                for bands, a in zip(variances, affines, strict=True)
            ]
        )
    items = tuple(
        _item(runner, subject, bands, affine)
        for subject, bands, affine in zip(subjects, cutouts, affines, strict=True)
    )
    original = None
    if link.manifest.sees == "both":
        original = np.stack(
            [
                (np.stack([fill_missing(w.original.data) for w in s]) - np.float32(a.offset))
                / np.float32(a.scale)
                for s, a in zip(subjects, affines, strict=True)
            ]
        )

    def tensor(array: NDArray[Any]) -> torch.Tensor:
        return torch.from_numpy(np.ascontiguousarray(array)).to(runner.device, non_blocking=True)

    batch = Batch(
        images=tensor(np.stack(images)),
        variance=None if variance is None else tensor(variance),
        mask=tensor(np.stack(bad)),
        items=items,
        original=None if original is None else tensor(original),
    )
    return batch, affines


def _item(runner: Runner, subject: Subject, bands: Sequence[Cutout], affine: Affine) -> Item:
    work, first = subject[0], bands[0]
    return Item(
        pixel_scale=first.pixel_scale.value,
        psf=first.psf.value,
        noise=tuple(pixels.noise_of(cutout) / affine.scale for cutout in bands),
        bands=tuple(cutout.band.value or "" for cutout in bands),
        lens_center=first.lens_center.value,
        seed=_seed(runner, work),
        products={name: work.products[name] for name in runner.link.manifest.requires},
        sky=_sky(runner.link, work, first),
    )


def _sky(link: Link, work: Working, seen: Cutout) -> SkyAxes | None:
    """Where an image lies on the sky, for a stage that asks; headers are the original's until the chain ends."""
    if not link.manifest.sky:
        return None
    from lensproc.qc.sky import sky_axes

    return sky_axes(seen, seen.shape[0] // work.original.shape[0])


def _seed(runner: Runner, work: Working) -> int:
    digest = hashlib.sha256(f"{work.original.source.sha256}:{runner.position}".encode()).digest()
    return int.from_bytes(digest[:4], "big")


def _take_image(
    work: Working, link: Link, image: NDArray[np.float32], sigma: NDArray[np.float32] | None, affine: Affine
) -> None:
    manifest, scale, seen = link.manifest, link.scale, seen_image(work, link)
    base = 1 if manifest.sees == "original" else work.scale
    factor = pixels.conversion(seen.amplitude.value, manifest.amplitude, scale)
    offset = affine.offset / (scale * scale if manifest.amplitude == "flux" else 1)
    data = (image * np.float32(affine.scale) + np.float32(offset)) * np.float32(factor)
    missing = pixels.replicate(~np.isfinite(seen.data), scale)
    if missing.any():
        data[missing] = np.nan
    spread = pixels.variance_conversion(seen.amplitude.value, scale)
    variance = None
    if seen.variance is not None:
        variance = np.asarray(pixels.replicate(seen.variance, scale) * np.float32(spread), np.float32)
    fwhm = seen.psf.value.fwhm if seen.psf.value else None
    mask, bits, bad_bits = pixels.mark_mask(seen, pixels.reach_of(manifest.halo, fwhm))
    psf = Resolved(output_psf_of(seen.psf.value, manifest.output_psf, scale), seen.psf.source)
    work.image = seen.replace(
        data=np.ascontiguousarray(data, np.float32),
        variance=variance,
        mask=np.asarray(pixels.replicate(mask, scale), np.uint32),
        mask_bits=bits,
        bad_bits=bad_bits,
        **scaled_geometry(seen, scale, psf),
    )
    if sigma is not None:
        work.uncertainty = np.asarray(sigma * np.float32(abs(affine.scale * factor)), np.float32)
    elif work.uncertainty is not None:
        rooted = np.float32(spread**0.5)
        work.uncertainty = np.asarray(pixels.replicate(work.uncertainty, scale) * rooted, np.float32)
    first = manifest.sees == "original"
    work.flux_factor = factor * (1.0 if first else work.flux_factor)
    work.variance_factor = spread * (1.0 if first else work.variance_factor)
    work.output_psf = manifest.output_psf if first else compose_psf(work.output_psf, manifest.output_psf)
    work.synthetic = manifest.generative or (work.original.synthetic if first else work.synthetic)
    work.scale = base * scale


def _take_findings(work: Working, link: Link, output: StageOutput, index: int) -> None:
    seen_scale = 1 if link.manifest.sees == "original" else work.scale
    if link.manifest.kind == "enhance" and output.images is not None and seen_scale != 1:
        seen_scale = work.scale // link.scale
    found: dict[str, Any] = {}
    if output.values:
        work.values.update(output.values[index])
        found.update(output.values[index])
    if output.tables:
        work.tables.update(output.tables[index])
        found.update(output.tables[index])
    if output.planes:
        planes: dict[str, Plane] = {
            name: plane if plane.scale is None else replace(plane, scale=plane.scale * seen_scale)
            for name, plane in output.planes[index].items()
        }
        work.planes.update(planes)
        found.update(planes)
    work.products.update({name: found[name] for name in link.manifest.provides if name in found})


def _activity(
    runner: Runner,
    work: Working,
    seen: Cutout,
    affine: Affine,
    started: str,
    seconds: float,
    failure: str = "",
) -> Activity:
    manifest, weights = runner.link.manifest, loaded_weights(runner.stage, runner.link.manifest)
    distribution, version = runner.link.distribution
    return Activity(
        stage=runner.position,
        id=manifest.id,
        kind=manifest.kind,
        dist=distribution,
        distver=version,
        weights=",".join(data.file.rsplit("/", 1)[-1] for data in weights),
        wsha256=",".join(data.sha256 for data in weights),
        options=canonical_json(runner.link.options),
        norm=json.dumps({"offset": affine.offset, "scale": affine.scale}, separators=(",", ":")),
        insha=pixels_sha256(seen.data),
        t_start=started,
        elapsed=seconds,
        device=runner.device_label,
        dtype=runner.dtype,
        versions=software_versions(),
        seed=_seed(runner, work),
        status="FAILED" if failure else "OK",
        message=failure,
    )
