"""The input beside its output: found and read again, or put together from what the output keeps of it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lensproc.contract.datafiles import sha256_of
from lensproc.cutout import PSF, Cutout
from lensproc.enhanced import Enhanced
from lensproc.errors import LensprocError, UsageError
from lensproc.fits.read import ReadOptions, read
from lensproc.nn.forward import forward_image
from lensproc.nn.forward_error import H_ERROR
from lensproc.nn.psf import OutputPSF, matching_kernel
from lensproc.qc.pair import side_by_side
from lensproc.report.output import Output

if TYPE_CHECKING:
    from lensproc.contract.registry import Registry

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Compared:
    """Input and difference on the input's grid.

    Parameters
    ----------
    original : ndarray, shape (ny, nx), or None
        The input; None where it can be neither found nor put together.
    difference : ndarray, shape (ny, nx), or None
        H y - x in the unit of the input; NaN where either is missing.
    how_original, how_difference : str
        Where each comes from, in words for the reader.
    reconstructed : bool
        True where `original` was not read from the input file.
    """

    original: Array | None
    difference: Array | None
    how_original: str
    how_difference: str
    reconstructed: bool = False


def compare(output: Output, folders: Sequence[Path], registry: Registry) -> Compared:
    """Put an output beside its input.

    Parameters
    ----------
    output : Output
        The output.
    folders : sequence of Path
        Where to look for the input, by its base name; its SHA-256 decides.
    registry : Registry
        Plugins, whose manifests say what PSF an output of theirs has.
    """
    declared = declared_psf(output, registry)
    found, trouble = find_input(output, folders)
    if found is not None:
        return _beside(output, found, declared)
    return _reconstructed(output, declared, trouble)


def declared_psf(output: Output, registry: Registry) -> OutputPSF | None:
    """PSF of the output: as the checks recorded it, else as the manifests of the recorded stages declare it.

    Returns
    -------
    str, float, tuple or None
        None where nothing is recorded (a run without checks) and a stage is not installed in the recorded version,
        or two stages in a row change the PSF.
    """
    recorded = _recorded_psf(output)
    if recorded is not None:
        return recorded
    changed: OutputPSF = "same"
    for row in output.stages:
        if row.kind != "enhance" or row.status != "OK":
            continue
        if registry.package(row.id) != f"{row.dist}=={row.distver}":
            return None
        manifest = registry.manifest(row.id)
        if manifest.sees == "original":
            changed = "same"
        if manifest.output_psf != "same":
            if changed != "same":
                return None
            changed = manifest.output_psf
    return changed


def _recorded_psf(output: Output) -> OutputPSF | None:
    recorded: Any = None
    for row in output.checks:
        said = json.loads(row.options)
        recorded = said.get("output_psf", recorded) if isinstance(said, dict) else recorded
    if isinstance(recorded, list):
        return tuple(tuple(float(value) for value in line) for line in recorded)
    if isinstance(recorded, int | float):
        return float(recorded)
    return "same" if recorded == "same" else None


def find_input(output: Output, folders: Sequence[Path]) -> tuple[Cutout | None, str]:
    """Read the input of an output again.

    Returns
    -------
    cutout : Cutout or None
        None where it is not to be had.
    trouble : str
        Why it is not; empty otherwise.
    """
    name, recorded = str(output.primary.get("LPINFILE")), output.primary.get("LPINSHA")
    candidates = [folder / name for folder in folders if (folder / name).is_file()]
    if not candidates:
        return None, f"{name} not found"
    try:
        chosen = [path for path in candidates if sha256_of(path) == recorded]
        if not chosen:
            return None, f"{name} found, but with another SHA-256"
        extension = str(output.primary.get("LPINEXT"))
        cutouts = read(chosen[0], _options(output))
        matching = [cutout for cutout in cutouts if cutout.source.hdu == extension]
    except (LensprocError, OSError) as error:
        return None, f"{name} cannot be read: {error}"
    if not matching or matching[0].shape != output.shape:
        return None, f"{name} has no image {extension} of the output's size"
    return matching[0], ""


def _options(output: Output) -> ReadOptions:
    said = output.record.get("read", {})
    psf = said.get("psf")
    center = said.get("lens_center")
    return ReadOptions(
        bands=tuple(said.get("bands", ())),
        pixel_scale=said.get("pixel_scale"),
        pixel_units=said.get("pixel_units"),
        zeropoint=said.get("zeropoint"),
        # of a PSF file the name alone is recorded
        psf=None if psf is None or "sha256:" in psf else psf,
        lens_center=(center[0], center[1]) if center else None,
    )


def _beside(output: Output, cutout: Cutout, declared: OutputPSF | None) -> Compared:
    data = cutout.data.astype(np.float64)
    how = f"read again from {cutout.source.file} (SHA-256 agrees)"
    if declared not in (None, "same") and "sha256:" in str(output.record.get("read", {}).get("psf", "")):
        declared = None
    scale = output.scale
    if declared is not None and (declared == "same" or cutout.psf.value is not None):
        factor = float(output.primary.get("LPFLUXCV") or 1.0)
        fine = (output.image * factor).astype(np.float32)
        image = cutout.replace(data=fine, variance=None, mask=np.zeros(fine.shape, np.uint32), distortion=())
        pair = side_by_side(Enhanced(cutout, image, float(scale), output_psf=declared))
        if pair is not None and pair.hy is not None:
            residual = np.where(cutout.bad, np.nan, (pair.hy - pair.x) * pair.noise.level)
            return Compared(data, residual, how, "H(output) − input")
    binned = output.image.reshape(data.shape[0], scale, data.shape[1], scale).mean((1, 3))
    residual = np.where(cutout.bad, np.nan, binned - data)
    return Compared(data, residual, how, "binned output − input, PSFs not matched: the output's is not known")


def _reconstructed(output: Output, declared: OutputPSF | None, trouble: str) -> Compared:
    def without(why: str) -> Compared:
        return Compared(None, None, f"{trouble}; {why}", "needs the input")

    if output.fidelity is None:
        return without("no FIDELITY plane to put it together from")
    if output.sigma is None:
        return without("no ERR plane, so that σ in FIDELITY is not known")
    psf, _ = output.resolved("psf")
    width_only = psf is not None and psf.get("image") is None
    if declared is None or not (declared == "same" or width_only):
        return without("the PSF that H needs is not in the output")
    ny, nx = output.shape
    scale = output.scale
    kernel = matching_kernel(PSF(psf["fwhm"]) if width_only else None, declared, scale)
    filled = np.where(np.isfinite(output.image), output.image, np.nanmedian(output.image))
    back = forward_image(filled, kernel, scale, "surface brightness").astype(np.float64)
    spread = output.sigma.reshape(ny, scale, nx, scale) ** 2 / float(output.primary.get("LPVARCV") or 1.0)
    variance = np.where(np.isfinite(spread), spread, 0.0).mean((1, 3))
    error = H_ERROR["width"] if declared != "same" else H_ERROR["same"] if scale > 1 else 0.0
    light = np.maximum(back - np.median(back), 0.0)
    residual = output.fidelity * np.hypot(np.sqrt(variance), error * light)
    return Compared(
        back + residual,
        -residual,
        f"{trouble}; put together as H(output) + FIDELITY·σ",
        "−FIDELITY·σ",
        reconstructed=True,
    )


def search_folders(given: Sequence[str], run: Path) -> tuple[Path, ...]:
    """Folders to look for inputs in: those given, else the parent of the run's folder.

    Raises
    ------
    UsageError
        For one that does not exist.
    """
    for name in given:
        if not Path(name).is_dir():
            raise UsageError(f"--input-dir {name} is no folder")
    return tuple(Path(name) for name in given) or (run.resolve().parent,)
