"""``sis``: a lens measured, its source brought back, and what the source does not explain."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from lensproc.contract.network import NetworkStage
from lensproc.contract.stage import StageOutput
from lensproc.errors import PluginError, WeightsError
from lensproc.nn.prepare import sky_and_noise
from lensproc_sis.measure import Measured, measure
from lensproc_sis.sis_findings import misfit_of, planes_of, values_of
from lensproc_sis.sis_learning import build
from lensproc_sis.sis_network import SISNetwork
from lensproc_sis.sis_physics import correction_on_cutout, maps_of, on_cutout
from lensproc_sis.starts import alone_in, begun

if TYPE_CHECKING:
    from lensproc.contract.manifest import Manifest, OptionValue
    from lensproc.contract.stage import Batch
    from lensproc.enhanced import Plane, Value

SMALLEST_SIDE = 16
"""Side below which no lens is measured [px]."""
NO_SCALE = "needs the pixel scale to give angles; give one with --pixel-scale ARCSEC"


class SISStage(NetworkStage):
    """Measure the lens of each cutout by itself.

    Parameters
    ----------
    manifest : Manifest
        What the stage says of itself.
    options : mapping
        ``sampling``: pixels of SOURCE per pixel of the image; the rest as for `NetworkStage`.
    """

    def __init__(self, manifest: Manifest, options: Mapping[str, OptionValue]) -> None:
        super().__init__(manifest, options, build)
        self.sampling = int(options["sampling"])

    def load(self, device: torch.device, dtype: torch.dtype) -> None:
        """Read the weights.

        Raises
        ------
        WeightsError
            Where there are none, they do not fit, or their errors were not calibrated.
        """
        super().load(device, dtype)
        if not isinstance(self.network, SISNetwork):
            raise PluginError(f"stage {self.manifest.id}: its network is no SISNetwork")
        if not bool((self.network.calibration > 0).all()):
            raise WeightsError(
                f"stage {self.manifest.id}: the errors of these weights were not calibrated",
                file=self.loaded_weights[0].file,
                remedy=f"lensproc train {self.manifest.id} calibrates them when it ends",
            )

    def apply(self, batch: Batch) -> StageOutput:
        """Measure the lenses of a batch."""
        results = [self._one(batch, i) for i in range(len(batch))]
        failed = tuple(reason for _, _, reason in results)
        return StageOutput(
            values=tuple(values for values, _, _ in results),
            planes=tuple(planes for _, planes, _ in results),
            failed=failed if any(failed) else (),
        )

    def _one(self, batch: Batch, index: int) -> tuple[dict[str, Value], dict[str, Plane], str | None]:
        item = batch.items[index]
        if item.pixel_scale is None:
            return {}, {}, NO_SCALE
        if min(batch.images.shape[-2:]) < SMALLEST_SIDE:
            return {}, {}, f"needs {SMALLEST_SIDE} px along each side to measure a lens"
        good = (~batch.mask[index, 0]).float()
        if not bool(good.any()):
            return {}, {}, "no pixel of the cutout is good"
        sky, level = _sky_and_noise(batch, index)
        image = (batch.images[index, 0].float() - sky) / level
        measured = self.measured(batch, index)
        height, width = image.shape
        lens, sigma = (_doubles(part[0]) for part in (measured.lens, measured.sigma))
        strength = correction_on_cutout(
            measured.correction * measured.lens[0, 0], measured.frames, height, width
        )
        maps = maps_of(
            image,
            _noise(batch, index) / level,
            good,
            measured.lens[0],
            on_cutout(measured.arcs, measured.frames, height, width),
            strength,
            self.sampling,
        )
        parts = (maps.alpha, maps.source, maps.residual, lens, sigma)
        if not all(np.isfinite(part).all() for part in parts):
            return {}, {}, "the lens that was found is not finite"
        scale = float(item.pixel_scale)
        values = values_of(lens, sigma, scale, item.sky, misfit_of(maps))
        return values, planes_of(maps, lens, scale, level, item.sky), None

    def measured(self, batch: Batch, index: int) -> Measured:
        """Measure one lens of a batch, by itself, so that its neighbours make no difference."""
        network = self.network
        if not isinstance(network, SISNetwork):
            raise PluginError(f"stage {self.manifest.id} is used before it is loaded")
        sky, level = _sky_and_noise(batch, index)
        alone = alone_in(batch, index)
        images = (alone.images.float() - sky) / level
        return measure(network, begun(network, images, (~alone.mask).to(images.dtype), alone))


def _noise(batch: Batch, index: int) -> torch.Tensor:
    """1σ noise of each pixel of an image, shape (H, W), above 0."""
    images, item = batch.images, batch.items[index]
    level = item.noise[0] if item.noise and item.noise[0] > 0 else _sky_and_noise(batch, index)[1]
    sky = torch.full_like(images[index, 0], float(level))
    if batch.variance is None:
        return sky
    stated = batch.variance[index, 0].double().clamp_min(0.0).sqrt()
    return torch.where(stated > 0, stated.to(images.dtype), sky)


def _sky_and_noise(batch: Batch, index: int) -> tuple[float, float]:
    """Level of the sky of an image and its robust noise, above 0, in the unit of the batch."""
    image, bad = (plane[index, 0].cpu().numpy() for plane in (batch.images, batch.mask))
    sky, noise = sky_and_noise(image, bad)
    return sky, noise if noise > 0 else 1.0


def _doubles(tensor: torch.Tensor) -> Any:
    return tensor.detach().cpu().numpy().astype(np.float64)


def stage(manifest: Manifest, options: Mapping[str, OptionValue]) -> SISStage:
    """Build the stage."""
    return SISStage(manifest, options)
