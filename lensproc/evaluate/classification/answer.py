"""What a classifier says of an image, read from what it writes: the table CLASS and the values LPOOD, LPCLASS."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lensproc.enhanced import Enhanced, Rows, Value
from lensproc.errors import PluginError
from lensproc.evaluate.classification.truth import NONE

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

TABLE = "CLASS"
SUBSTRUCTURE = "substructure"
"""Class of a lens with any substructure, where kinds are not told apart."""

UNDECIDED = "undecided"

UNLIKE = 0.01
"""An out-of-distribution p-value below this says that the image is unlike those of the training."""

SUM = 1e-3
"""Probabilities of an image may miss 1 by this."""


@dataclass(frozen=True)
class Answer:
    """What a classifier says of one image.

    Parameters
    ----------
    classes : tuple of str
        Names of the classes.
    probabilities : tuple of float
        One per class, together 1.
    in_set : tuple of bool or None
        Whether each class is in the conformal set; None where the stage gives none.
    ood : float
        p-value of being like the training images; NaN where the stage gives none.
    undecided : bool or None
        Whether it leaves the class open; None where nothing says so.
    """

    classes: tuple[str, ...]
    probabilities: tuple[float, ...]
    in_set: tuple[bool, ...] | None = None
    ood: float = math.nan
    undecided: bool | None = None


def failure_of(enhanced: Enhanced, stage: str) -> str | None:
    """Why a stage failed on an image; None where it did not."""
    failed = [one for one in enhanced.activities if one.id == stage and one.status == "FAILED"]
    return failed[-1].message if failed else None


def answer_of(enhanced: Enhanced, stage: str) -> Answer:
    """Read what a stage says.

    Raises
    ------
    PluginError
        Where there is no table CLASS with the columns CLASS and PROB, or its probabilities are none.
    """
    rows = enhanced.tables.get(TABLE)
    if rows is None or not {"CLASS", "PROB"} <= set(rows.columns):
        raise PluginError(
            f"stage {stage} writes no table {TABLE} with the columns CLASS and PROB, which are what is scored"
        )
    classes = tuple(_word(name) for name in rows.columns["CLASS"])
    probabilities = np.asarray(rows.columns["PROB"], np.float64)
    if (
        len(set(classes)) != len(classes)
        or len(classes) < 2
        or not np.isfinite(probabilities).all()
        or (probabilities < 0.0).any()
        or abs(float(probabilities.sum()) - 1.0) > SUM
    ):
        told = ", ".join(f"{name} {value:.4g}" for name, value in zip(classes, probabilities, strict=True))
        raise PluginError(f"stage {stage}: no probabilities of two or more classes, together 1: {told}")
    in_set = _in_set(rows)
    ood = _number(enhanced.values.get("LPOOD"))
    return Answer(
        classes, tuple(map(float, probabilities)), in_set, ood, _undecided(enhanced.values, in_set, ood)
    )


def _word(name: object) -> str:
    return (name.decode() if isinstance(name, bytes) else str(name)).strip()


def _in_set(rows: Rows) -> tuple[bool, ...] | None:
    return tuple(bool(one) for one in rows.columns["INSET"]) if "INSET" in rows.columns else None


def _number(value: Value | None) -> float:
    return math.nan if value is None or value.value is None else float(value.value)


def _undecided(values: Mapping[str, Value], in_set: tuple[bool, ...] | None, ood: float) -> bool | None:
    """Ask LPCLASS; without it undecided is a set of none or several classes, or an image unlike the training."""
    named = values.get("LPCLASS")
    if named is not None and isinstance(named.value, str):
        return named.value.strip() == UNDECIDED
    if in_set is None:
        return None
    return sum(in_set) != 1 or ood < UNLIKE


@dataclass(frozen=True)
class Answers:
    """What a classifier says of n images, in arrays.

    Parameters
    ----------
    classes : tuple of str, length K
        Names of the classes.
    probabilities : ndarray, shape (n, K)
        Rows sum to 1.
    label : ndarray, shape (n,), int
        Number of the true class.
    in_set : ndarray of bool, shape (n, K), or None
        Conformal sets.
    ood : ndarray, shape (n,)
        p-values, NaN where there is none.
    undecided : ndarray of bool, shape (n,), or None
        Which images are left open.
    """

    classes: tuple[str, ...]
    probabilities: Array
    label: NDArray[np.int64]
    in_set: Mask | None
    ood: Array
    undecided: Mask | None

    @property
    def predicted(self) -> NDArray[np.int64]:
        """Number of the likeliest class."""
        return np.asarray(self.probabilities.argmax(axis=1), np.int64)

    @property
    def merged(self) -> tuple[Mask, Array] | None:
        """Which images have any substructure, and the probability of that; None without a class ``no``."""
        if NONE not in self.classes:
            return None
        none = self.classes.index(NONE)
        return self.label != none, 1.0 - self.probabilities[:, none]


def gather(answers: Sequence[Answer], truth: Sequence[str], stage: str) -> Answers:
    """Join the answers of a stage.

    Parameters
    ----------
    answers : sequence of Answer
        Of all images.
    truth : sequence of str
        True classes.
    stage : str
        For messages.

    Returns
    -------
    Answers
        In the stage's own classes where they hold all true ones; else merged to ``no`` and ``substructure``.

    Raises
    ------
    PluginError
        Where the classes change from image to image, or are neither.
    """
    classes = answers[0].classes
    if any(one.classes != classes for one in answers):
        raise PluginError(f"stage {stage} does not name the same classes for every image")
    probabilities = np.array([one.probabilities for one in answers], np.float64)
    known = [one.in_set for one in answers if one.in_set is not None]
    in_set = np.array(known, bool) if len(known) == len(answers) else None
    names = list(truth)
    if not set(names) <= set(classes):
        if NONE not in classes:
            have = ", ".join(dict.fromkeys(names))
            raise PluginError(
                f"stage {stage} names the classes {', '.join(classes)}; the set has {have}",
                remedy=f"a stage names those of the set, or {NONE} and {SUBSTRUCTURE}",
            )
        none = classes.index(NONE)
        rest = [i for i in range(len(classes)) if i != none]
        probabilities = np.stack([probabilities[:, none], probabilities[:, rest].sum(axis=1)], axis=1)
        if in_set is not None:
            in_set = np.stack([in_set[:, none], in_set[:, rest].any(axis=1)], axis=1)
        names = [NONE if name == NONE else SUBSTRUCTURE for name in names]
        classes = (NONE, SUBSTRUCTURE)
    open_ones = [one.undecided for one in answers if one.undecided is not None]
    return Answers(
        classes,
        probabilities,
        np.array([classes.index(name) for name in names], np.int64),
        in_set,
        np.array([one.ood for one in answers], np.float64),
        np.array(open_ones, bool) if len(open_ones) == len(answers) else None,
    )
