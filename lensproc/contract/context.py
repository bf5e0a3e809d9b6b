"""What observers are told of a run: its setting, each file, and the sum."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field

from lensproc.enhanced import Value


@dataclass(frozen=True)
class RunContext:
    """The setting of a run.

    Parameters
    ----------
    output : str
        Output folder as given.
    stages : tuple of str
        Stage ids in order.
    config_sha256 : str
        SHA-256 of the configuration.
    n_files : int
        Number of input files.
    """

    output: str
    stages: tuple[str, ...]
    config_sha256: str
    n_files: int


@dataclass(frozen=True)
class CutoutResult:
    """What became of one cutout of a file: a row of the catalogue.

    Parameters
    ----------
    hdu : str
        Image in the file, as ``SCI`` or ``0[3]``.
    band : str
        Filter name; empty where unknown.
    status : str
        ``OK``, ``PARTIAL`` (a stage that gives no image failed) or ``FAILED``.
    output : str
        Base name of the output; empty where none was written.
    message : str
        Reason of a failure, of one stage where the status is PARTIAL, or what had to be assumed.
    lacking : tuple of str
        Reasons of the stages that failed, where the status is PARTIAL; not kept in the ledger.
    row : mapping of str to Value
        Columns of the catalogue.
    """

    hdu: str
    band: str = ""
    status: str = "OK"
    output: str = ""
    message: str = ""
    row: Mapping[str, Value] = field(default_factory=dict)
    lacking: tuple[str, ...] = ()


@dataclass(frozen=True)
class FileResult:
    """What became of one file: a line of the ledger.

    Parameters
    ----------
    file : str
        Input path as given.
    status : str
        ``OK``, ``PARTIAL`` (something of it failed), ``FAILED`` (nothing came out) or ``SKIPPED`` (was done).
    sha256 : str
        SHA-256 of the file; empty where it could not be read.
    message : str
        Reason where the file as a whole failed.
    seconds : float
        Time spent on it: reading, its share of the chain and the checks, writing.
    cutouts : tuple of CutoutResult
        One per band.
    """

    file: str
    status: str
    sha256: str = ""
    message: str = ""
    seconds: float = 0.0
    cutouts: tuple[CutoutResult, ...] = ()

    @property
    def reasons(self) -> tuple[str, ...]:
        """One line per failure."""
        lines = [self.message] if self.status == "FAILED" and self.message else []
        return tuple(lines + [c.message for c in self.cutouts if c.status == "FAILED"])

    @property
    def incomplete(self) -> tuple[str, ...]:
        """One line per stage that failed on a cutout which came out all the same."""
        name = os.path.basename(self.file)
        return tuple(f"{name}: {reason}" for cutout in self.cutouts for reason in cutout.lacking)


@dataclass(frozen=True)
class RunSummary:
    """The sum of a run.

    Parameters
    ----------
    done, failed, skipped : int
        Files that came out, files of which something failed, and files found done already.
    flagged : int
        Cutouts whose checks say FAIL (also in skipped files).
    incomplete : int
        Cutouts that lack the result of one of their stages (also in skipped files): LPSTATUS = PARTIAL.
    seconds : float
        Wall time.
    interrupted : bool
        True after Ctrl-C.
    stopped : str
        Why the run could not go on (a full disk, say); empty where it did.
    failures : tuple of FileResult
        Files of which something failed.
    classes : mapping of str to int
        Cutouts (also in skipped files) by the class that a classifier gave them in LPCLASS, ``undecided`` among
        them; empty without a classifier.
    """

    done: int
    failed: int
    skipped: int
    flagged: int
    seconds: float
    interrupted: bool = False
    stopped: str = ""
    failures: tuple[FileResult, ...] = ()
    classes: Mapping[str, int] = field(default_factory=dict)
    incomplete: int = 0
