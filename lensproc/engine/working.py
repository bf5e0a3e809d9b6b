"""A cutout on its way through a chain."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lensproc.cutout import PSF, Cutout, Resolved
from lensproc.enhanced import Activity, Enhanced, Plane, Rows, Value
from lensproc.errors import LensprocError

OutputPSF = str | float | tuple[tuple[float, ...], ...]


@dataclass
class Working:
    """One cutout and what the stages so far have made of it.

    Parameters
    ----------
    original : Cutout
        As read.
    image : Cutout
        The present image; its header is still the original's.
    subject : int
        Which object it shows: several bands of one object share the number.
    scale : int
        Pixels of `image` per pixel of `original`.
    error : LensprocError or None
        Why it is given up.
    """

    original: Cutout
    image: Cutout
    subject: int = 0
    scale: int = 1
    output_psf: OutputPSF = "same"
    flux_factor: float = 1.0
    variance_factor: float = 1.0
    synthetic: bool = False
    status: str = "OK"
    activities: list[Activity] = field(default_factory=list)
    values: dict[str, Value] = field(default_factory=dict)
    tables: dict[str, Rows] = field(default_factory=dict)
    planes: dict[str, Plane] = field(default_factory=dict)
    products: dict[str, Any] = field(default_factory=dict)
    uncertainty: NDArray[np.float32] | None = None
    error: LensprocError | None = None

    @classmethod
    def start(cls, cutout: Cutout, subject: int = 0) -> Working:
        """Begin a chain with a cutout as read."""
        return cls(cutout, cutout, subject, synthetic=cutout.synthetic)

    def finish(self, config_sha256: str) -> Enhanced:
        """Put the result on its own grid: header and look-up tables resampled by rule."""
        from lensproc.fits.resample_header import resample_header, resample_tables

        resampled = resample_header(self.original.header, self.scale, shape=self.original.shape)
        image = self.image.replace(
            header=resampled.header,
            distortion=resample_tables(self.original.distortion, self.scale),
            dropped=(*self.original.dropped, *resampled.notes),
        )
        return Enhanced(
            original=self.original,
            image=image,
            scale=float(self.scale),
            config_sha256=config_sha256,
            activities=tuple(self.activities),
            output_psf=self.output_psf,
            flux_factor=self.flux_factor,
            variance_factor=self.variance_factor,
            status=self.status,
            synthetic=self.synthetic,
            values=self.values,
            tables=self.tables,
            planes=self.planes,
            uncertainty=self.uncertainty,
        )


def compose_psf(before: OutputPSF, after: OutputPSF) -> OutputPSF:
    """Join what two stages in a row declare of the output PSF into one declaration.

    ``same`` after anything changes nothing; two ratios multiply; after a kernel only ``same`` can follow, and
    anything else is declared by the last stage alone, since it knows its own output.
    """
    if after == "same":
        return before
    if before == "same" or isinstance(after, tuple) or not isinstance(before, int | float):
        return after
    return float(before) * float(after)


def scaled_geometry(image: Cutout, scale: int, psf: Resolved[PSF]) -> dict[str, Any]:
    """Fields of a cutout that change when its grid becomes `scale` times finer (pixel edges aligned)."""
    pixel_scale, center = image.pixel_scale, image.lens_center
    if pixel_scale.value is not None:
        pixel_scale = Resolved(pixel_scale.value / scale, pixel_scale.source)
    if center.value is not None:
        x, y = center.value
        center = Resolved((scale * (x + 0.5) - 0.5, scale * (y + 0.5) - 0.5), center.source)
    return {"pixel_scale": pixel_scale, "lens_center": center, "psf": psf}
