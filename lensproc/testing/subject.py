"""A stage under test: it is built, loaded and fed as the engine does it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lensproc.contract.manifest import Manifest, OptionValue
from lensproc.contract.output_rules import fault_of
from lensproc.contract.registry import build_stage
from lensproc.contract.stage import Batch, Item, SkyAxes, Stage, StageOutput
from lensproc.errors import UsageError
from lensproc.nn.prepare import Affine, affine_for, fill_missing, pad_to, sky_and_noise
from lensproc.testing.result import CheckFailedError
from lensproc.testing.scenes import Scene

if TYPE_CHECKING:
    import torch

Products = Mapping[str, Any] | Callable[[Scene], Mapping[str, Any]]
"""What earlier stages would give, by name; or a function of the scene that makes it."""


@dataclass(frozen=True)
class Outcome:
    """What a stage made of one scene, in the unit of the scene.

    Parameters
    ----------
    image, uncertainty : ndarray, shape (C, s ny, s nx), or None
        Pixels and their 1σ.
    values, tables, planes : mapping
        As in `StageOutput`, of this scene.
    failed : str or None
        The reason, where the stage gave it up.
    """

    image: NDArray[np.float32] | None = None
    uncertainty: NDArray[np.float32] | None = None
    values: Mapping[str, Any] = field(default_factory=dict)
    tables: Mapping[str, Any] = field(default_factory=dict)
    planes: Mapping[str, Any] = field(default_factory=dict)
    failed: str | None = None


@dataclass(frozen=True)
class Subject:
    """A stage under test.

    Parameters
    ----------
    manifest : Manifest
        What it says of itself.
    options : mapping
        Every option with its value.
    products : mapping or callable
        What it `requires` of earlier stages.
    package : str
        ``distribution==version``, for messages.
    plugin : str
        Entry point that registered it; empty for a manifest that none did.
    """

    manifest: Manifest
    options: Mapping[str, OptionValue]
    products: Products = field(default_factory=dict)
    package: str = ""
    plugin: str = ""

    @property
    def scale(self) -> int:
        """Output pixels per input pixel."""
        return self.manifest.scale_for(self.options)

    @property
    def bands(self) -> int:
        """Number of channels."""
        return self.manifest.n_bands

    def shape(self, height: int, width: int) -> tuple[int, int]:
        """Return a shape of at least this size, and of at least the smallest that the stage takes."""
        smallest = self.manifest.minimum_size
        return max(height, smallest), max(width, smallest)

    def build(self) -> Stage:
        """Build the stage, not yet loaded."""
        return build_stage(self.manifest, self.options, self.package)

    def load(self, stage: Stage) -> Stage:
        """Load a stage on the CPU in single precision."""
        import torch

        stage.load(torch.device("cpu"), torch.float32)
        return stage

    @cached_property
    def stage(self) -> Stage:
        """The stage, built and loaded once for all checks."""
        return self.load(self.build())

    def batch(self, scenes: Sequence[Scene]) -> tuple[Batch, list[Affine]]:
        """Prepare scenes of one shape as the core does: filled, normalised, padded.

        Returns
        -------
        Batch
            With one item per scene.
        list of Affine
            The normalisation of each, to be undone.
        """
        import torch

        affines = [affine_for(self.manifest.normalisation, s.data, s.bad) for s in scenes]
        images = [
            (_filled(s) - np.float32(a.offset)) / np.float32(a.scale)
            for s, a in zip(scenes, affines, strict=True)
        ]
        variance = None
        if all(s.variance is not None for s in scenes):
            planes = [
                np.asarray(s.variance) / np.float32(a.scale) / np.float32(a.scale)
                for s, a in zip(scenes, affines, strict=True)
            ]
            variance = self._padded(np.stack(planes))
        mask = self._padded(np.stack([s.bad for s in scenes]))
        padded = self._padded(np.stack(images))
        items = tuple(self._item(s, a) for s, a in zip(scenes, affines, strict=True))
        original = torch.from_numpy(np.stack(images)) if self.manifest.sees == "both" else None
        return Batch(padded, variance, mask, items, original), affines

    def _padded(self, planes: NDArray[Any]) -> torch.Tensor:
        import torch

        tensor = torch.from_numpy(np.ascontiguousarray(planes))
        return pad_to(tensor, self.manifest.minimum_size, self.manifest.multiple_of)

    def _item(self, scene: Scene, affine: Affine) -> Item:
        bands, height, width = scene.data.shape
        names = self.manifest.bands if isinstance(self.manifest.bands, tuple) else ("",) * bands
        products = self.products(scene) if callable(self.products) else self.products
        lacking = [name for name in self.manifest.requires if name not in products]
        if lacking:
            raise UsageError(
                f"stage {self.manifest.id} requires {', '.join(lacking)} of an earlier stage",
                remedy="hand it to check_stage(…, products=…)",
            )
        return Item(
            pixel_scale=0.1,
            psf=scene.psf,
            noise=tuple(_noise(scene, band) / affine.scale for band in range(bands)),
            bands=names,
            lens_center=((width - 1) / 2, (height - 1) / 2),
            seed=1,
            products={name: products[name] for name in self.manifest.requires},
            sky=_sky(width, height) if self.manifest.sky else None,
        )

    def run(self, scenes: Sequence[Scene], stage: Stage | None = None) -> list[Outcome]:
        """Run the stage on scenes of one shape as one batch, and undo the normalisation.

        Raises
        ------
        CheckFailedError
            Where the output has another number or shape than the contract says.
        """
        batch, affines = self.batch(scenes)
        output = self.apply(batch, stage)
        height, width = scenes[0].data.shape[-2:]
        return [self._outcome(output, i, a, (height, width)) for i, a in enumerate(affines)]

    def apply(self, batch: Batch, stage: Stage | None = None) -> StageOutput:
        """Apply the stage to a batch and hold the output to the contract: type, number, shape, names."""
        import torch

        with torch.inference_mode():
            output = (self.stage if stage is None else stage).apply(batch)
        fault = fault_of(output, batch, self.manifest.kind, self.scale)
        if fault is not None:
            raise CheckFailedError(f"the stage {fault}")
        return output

    def _outcome(self, output: StageOutput, i: int, affine: Affine, shape: tuple[int, int]) -> Outcome:
        rows, columns = slice(0, shape[0] * self.scale), slice(0, shape[1] * self.scale)
        offset = affine.offset
        if self.manifest.amplitude == "flux":
            offset /= self.scale**2
        image = uncertainty = None
        if output.images is not None:
            pixels = output.images[i, :, rows, columns].float().numpy()
            image = np.asarray(pixels * np.float32(affine.scale) + np.float32(offset), np.float32)
        if output.uncertainty is not None:
            pixels = output.uncertainty[i, :, rows, columns].float().numpy()
            uncertainty = np.asarray(pixels * np.float32(affine.scale), np.float32)
        return Outcome(
            image,
            uncertainty,
            output.values[i] if output.values else {},
            output.tables[i] if output.tables else {},
            output.planes[i] if output.planes else {},
            output.failed[i] if output.failed else None,
        )


def _sky(width: int, height: int) -> SkyAxes:
    """North up and east to the left, pixels of .1 arcsec."""
    return SkyAxes((width - 1) / 2, (height - 1) / 2, 150.0, 2.0, ((-0.1, 0.0), (0.0, 0.1)))


def _filled(scene: Scene) -> NDArray[np.float32]:
    """Fill what has no measurement, band by band, as a run does."""
    missing = np.where(scene.bad, np.float32(np.nan), scene.data)
    return np.stack([fill_missing(band) for band in missing])


def _noise(scene: Scene, band: int) -> float:
    if scene.variance is not None:
        return math.sqrt(float(np.median(scene.variance[band])))
    return sky_and_noise(scene.data[band], scene.bad[band])[1]
