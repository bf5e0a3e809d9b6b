"""A scene: what is on the sky, the PSF it is seen through, and its noise-free image."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from lensproc.simulate.light import Light
from lensproc.simulate.mass import Deflector, Subhalos
from lensproc.simulate.noise import Conditions
from lensproc.simulate.points import Point
from lensproc.simulate.psf import PSFModel
from lensproc.simulate.render import Frame, Image, convolved, lensed_source, points_image, unlensed

Value = float | int | str
"""What a drawn parameter can be."""


@dataclass(frozen=True)
class Scene:
    """What is on the sky, and the PSF it is seen through. Fluxes are in the instrument's unit.

    Parameters
    ----------
    frame : Frame
        Pixel grid of the cutout before any partner is made of it.
    psf : PSFModel
        PSF.
    deflector : Deflector or None
        The lens; None for a field without one.
    subhalos : Subhalos
        The substructure that `deflector` holds.
    einstein_radius : float
        θ_E [arcsec] of all mass together (with ``--mass-sheet naive`` of the main lens); NaN without lens.
    source : Light
        Unlensed source.
    foreground : Light
        Lens light and neighbours.
    points : tuple of Point
        Quasar images, field stars, pairs.
    conditions : Conditions
        Noise that the exposure has.
    class_name : str
        Substructure class.
    parameters : dict
        Every drawn parameter by name, for the catalogue.
    sky : tuple of three floats
        Right ascension and declination of the centre, position angle of the pixel grid [deg].
    """

    frame: Frame
    psf: PSFModel
    conditions: Conditions
    deflector: Deflector | None = None
    subhalos: Subhalos = field(default_factory=Subhalos)
    einstein_radius: float = math.nan
    source: Light = field(default_factory=Light)
    foreground: Light = field(default_factory=Light)
    points: tuple[Point, ...] = ()
    class_name: str = "no"
    parameters: dict[str, Value] = field(default_factory=dict)
    sky: tuple[float, float, float] = (0.0, 0.0, 0.0)

    @property
    def substructure_mass(self) -> float:
        """All mass of the substructure [M_sun], wherever it lies; 0 for a smooth lens."""
        return float(self.subhalos.mass.sum())


def extended_light(scene: Scene, frame: Frame) -> Image:
    """Flux per pixel of the source through the lens and of the foreground, without PSF, points and sky."""
    image = np.zeros((frame.size, frame.size))
    if scene.source.models:
        image += lensed_source(frame, scene.deflector, scene.source)
    if scene.foreground.models:
        image += unlensed(frame, scene.foreground)
    return image


def seen_through(light: Image, scene: Scene, frame: Frame, psf: PSFModel) -> Image:
    """`light` behind `psf`, and the point sources of `scene`; flux per pixel of `frame`, sky subtracted."""
    image = convolved(light, psf, frame.pixel_scale) if light.any() else light
    return image + points_image(frame, scene.points, psf)


def noise_free_image(scene: Scene, frame: Frame, psf: PSFModel) -> Image:
    """Flux per pixel of all light of `scene` behind `psf` on `frame`, sky subtracted."""
    return seen_through(extended_light(scene, frame), scene, frame, psf)
