"""What a stage says of itself, so that the core can prepare, tile, cast, undo and record for it."""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from lensproc.errors import PluginError, UsageError

Kind = Literal["enhance", "classify", "physics"]
Sees = Literal["original", "previous", "both"]
Normalisation = Literal["none", "noise", "peak", "range"]
OptionValue = bool | int | float | str

_TYPES: dict[str, type] = {"bool": bool, "int": int, "float": float, "str": str}


@dataclass(frozen=True)
class Option:
    """One option of a stage, set by ``--set STAGE.NAME=VALUE`` or in a recipe.

    Parameters
    ----------
    name : str
        Lower-case identifier.
    type : str
        ``bool``, ``int``, ``float`` or ``str``.
    default : bool, int, float or str
        Value where the user gives none.
    help : str
        One line: what it does, with its unit.
    minimum, maximum : float, optional
        Inclusive range of a number.
    choices : tuple of str
        Allowed words; empty for any.
    """

    name: str
    type: Literal["bool", "int", "float", "str"]
    default: OptionValue
    help: str = ""
    minimum: float | None = None
    maximum: float | None = None
    choices: tuple[str, ...] = ()

    def parse(self, value: object, stage: str = "") -> OptionValue:
        """Return `value` (a string from the command line, or a TOML value) as this option's type.

        Raises
        ------
        UsageError
            Where it has another type, lies outside the range, or is not one of the choices.
        """
        where = f"{stage}.{self.name}" if stage else self.name
        try:
            parsed = self._convert(value)
        except (TypeError, ValueError):
            raise UsageError(f"{where}={value!r} is not a {self.type}") from None
        if isinstance(parsed, float) and not math.isfinite(parsed):
            raise UsageError(f"{where}={value!r} is not finite")
        if self.minimum is not None and not isinstance(parsed, str) and parsed < self.minimum:
            raise UsageError(f"{where}={parsed} is below its minimum {self.minimum:g}")
        if self.maximum is not None and not isinstance(parsed, str) and parsed > self.maximum:
            raise UsageError(f"{where}={parsed} is above its maximum {self.maximum:g}")
        if self.choices and parsed not in self.choices:
            raise UsageError(f"{where}={parsed!r} is not one of {', '.join(self.choices)}")
        return parsed

    def _convert(self, value: object) -> OptionValue:
        if self.type == "bool":
            if isinstance(value, bool):
                return value
            words = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
            return words[str(value).lower()] if str(value).lower() in words else _refuse(value)
        if self.type == "str":
            return str(value)
        if isinstance(value, bool):
            return _refuse(value)
        if self.type == "int":
            if isinstance(value, float) and not value.is_integer():
                return _refuse(value)
            return int(value)  # type: ignore[call-overload, no-any-return]
        return float(value)  # type: ignore[arg-type]


def _refuse(value: object) -> OptionValue:
    raise ValueError(value)


@dataclass(frozen=True)
class DataFile:
    """A file that ships inside the plugin's package: weights or a calibration.

    Parameters
    ----------
    file : str
        Path inside the package, with slashes: ``weights/edsr.safetensors``.
    sha256 : str
        SHA-256 of its bytes, 64 hex digits; the core refuses any other bytes.
    licence : str
        SPDX identifier.
    """

    file: str
    sha256: str
    licence: str = "BSD-3-Clause"


@dataclass(frozen=True)
class Tolerance:
    """What the conformance suite holds a stage to on a bright Gaussian star.

    Parameters
    ----------
    flux : float
        Largest relative error of the star's flux.
    centroid : float
        Largest shift of its centroid [input px].
    """

    flux: float = 0.01
    centroid: float = 0.05


