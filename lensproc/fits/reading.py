"""One file while it is read: from HDUs and a dialect's account of them to cutouts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lensproc.cutout import PSF, Cutout, DistortionTable, Resolved, Source
from lensproc.errors import InputError, LensprocError
from lensproc.fits import psf as psf_sources
from lensproc.fits.arrays import as_float32, as_mask, as_variance, linear, physical
from lensproc.fits.bands import Chosen, choose, hdu_name, refuse_without_image
from lensproc.fits.center import resolve_center
from lensproc.fits.dialects import Dialect, Planes, builtin_dialects, choose_dialect
from lensproc.fits.headers import merged, number, two_axes
from lensproc.fits.opening import Opened, collected_warnings
from lensproc.fits.options import ReadOptions
from lensproc.fits.psf_stars import measure_psf
from lensproc.fits.resolve import resolve_scale, resolve_unit, resolve_zeropoint, wcs_warnings
from lensproc.fits.serialise import datasum

if TYPE_CHECKING:
    from astropy.io.fits import Header

    from lensproc.enhanced import Activity

DISTORTION_TABLES = ("WCSDVARR", "D2IMARR")
"""EXTNAMEs of look-up tables (Calabretta et al. 2004, draft paper IV; DrizzlePac's naming)."""


class Reading:
    """One file while it is read.

    Parameters
    ----------
    opened : Opened
        The file.
    options : ReadOptions
        What the user says of it.
    file : str
        Its name, for messages and for `Source`.
    """

    def __init__(self, opened: Opened, options: ReadOptions, file: str) -> None:
        self.opened = opened
        self.options = options
        self.file = file
        self.headers = opened.headers

    def cutouts(self, dialects: Sequence[Dialect] | None) -> list[Cutout]:
        """Return the cutouts of the file; a band without a measurement costs that band.

        Raises
        ------
        InputError
            Where no band can be used, with the reason of the first.
        """
        from astropy.io.fits import VerifyError

        try:
            return self._cutouts(builtin_dialects() if dialects is None else dialects)
        except VerifyError as error:
            what = " ".join(str(error).split()).removesuffix("fix it first with .verify('fix').").rstrip(", ")
            raise InputError(
                f"a header is damaged: {what}", file=self.file, remedy="fetch the file again"
            ) from None

    def _cutouts(self, readers: Sequence[Dialect]) -> list[Cutout]:
        refuse_without_image(self.headers, self.file)
        with collected_warnings():  # about cards that nobody asked for; those that matter are checked below
            dialect = choose_dialect(self.headers, readers, self.file)
            found = self._ask(dialect)
            chosen, warnings = choose(self.headers, found, self.options, dialect.name, self.file)
            history = self._history()
        synthetic = bool(history) and self.headers[0].get("LPSYNTH") is True
        used = {i for planes in found for i in _hdus(planes)}
        result: list[Cutout] = []
        refused: list[InputError] = []
        for item in chosen:
            try:
                result.append(self._cutout(item, dialect, used))
            except InputError as error:
                refused.append(error)
        if not result:
            raise refused[0]
        shared = (*self.opened.warnings, *warnings, *(f"not read: {error.what}" for error in refused))
        return [
            cutout.replace(warnings=(*shared, *cutout.warnings), history=history, synthetic=synthetic)
            for cutout in result
        ]

    def _ask(self, dialect: Dialect) -> Sequence[Planes]:
        try:
            return dialect.read(self.headers)
        except LensprocError as error:
            raise error.about(self.file) from error
        except Exception as error:  # a stranger's code: name it
            raise InputError(
                f"dialect {dialect.name} failed: {type(error).__name__}: {error}", file=self.file
            ) from error

    def _history(self) -> tuple[Activity, ...]:
        if "LPSCHEMA" not in self.headers[0]:
            return ()
        from lensproc.fits.provenance import activities_of

        return activities_of(self.opened.hdus)

    def _cutout(self, item: Chosen, dialect: Dialect, used: set[int]) -> Cutout:
        planes, options = item.planes, self.options
        with collected_warnings():
            values = self._image(planes.science, planes.plane)
            data = as_float32(values)
            _refuse_empty(values, data, item.hdu, self.file)
            variance, mask, notes = self._companions(item, data.shape)
            header = self._header(planes)
        scale, warnings = resolve_scale(header, options)
        unit, amplitude, physical_zeropoint, more = resolve_unit(
            header, options, planes.defaults, dialect.name
        )
        zeropoint, words = resolve_zeropoint(
            header, options, physical_zeropoint, planes.defaults, dialect.name, unit.value, self._nanojansky()
        )
        bits = dict(planes.mask_bits)
        if not bits and mask.any():
            bits = {f"BIT{i}": i for i in range(32) if (mask & np.uint32(1 << i)).any()}
        cutout = Cutout(
            data=data,
            variance=variance,
            mask=mask,
            header=header,
            source=Source(
                self.file, item.hdu, self.opened.sha256, dialect.name, self._datasum(planes.science)
            ),
            mask_bits=bits,
            bad_bits=planes.bad_bits,
            unit=unit,
            amplitude=amplitude,
            zeropoint=zeropoint,
            pixel_scale=scale,
            band=item.band,
            distortion=self._distortion(header),
            dropped=(*planes.dropped, *self._dropped(used)),
            warnings=(*warnings, *wcs_warnings(header), *more, *words, *planes.warnings, *notes),
        )
        bad = cutout.bad
        if bad.all():
            raise InputError(f"{item.hdu}: every pixel is masked, or without a value", file=self.file)
        psf = self._psf(planes, header, scale.value, dialect.name, data, bad)
        center = resolve_center(options.lens_center, header, data, bad, psf)
        return cutout.replace(psf=psf, lens_center=center)

    def _image(self, i: int, plane: int | None) -> NDArray[Any]:
        """Pixels of an HDU, or of one plane of it, in physical values."""
        header = self.headers[i]
        return linear(physical(self._stored(i, plane), header), header)

    def _stored(self, i: int, plane: int | None) -> NDArray[Any]:
        try:
            stored: NDArray[Any] = np.asarray(self.opened.hdus[i].data)
        except Exception as error:  # tile decompression raises a wide range of types on damaged data
            raise InputError(
                f"the data of HDU {i} cannot be read: {' '.join(str(error).split())}",
                file=self.file,
                remedy="fetch the file again",
            ) from error
        stack = stored.reshape(-1, *stored.shape[-2:])
        k = 0 if plane is None or len(stack) == 1 else plane
        if k >= len(stack):
            raise InputError(f"HDU {i} has {len(stack)} planes, the image has more", file=self.file)
        result: NDArray[Any] = stack[k]
        return result

    def _companions(
        self, item: Chosen, shape: tuple[int, ...]
    ) -> tuple[NDArray[np.float32] | None, NDArray[np.uint32], list[str]]:
        """Variance and mask of an image, with what had to be read over."""
        planes, notes = item.planes, []
        variance = None
        if planes.variance is not None:
            name = hdu_name(self.headers, planes.variance)
            errors = self._image(planes.variance, planes.plane)
            if errors.shape != shape:
                notes.append(f"{name} has shape {errors.shape}, the image {shape}: its errors are not used")
            else:
                variance = as_variance(errors, planes.variance_kind, planes.no_data)
                if variance is None:
                    notes.append(f"{name} gives no pixel an error: errors are not known")
        mask = np.zeros(shape, np.uint32)
        if planes.mask is not None:
            name = hdu_name(self.headers, planes.mask)
            stored = self._stored(planes.mask, planes.plane)
            if stored.shape != shape:
                notes.append(f"{name} has shape {stored.shape}, the image {shape}: the mask is not used")
            else:
                mask = as_mask(stored, self.headers[planes.mask])
        return variance, mask, notes

    def _header(self, planes: Planes) -> Header:
        header = self.headers[planes.science]
        if planes.science and planes.inherit and not self.headers.facts[0].is_image:
            header = merged(header, self.headers[0])
        return two_axes(header) if len(self.headers.facts[planes.science].shape) > 2 else header

    def _datasum(self, i: int) -> str:
        start, stop = self.opened.spans[i]
        return str(datasum(self.opened.content[start:stop]))

    def _psf(
        self,
        planes: Planes,
        header: Header,
        scale: float | None,
        dialect: str,
        data: NDArray[np.float32],
        bad: NDArray[np.bool_],
    ) -> Resolved[PSF]:
        if self.options.psf is not None:
            return psf_sources.from_option(self.options.psf, scale, self.file)
        if planes.psf is not None:
            with collected_warnings():
                image = self._image(planes.psf, planes.plane)
            found = psf_sources.from_extension(
                image, self.headers[planes.psf], hdu_name(self.headers, planes.psf), scale
            )
            if found:
                return found
        usual = psf_sources.typical(planes.defaults.psf_fwhm, scale, dialect)
        return (
            psf_sources.width_card(header, scale)
            or measure_psf(
                data, bad, self.options.lens_center, scale, usual.value.fwhm if usual.value else None
            )
            or usual
        )

    def _nanojansky(self) -> float | None:
        """Flux density of one count [nJy] from the PhotoCalib table that the LSST pipelines write."""
        for i, fact in enumerate(self.headers.facts):
            if fact.name == "PHOTOCALIB" and fact.shape[:1] == (1,):
                table = self.opened.hdus[i].data
                if "calibrationMean" in table.names:
                    mean = float(table["calibrationMean"][0])
                    return mean if mean > 0 else None
        return None

    def _distortion(self, header: Header) -> tuple[DistortionTable, ...]:
        """Look-up tables that the header refers to: CPDISn means WCSDVARR, D2IMDISn or AXISCORR means D2IMARR."""
        wanted = {
            "WCSDVARR": any(key in header for key in ("CPDIS1", "CPDIS2")),
            "D2IMARR": any(key in header for key in ("D2IMDIS1", "D2IMDIS2", "AXISCORR", "D2IMEXT")),
        }
        records = {"WCSDVARR": "DP", "D2IMARR": "D2IM"}
        tables = []
        for i, fact in enumerate(self.headers.facts):
            name, version = fact.name, fact.version
            if name not in DISTORTION_TABLES or not wanted[name] or not fact.has_pixels:
                continue
            named = {number(header, f"{records[name]}{axis}.EXTVER") for axis in (1, 2)} - {None}
            if named and version not in named:
                continue
            values = np.ascontiguousarray(self._image(i, None), np.float32)
            tables.append(DistortionTable(name, version, self.headers[i], values))
        return tuple(tables)

    def _dropped(self, used: set[int]) -> list[str]:
        """Name every HDU that nothing was taken from."""
        words: dict[str, int] = {}
        for i, fact in enumerate(self.headers.facts):
            name = fact.name
            if i in used or name in (*DISTORTION_TABLES, "LENSPROC") or (i == 0 and not fact.is_image):
                continue
            what = {"IMAGE": "image", "BINTABLE": "table", "TABLE": "table"}.get(fact.kind, fact.kind)
            if name == "ASDF":
                what = "its gWCS would not hold on the new grid"
            words.setdefault(f"{hdu_name(self.headers, i)} ({what})", i)
        return list(words)


def _hdus(planes: Planes) -> set[int]:
    named = (planes.science, planes.variance, planes.mask, planes.psf, *planes.used)
    return {i for i in named if i is not None}


SMALLEST = 3
"""Shorter side of the smallest image that can be enhanced [px]."""


def _refuse_empty(values: NDArray[Any], data: NDArray[np.float32], hdu: str, file: str) -> None:
    """Refuse an image in which nothing was measured."""
    ny, nx = data.shape
    if min(ny, nx) < SMALLEST:
        raise InputError(f"{hdu} is {nx} x {ny} px: too small to be enhanced", file=file)
    finite = np.isfinite(data)
    measured = finite & (data != 0)
    if not measured.any() and (np.isfinite(values) & (values != 0)).any():
        largest = float(np.abs(values[np.isfinite(values)]).max())
        raise InputError(
            f"{hdu} has values of {largest:.1e}, which no 32-bit number holds",
            file=file,
            remedy="multiply the pixels by a constant, and change BUNIT or the zeropoint with them",
        )
    if not finite.any():
        raise InputError(
            f"{hdu} has no value: every pixel is NaN", file=file, remedy="nothing was measured here"
        )
    if not data[finite].any():
        raise InputError(f"{hdu} is zero everywhere", file=file, remedy="nothing was measured here")
