"""Drawing a scene from a recipe: camera, lens, substructure, galaxies."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np

from lensproc.errors import UsageError
from lensproc.simulate.brightness import with_points, with_source
from lensproc.simulate.cosmology import Geometry, geometry
from lensproc.simulate.distributions import draw
from lensproc.simulate.instrument import Instrument
from lensproc.simulate.light import Light, draw_lens_light, ellipticity, join, sersic
from lensproc.simulate.mass import Deflector, Subhalos, main_lens, with_subhalos
from lensproc.simulate.noise import draw_conditions
from lensproc.simulate.points import Point, draw_quasar
from lensproc.simulate.psf import PSFModel
from lensproc.simulate.recipe import Recipe
from lensproc.simulate.render import Frame, Image, convolved, unlensed
from lensproc.simulate.scene import Scene, Value
from lensproc.simulate.substructure import draw_substructure, mass_inside


def draw_scene(
    recipe: Recipe, index: int, rng: np.random.Generator, camera_rng: np.random.Generator
) -> tuple[Scene, Image]:
    """Draw scene `index` of a recipe.

    Parameters
    ----------
    recipe : Recipe
        What to draw from.
    index : int
        Number of the image; it decides the cell of a grid (``[pair]``), nothing else.
    rng : numpy.random.Generator
        Where the parameters of the sky come from.
    camera_rng : numpy.random.Generator
        Where seeing, pointing and noise level come from, apart, so that another camera sees the same sky.

    Returns
    -------
    scene : Scene
        With every flux known.
    extended : ndarray, shape (S ny, S nx)
        Its extended light behind the PSF at the recipe's supersampling S, flux per fine pixel, which had to be
        computed to set signal-to-noise ratios.
    """
    scene = _empty_scene(recipe.instrument, camera_rng)
    frame = scene.frame.finer(recipe.supersampling)
    scene = _with_lens(recipe, scene, rng)
    extended = np.zeros((frame.size, frame.size))
    quasar: list[Point] = []
    center: tuple[float, float] | None = None
    if (table := recipe.table("quasar")) is not None:
        if scene.deflector is None:
            raise UsageError(f"recipe {recipe.name}: [quasar] needs a [lens]")
        main = {**scene.deflector.kwargs[0], "theta_E": scene.einstein_radius}
        smooth = Deflector(scene.deflector.models[:2], (main, scene.deflector.kwargs[1]))
        center, quasar = draw_quasar(table, scene.deflector, smooth, 2.0 * frame.half_width, rng)
    scene = _with_foreground(recipe, scene, rng)
    if scene.foreground.models:
        extended += convolved(unlensed(frame, scene.foreground), scene.psf, frame.pixel_scale)
    if (table := recipe.table("source")) is not None:
        scene, image = with_source(recipe, dict(table), scene, center, extended, rng)
        extended += image
    return with_points(recipe, scene, index, quasar, extended, rng), extended


def _empty_scene(instrument: Instrument, rng: np.random.Generator) -> Scene:
    psf = PSFModel(
        instrument.psf.get("profile", "gaussian"),
        draw(instrument.psf["fwhm"], rng, "psf.fwhm"),
        float(instrument.psf.get("beta", 3.0)),
    )
    low_ra, high_ra, low_dec, high_dec = instrument.footprint
    # Equal areas on the sphere: even in the sine of the declination.
    sine = rng.uniform(math.sin(math.radians(low_dec)), math.sin(math.radians(high_dec)))
    ra, dec = float(rng.uniform(low_ra, high_ra)), math.degrees(math.asin(sine))
    rotation = draw(instrument.rotation, rng, "rotation")
    conditions = draw_conditions(instrument, rng)
    named: dict[str, Value] = {
        "psf_fwhm": psf.fwhm,
        "sky_electrons": conditions.sky,
        "background_sigma": conditions.background_sigma,
    }
    frame = Frame(instrument.size, instrument.pixel_scale)
    return Scene(frame, psf, conditions, sky=(ra, dec, rotation), parameters=named)


def _with_lens(recipe: Recipe, scene: Scene, rng: np.random.Generator) -> Scene:
    table = recipe.table("lens")
    kind = recipe.classes[int(rng.integers(len(recipe.classes)))]
    if table is None:
        return scene
    geo = geometry(recipe.z_lens, recipe.z_source, recipe.distances)
    if "einstein_radius" in table:
        radius = draw(table["einstein_radius"], rng, "lens.einstein_radius")
    else:
        radius = geo.point_mass_radius(draw(table.get("mass", 1e12), rng, "lens.mass"))
    e1, e2 = ellipticity(table, rng)
    gamma1 = draw(table.get("gamma1", 0.0), rng, "lens.gamma1")
    gamma2 = draw(table.get("gamma2", 0.0), rng, "lens.gamma2")
    center = tuple(draw(table.get(key, 0.0), rng, f"lens.{key}") for key in ("center_x", "center_y"))
    smooth = main_lens(radius, e1, e2, gamma1, gamma2, (center[0], center[1]))
    subhalos, removed, named = _substructure(recipe, kind, geo, radius, (center[0], center[1]), rng)
    deflector = with_subhalos(smooth, subhalos, removed, geo.critical_density)
    parameters = {
        **scene.parameters,
        "einstein_radius": radius,
        "lens_e1": e1,
        "lens_e2": e2,
        "lens_center_x": center[0],
        "lens_center_y": center[1],
        "shear_gamma1": gamma1,
        "shear_gamma2": gamma2,
        "z_lens": recipe.z_lens,
        "z_source": recipe.z_source,
        **named,
    }
    return replace(
        scene,
        deflector=deflector,
        subhalos=subhalos,
        einstein_radius=radius,
        class_name=kind,
        parameters=parameters,
    )


def _substructure(
    recipe: Recipe,
    kind: str,
    geo: Geometry,
    radius: float,
    center: tuple[float, float],
    rng: np.random.Generator,
) -> tuple[Subhalos, float, dict[str, Value]]:
    options: Any = (recipe.table("substructure") or {}).get(kind, {})
    drawn = draw_substructure(kind, options, geo, radius, rng)
    # Drawn about the lens, which need not stand in the middle of the cutout.
    moved = tuple(
        {**kw, "center_x": kw["center_x"] + center[0], "center_y": kw["center_y"] + center[1]}
        for kw in drawn.kwargs
    )
    subhalos = replace(drawn, x=drawn.x + center[0], y=drawn.y + center[1], kwargs=moved)
    inside = mass_inside(subhalos, radius, center, geo.critical_density)
    named: dict[str, Value] = {
        "subhalo_number": len(subhalos.mass),
        "subhalo_mass": float(subhalos.mass.sum()),
        "subhalo_mass_inside": inside,
    }
    return subhalos, inside if recipe.mass_sheet == "fixed" else 0.0, named


def _with_foreground(recipe: Recipe, scene: Scene, rng: np.random.Generator) -> Scene:
    light = Light()
    named: dict[str, Value] = {}
    if (table := recipe.table("lens_light")) is not None and scene.deflector is not None:
        main = scene.deflector.kwargs[0]
        place = (main["center_x"], main["center_y"])
        shape, drawn = draw_lens_light(table, place, main["e1"], main["e2"], rng)
        magnitude = draw(table["magnitude"], rng, "lens_light.magnitude")
        light = light.plus(shape.scaled(recipe.instrument.flux(magnitude)))
        named.update(drawn, lens_light_magnitude=magnitude)
    if (table := recipe.table("neighbours")) is not None:
        number = int(draw(table.get("number", 0), rng, "neighbours.number"))
        limit = 0.9 * scene.frame.half_width
        parts = []
        for _ in range(number):
            while True:
                x, y = rng.uniform(-limit, limit, size=2)
                if math.hypot(x, y) > 0.55 * limit:
                    break
            flux = recipe.instrument.flux(draw(table["magnitude"], rng, "neighbours.magnitude"))
            radius = draw(table.get("radius", {"log_uniform": [0.2, 0.6]}), rng, "neighbours.radius")
            e1, e2 = ellipticity({"axis_ratio": {"uniform": [0.4, 1.0]}}, rng)
            parts.append(sersic(flux, radius, 1.5, e1, e2, (float(x), float(y))))
        light = light.plus(join(parts))
        named["neighbours"] = number
    return replace(scene, foreground=light, parameters={**scene.parameters, **named})