@dataclass(frozen=True)
class Manifest:
    """Description of one stage. Importing it costs neither torch nor astropy, and it survives JSON.

    Parameters
    ----------
    id : str
        Name of the stage: lower-case letters, digits, dots, hyphens, colons.
    kind : str
        ``enhance`` (gives images), ``classify`` (gives values), ``physics`` (gives values and planes).
    factory : str
        ``module:attribute`` of a callable ``(manifest, options) -> Stage``.
    summary : str
        One line for ``lensproc plugins list``.
    version : str
        Version of the stage itself; raise it when its pixels change.
    api : int
        The `lensproc.contract.API` it was written for.
    sees : str
        Which image of the chain it gets: ``original``, ``previous``, or ``both`` (`Batch.images` is then the
        previous one and `Batch.original` the original).
    bands : int or tuple of str
        Number or names of the bands it takes as channels; several bands of one object arrive together.
    training : str or None
        ``module:attribute`` of a callable giving a ``TrainingTask``.
    citation : str
        Paper of the method, as ``Author et al. 2020, ApJ 1, 2``.
    options : tuple of Option
        What the user can set.
    requires, provides : tuple of str
        Named products of earlier stages that it needs, and that it gives (planes, tables or values).
    scale : int or tuple of int
        Output pixels per input pixel: one number, or the choices of its option ``scale``.
    amplitude : str
        What its output keeps: ``surface brightness`` (values, as an interpolation does) or ``flux`` (sums).
        The core converts to the unit of the cutout.
    normalisation : str
        What the core does before and undoes after: ``none``; ``noise`` ((x - sky)/σ); ``peak`` (x / peak);
        ``range`` ((x - min)/(max - min)). Always per cutout.
    output_psf : str, float or tuple of tuple of float
        PSF of the output on the sky: ``same`` as the input's; a number: Gaussian-like with that fraction of the
        input's FWHM (0: fully deconvolved, each output pixel a point); or a kernel in output pixels.
    minimum_size, multiple_of : int
        Smallest side it takes, and what sides must be a multiple of [px]; the core pads and crops.
    halo : int or str
        Reach of one output pixel [input px], by which the core overlaps tiles; ``global``: never tiled.
    dtypes : tuple of str
        What it may run in: ``float32``, ``bfloat16``.
    generative : bool
        True where it may draw structure that is not in the input (LPSYNTH).
    tolerance : Tolerance
        Declared accuracy, checked by `lensproc.testing`.
    weights : tuple of DataFile
        Files it loads.
    calibration : DataFile or None
        Made by ``lensproc calibrate``.
    family : str
        Where the manifest stands for many stages of one make, ``timm:resnet34`` and ``timm:mobilenetv3_large_100``
        of ``timm``: the option (a ``str``) that takes what follows the colon. Empty for a stage that is one.
    sky : bool
        True where it wants to know where the image lies on the sky (`Item.sky`), which takes a WCS per cutout.
    """

    id: str
    kind: Kind
    factory: str
    summary: str
    version: str = "1"
    api: int = 1
    sees: Sees = "previous"
    bands: int | tuple[str, ...] = 1
    training: str | None = None
    citation: str = ""
    options: tuple[Option, ...] = ()
    requires: tuple[str, ...] = ()
    provides: tuple[str, ...] = ()
    scale: int | tuple[int, ...] = 1
    amplitude: Literal["flux", "surface brightness"] = "surface brightness"
    normalisation: Normalisation = "none"
    output_psf: str | float | tuple[tuple[float, ...], ...] = "same"
    minimum_size: int = 1
    multiple_of: int = 1
    halo: int | Literal["global"] = "global"
    dtypes: tuple[str, ...] = ("float32",)
    generative: bool = False
    tolerance: Tolerance = field(default_factory=Tolerance)
    weights: tuple[DataFile, ...] = ()
    calibration: DataFile | None = None
    family: str = ""
    sky: bool = False

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[a-z0-9][a-z0-9.:_-]*", self.id):
            raise PluginError(f"stage id {self.id!r} must be lower-case letters, digits, . : _ or -")
        if self.kind not in ("enhance", "classify", "physics"):
            raise PluginError(f"stage {self.id}: kind {self.kind!r} is not enhance, classify or physics")
        if self.sees not in ("original", "previous", "both"):
            raise PluginError(f"stage {self.id}: sees {self.sees!r} is not original, previous or both")
        if self.factory.count(":") != 1:
            raise PluginError(f"stage {self.id}: factory {self.factory!r} is not module:attribute")
        if isinstance(self.output_psf, str) and self.output_psf != "same":
            raise PluginError(
                f"stage {self.id}: output_psf {self.output_psf!r} is not 'same', number or kernel"
            )
        if isinstance(self.scale, tuple) and "scale" not in {o.name for o in self.options}:
            raise PluginError(f"stage {self.id}: several scales need an option named 'scale'")
        if self.family and self.family not in {o.name for o in self.options if o.type == "str"}:
            raise PluginError(f"stage {self.id}: a family needs a str option named {self.family!r}")

    def member(self, name: str) -> Manifest:
        """Manifest of one stage of a family.

        Parameters
        ----------
        name : str
            What follows the colon of its id; the default of the option that `family` names.
        """
        options = tuple(
            dataclasses.replace(option, default=name, choices=(name,))
            if option.name == self.family
            else option
            for option in self.options
        )
        return dataclasses.replace(self, id=f"{self.id}:{name}", options=options, family="")

    @property
    def defaults(self) -> dict[str, OptionValue]:
        """Every option at its default, by name."""
        return {option.name: option.default for option in self.options}

    @property
    def n_bands(self) -> int:
        """Number of bands that arrive as channels."""
        return self.bands if isinstance(self.bands, int) else len(self.bands)

    def resolve_options(self, given: Mapping[str, object]) -> dict[str, OptionValue]:
        """Return all options, those in `given` parsed and checked.

        Raises
        ------
        UsageError
            For an unknown name (the known ones are listed) or a value that does not fit.
        """
        known = {option.name: option for option in self.options}
        for name in given:
            if name not in known:
                have = ", ".join(known) or "none"
                raise UsageError(f"stage {self.id} has no option {name!r}", remedy=f"it has: {have}")
        resolved = self.defaults
        for name, value in given.items():
            resolved[name] = known[name].parse(value, self.id)
        self.scale_for(resolved)
        return resolved

    def scale_for(self, options: Mapping[str, OptionValue]) -> int:
        """Output pixels per input pixel under `options`."""
        if isinstance(self.scale, int):
            return self.scale
        scale = int(options.get("scale", self.scale[0]))
        if scale not in self.scale:
            allowed = ", ".join(map(str, self.scale))
            raise UsageError(f"{self.id}.scale={scale} is not one of {allowed}")
        return scale

    def to_json(self) -> dict[str, Any]:
        """Return a dictionary of JSON types."""
        return dataclasses.asdict(self)

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> Manifest:
        """Rebuild a manifest from `to_json`, also after a round trip through a JSON text."""
        fields: dict[str, Any] = dict(record)
        fields["options"] = tuple(
            Option(**{**option, "choices": tuple(option["choices"])}) for option in record["options"]
        )
        fields["weights"] = tuple(DataFile(**entry) for entry in record["weights"])
        if record["calibration"] is not None:
            fields["calibration"] = DataFile(**record["calibration"])
        fields["tolerance"] = Tolerance(**record["tolerance"])
        for name in ("requires", "provides", "dtypes"):
            fields[name] = tuple(record[name])
        for name in ("bands", "scale"):
            if isinstance(record[name], list):
                fields[name] = tuple(record[name])
        if isinstance(record["output_psf"], list):
            fields["output_psf"] = tuple(tuple(row) for row in record["output_psf"])
        return cls(**fields)
