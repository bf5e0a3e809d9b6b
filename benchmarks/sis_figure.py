"""Picture of ``docs/sis.md``: what the stage ``sis`` makes of a smooth lens, of subhalos and of a vortex.

Run from the checkout: ``python -m benchmarks.sis_figure [--set sis.weights=FILE] [-o docs/images/sis.png]``. The
lenses are those of the test stream of ``common-test``, the first of each class.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
import torch
from numpy.typing import NDArray

from lensproc.contract.registry import load_registry
from lensproc.contract.stage import Batch, Item
from lensproc.cutout import PSF
from lensproc.nn.lensing import Grid
from lensproc.nn.lensing_models import ellipse_strength, shear_strength
from lensproc.nn.prepare import sky_and_noise
from lensproc.simulate.image import Simulated, simulate
from lensproc.simulate.recipe import load_recipe
from lensproc.simulate.samples import sample
from lensproc_sis.sis_physics import Maps, correction_on_cutout, maps_of, on_cutout
from lensproc_sis.sis_stage import SISStage, stage

PICTURE = Path(__file__).parents[1] / "docs" / "images" / "sis.png"
RECIPE, SEED = "common-test", 20260801
WORDS = {"no": "smooth lens", "sphere": "subhalos", "vortex": "vortex"}
COLUMNS = ("image", "k [″]", "source plane", "relensed", "residual [σ]")


@dataclass(frozen=True)
class Shown:
    """What is drawn of one lens."""

    image: NDArray[np.float64]
    strength: NDArray[np.float64]
    maps: Maps
    radius: float
    truth: float
    half: float


def first_of(kind: str) -> Simulated:
    """First lens of a class in the test stream."""
    recipe = load_recipe(RECIPE)
    for index in range(100):
        found = simulate(recipe, SEED, "test", index)
        if found.scene.class_name == kind:
            return found
    raise LookupError(f"no lens of class {kind}")


def show(running: SISStage, sim: Simulated) -> Shown:
    """Measure a lens and make its maps."""
    data, scale = sim.exposure.data, sim.exposure.frame.pixel_scale
    sky, noise = sky_and_noise(data)
    image = (torch.from_numpy(data) - sky) / noise
    psf = PSF(float(sample(sim, ("fwhm",))["fwhm"]))
    batch = Batch(
        torch.from_numpy(data)[None, None],
        None,
        torch.zeros((1, 1, *data.shape), dtype=torch.bool),
        (Item(scale, psf, (noise,)),),
    )
    with torch.inference_mode():
        found = running.measured(batch, 0)
        lens, (height, width) = found.lens[0].double(), data.shape
        extra = correction_on_cutout(found.correction * found.lens[0, 0], found.frames, height, width)
        lit = on_cutout(found.arcs, found.frames, height, width)
        maps = maps_of(image, torch.ones_like(image), torch.ones_like(image), found.lens[0], lit, extra)
        theta = Grid.of(height, width, lens.new_ones(1), lens[None, 1:3]).positions()
        strength = ellipse_strength(theta, *(lens[i : i + 1] for i in (0, 3, 4)))
        strength = strength + shear_strength(theta, lens[5:6], lens[6:7]) + extra.double()
    return Shown(
        image.numpy().astype(np.float64),
        strength[0].numpy() * scale,
        maps,
        float(lens[0]) * scale,
        sim.scene.einstein_radius,
        0.5 * width * scale,
    )


def draw(rows: dict[str, Shown], path: Path) -> None:
    """Draw a row per lens."""
    figure, axes = plt.subplots(
        len(rows), len(COLUMNS), figsize=(12.5, 2.55 * len(rows)), layout="constrained", squeeze=False
    )
    for line, (name, shown) in zip(axes, rows.items(), strict=True):
        top = float(np.quantile(shown.image, 0.998))
        near = np.abs(shown.strength / shown.radius - 1) < 0.6
        low, high = np.quantile(shown.strength[near], [0.02, 0.98])
        beta = shown.half * shown.maps.source.shape[0] * shown.maps.step / shown.image.shape[0]
        panels: tuple[tuple[Any, float, dict[str, Any]], ...] = (
            (shown.image, shown.half, {"cmap": "magma", "vmin": 0, "vmax": top}),
            (shown.strength, shown.half, {"cmap": "viridis", "vmin": low, "vmax": high}),
            (shown.maps.source, beta, {"cmap": "magma", "vmin": 0, "vmax": top}),
            (shown.maps.relensed, shown.half, {"cmap": "magma", "vmin": 0, "vmax": top}),
            (shown.maps.residual, shown.half, {"cmap": "RdBu_r", "vmin": -6, "vmax": 6}),
        )
        for axis, title, (values, half, style) in zip(line, COLUMNS, panels, strict=True):
            drawn = axis.imshow(values, origin="lower", extent=(-half, half, -half, half), **style)
            axis.tick_params(labelsize=6)
            if axis in axes[0]:
                axis.set_title(title, fontsize=9)
            if "[" in title:
                figure.colorbar(drawn, ax=axis, shrink=0.8).ax.tick_params(labelsize=6)
        line[0].set_ylabel(f"{name}\nθ_E {shown.radius:.3f}″, true {shown.truth:.3f}″", fontsize=8)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)
    plt.close(figure)


def main() -> None:
    """Measure the three lenses and draw them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--set", action="append", default=[], metavar="sis.OPTION=VALUE")
    parser.add_argument("-o", "--output", type=Path, default=PICTURE)
    given = parser.parse_args()
    settings = dict(entry.removeprefix("sis.").split("=", 1) for entry in given.set)
    manifest = load_registry().manifest("sis")
    running = stage(manifest, manifest.resolve_options(settings))
    running.load(torch.device("cpu"), torch.float32)
    draw({words: show(running, first_of(kind)) for kind, words in WORDS.items()}, given.output)


if __name__ == "__main__":
    main()
