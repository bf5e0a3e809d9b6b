"""How bright things are: magnitudes, peaks and signal-to-noise ratios turned into fluxes."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np

from lensproc.errors import UsageError
from lensproc.simulate.distributions import draw
from lensproc.simulate.light import draw_source
from lensproc.simulate.points import Point, draw_pair, draw_stars
from lensproc.simulate.recipe import Recipe
from lensproc.simulate.render import Image, block_sum, convolved, lensed_source, point_profile
from lensproc.simulate.scene import Scene, Value


def with_source(
    recipe: Recipe,
    table: dict[str, Any],
    scene: Scene,
    center: tuple[float, float] | None,
    extended: Image,
    rng: np.random.Generator,
) -> tuple[Scene, Image]:
    """Add the source galaxy, as bright as the recipe says, to `scene`.

    Parameters
    ----------
    recipe, table : Recipe, dict
        The recipe and its ``[source]``.
    scene : Scene
        With its lens.
    center : (float, float) or None
        Place of a quasar [arcsec, source plane], whose host it is; else the recipe draws the place.
    extended : ndarray
        Light drawn so far behind the PSF, whose photons count as noise.
    rng : numpy.random.Generator
        Where the parameters come from.

    Returns
    -------
    scene, image
        The scene with its source, and the image of the source behind the PSF, flux per fine pixel.
    """
    if center is not None:
        table.update(center_x=center[0], center_y=center[1])
    elif scene.deflector is not None:
        main = scene.deflector.kwargs[0]
        x = draw(table.get("center_x", 0.0), rng, "source.center_x")
        y = draw(table.get("center_y", 0.0), rng, "source.center_y")
        table.update(center_x=x + main["center_x"], center_y=y + main["center_y"])
    unit, named = draw_source(table, rng)
    frame = scene.frame.finer(recipe.supersampling)
    image = convolved(lensed_source(frame, scene.deflector, unit), scene.psf, frame.pixel_scale)
    flux = _source_flux(recipe, table, scene, extended, image, rng)
    parameters: dict[str, Value] = {
        **scene.parameters,
        **named,
        "source_flux": flux,
        "arc_flux": flux * float(image.sum()),
    }
    return replace(scene, source=unit.scaled(flux), parameters=parameters), image * flux


def _source_flux(
    recipe: Recipe,
    table: dict[str, Any],
    scene: Scene,
    extended: Image,
    image: Image,
    rng: np.random.Generator,
) -> float:
    given = [key for key in ("magnitude", "peak", "snr") if key in table]
    if len(given) != 1:
        raise UsageError(f"recipe {recipe.name}: [source] needs one of magnitude, peak, snr; it has {given}")
    value = draw(table[given[0]], rng, f"source.{given[0]}")
    if given[0] == "magnitude":
        return recipe.instrument.flux(value)
    coarse = block_sum(image, recipe.supersampling)
    place = np.unravel_index(int(coarse.argmax()), coarse.shape)
    peak = float(coarse[place])
    if given[0] == "peak":
        return value / peak
    # SNR of the brightest pixel: f p / √(v + f p / g) = snr, a quadratic in the flux f.
    other = block_sum(extended, recipe.supersampling)[place]
    background = float(scene.conditions.variance(np.asarray(other)))
    gain = scene.conditions.electrons_per_unit
    half = 0.5 * value**2 / gain
    return (half + math.sqrt(half**2 + value**2 * background)) / peak


def with_points(
    recipe: Recipe,
    scene: Scene,
    index: int,
    quasar: list[Point],
    extended: Image,
    rng: np.random.Generator,
) -> Scene:
    """Add quasar images, field stars and pairs to `scene`, with the fluxes that their SNR asks for.

    The target of ``[quasar] snr`` is the SNR of the second-brightest image; magnifications do the rest.
    """
    light = block_sum(extended, recipe.supersampling)
    named: dict[str, Value] = {}
    points: list[Point] = []
    if quasar:
        target = draw(
            (recipe.table("quasar") or {}).get("snr", {"log_uniform": [5.0, 100.0]}), rng, "quasar.snr"
        )
        unit = [snr_per_flux(scene, light, p, recipe.supersampling) for p in quasar]
        intrinsic = target / (quasar[1].weight * unit[1])
        for p, snr in zip(quasar, unit, strict=True):
            points.append(p.with_flux(intrinsic * p.weight, intrinsic * p.weight * snr))
        named.update(quasar_images=len(quasar), quasar_flux=intrinsic, quasar_snr=target)
    if (table := recipe.table("stars")) is not None:
        clear = 0.0 if math.isnan(scene.einstein_radius) else 1.6 * scene.einstein_radius + scene.psf.fwhm
        stars, wanted = draw_stars(table, scene.frame.half_width, clear, rng)
        for p, snr in zip(stars, wanted, strict=True):
            points.append(p.with_flux(snr / snr_per_flux(scene, light, p, recipe.supersampling), snr))
        named["stars"] = len(stars)
    if (table := recipe.table("pair")) is not None:
        pair, snr, cell = draw_pair(table, index, scene.psf.fwhm, scene.frame.pixel_scale, rng)
        flux = snr / snr_per_flux(scene, light, pair[0], recipe.supersampling)
        for p in pair:
            mine = flux * p.weight
            points.append(p.with_flux(mine, mine * snr_per_flux(scene, light, p, recipe.supersampling)))
        named.update(cell)
    return replace(scene, points=tuple(points), parameters={**scene.parameters, **named})


def snr_per_flux(scene: Scene, light: Image, point: Point, supersampling: int) -> float:
    """Signal-to-noise ratio of a PSF fit to a point of flux 1: √(Σ p²/v).

    Parameters
    ----------
    scene : Scene
        Gives PSF and noise.
    light : ndarray, shape (ny, nx)
        Extended light under the point, whose photons count as noise.
    point : Point
        Its place.
    supersampling : int
        Points per pixel side.

    Notes
    -----
    Of white noise; v is the variance without the point's own photons (King 1983, PASP 95, 163).
    """
    fine = point_profile(scene.frame.finer(supersampling), point.x, point.y, scene.psf)
    profile = block_sum(fine, supersampling)
    return float(np.sqrt(np.sum(profile**2 / scene.conditions.variance(light))))
