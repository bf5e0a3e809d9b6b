"""Quality checks that plugins register: collected once, each run in its own try, none able to change anything."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lensproc.contract.output_rules import KEYWORD
from lensproc.contract.registry import PluginRecord, Registry
from lensproc.cutout import Cutout
from lensproc.enhanced import Enhanced, Value
from lensproc.errors import PluginError

FIXED = {
    "SIMPLE",
    "BITPIX",
    "NAXIS",
    "EXTEND",
    "COMMENT",
    "HISTORY",
    "CONTINUE",
    "END",
    "CHECKSUM",
    "DATASUM",
}
"""Keywords of PRIMARY that belong to FITS itself."""


@dataclass(frozen=True)
class RegisteredCheck:
    """A check that a plugin handed over.

    Parameters
    ----------
    name : str
        As registered.
    package : str
        ``distribution==version`` of the plugin.
    check : callable
        `Enhanced` to mapping of header keyword to `Value`.
    """

    name: str
    package: str
    check: Callable[[Enhanced], Mapping[str, Value]]


@dataclass(frozen=True)
class RegisteredChecks:
    """All checks of the plugins of one registry.

    Parameters
    ----------
    checks : tuple of RegisteredCheck
        In the order of the plugins' entry points.
    troubles : tuple of str
        One line per plugin whose hook raised.
    """

    checks: tuple[RegisteredCheck, ...] = ()
    troubles: tuple[str, ...] = ()

    def describe(self) -> dict[str, str]:
        """Return ``distribution==version`` by the name of the check."""
        return {entry.name: entry.package for entry in self.checks}


def collect_checks(registry: Registry) -> RegisteredChecks:
    """Ask every plugin for its checks.

    Notes
    -----
    A plugin whose hook raises is BROKEN from then on, as with every hook, and gives no check at all.
    """
    collected: dict[str, list[RegisteredCheck]] = {}

    def arguments(record: PluginRecord) -> dict[str, Any]:
        mine = collected.setdefault(record.name, [])

        def register(name: str, check: Callable[[Enhanced], Mapping[str, Value]]) -> None:
            if not callable(check):
                raise PluginError(f"check {name} is {type(check).__name__}, not a function")
            mine.append(RegisteredCheck(name, record.package, check))

        return {"register": register}

    registry.collect_from_each("lensproc_register_checks", arguments)
    asked = [record for record in registry.records if record.name in collected]
    return RegisteredChecks(
        tuple(check for record in asked if record.status == "OK" for check in collected[record.name]),
        tuple(f"{record.reason} [{record.package}]" for record in asked if record.status != "OK"),
    )


def add_findings(enhanced: Enhanced, registered: RegisteredChecks) -> tuple[Enhanced, tuple[str, ...]]:
    """Run the checks of plugins on a result that lensproc's own checks have seen.

    Parameters
    ----------
    enhanced : Enhanced
        With its quality keywords and sources.
    registered : RegisteredChecks
        Run in order; each sees the findings of those before it.

    Returns
    -------
    enhanced : Enhanced
        With the findings among its quality keywords; everything else as it was.
    troubles : tuple of str
        One line per check that raised, or gave what cannot be written: it costs that check's findings only.
    """
    troubles = list(registered.troubles)
    for entry in registered.checks:
        try:
            findings = entry.check(_read_only(enhanced))
            _refuse_wrong(findings, enhanced)
        except Exception as error:
            troubles.append(f"check {entry.name} [{entry.package}]: {type(error).__name__}: {error}")
            continue
        enhanced = replace(enhanced, qa={**enhanced.qa, **findings})
    return enhanced, tuple(troubles)


def _refuse_wrong(findings: object, enhanced: Enhanced) -> None:
    """Refuse findings that could not be written, or would stand for something else.

    Raises
    ------
    TypeError, ValueError
        Naming the keyword.
    """
    if not isinstance(findings, Mapping):
        raise TypeError(f"gave {type(findings).__name__}, expected keyword to Value")
    for keyword, finding in findings.items():
        if not isinstance(finding, Value):
            raise TypeError(f"{keyword} is {type(finding).__name__}, expected a Value")
        if not isinstance(keyword, str) or not KEYWORD.fullmatch(keyword):
            raise ValueError(f"{keyword!r} is no keyword: 1 to 8 of A-Z, 0-9, hyphen and underscore")
        if keyword.startswith(("LP", "QA")) or keyword in FIXED:
            raise ValueError(f"{keyword}: keywords in LP and QA are lensproc's, and FITS has its own")
        if keyword in enhanced.qa or keyword in enhanced.values:
            raise ValueError(f"{keyword} is given already")
        for number in (finding.value, finding.error):
            if number is not None and not isinstance(number, bool | int | float | str):
                raise TypeError(f"{keyword} holds a {type(number).__name__}, expected a number or a word")


def _read_only(enhanced: Enhanced) -> Enhanced:
    """Return the same result with arrays that cannot be written into by mistake, and copies of the headers."""
    sources = enhanced.sources
    return replace(
        enhanced,
        original=_frozen_cutout(enhanced.original),
        image=_frozen_cutout(enhanced.image),
        uncertainty=None if enhanced.uncertainty is None else _frozen(enhanced.uncertainty),
        planes={name: replace(plane, data=_frozen(plane.data)) for name, plane in enhanced.planes.items()},
        sources=None
        if sources is None
        else replace(sources, columns={name: _frozen(column) for name, column in sources.columns.items()}),
    )


def _frozen_cutout(cutout: Cutout) -> Cutout:
    variance = cutout.variance
    return cutout.replace(
        data=_frozen(cutout.data),
        variance=None if variance is None else _frozen(variance),
        mask=_frozen(cutout.mask),
        header=cutout.header.copy(),
    )


def _frozen(array: NDArray[Any]) -> NDArray[Any]:
    view = np.asarray(array).view()
    view.flags.writeable = False
    return view
