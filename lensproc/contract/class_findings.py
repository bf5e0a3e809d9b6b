"""An answer as header values and as the table ``CLASS``."""

from __future__ import annotations

import numpy as np

from lensproc.enhanced import Rows, Value
from lensproc.nn.classifying.answer import UNLIKE, Answers
from lensproc.nn.classifying.classes import UNDECIDED

KEYWORDS = {"no": "NO", "sphere": "SPH", "vortex": "VOR"}
"""End of the keyword of each class's probability: LPPNO, and LPEPNO for the enhanced image."""
ANOMALY = "substructure"
"""Class whose probability is LPANOM where kinds of substructure are not told apart."""
NOTHING = "empty"
"""LPCONSET of a set without a class."""
MEANING = {
    "no": "probability of no substructure",
    "sphere": "probability of subhalos",
    "vortex": "probability of a vortex",
    ANOMALY: "probability of substructure",
}


def values_of(
    answers: Answers, enhanced: Answers | None, index: int, classes: tuple[str, ...]
) -> dict[str, Value]:
    """Header values of one image.

    Parameters
    ----------
    answers, enhanced : Answers
        Of the original images, and of the enhanced ones or None.
    index : int
        Which of them.
    classes : tuple of str
        What their probabilities are of.
    """
    inside = [name for name, member in zip(classes, answers.in_set[index], strict=True) if member]
    said = _class(answers, index, classes)
    values = {
        "LPCLASS": Value(said, description=f"kind of substructure, or {UNDECIDED}"),
        **_probabilities(answers, index, classes, ""),
        "LPENTROP": Value(
            float(answers.entropy[index]), unit="bit", description="entropy of the probabilities"
        ),
        "LPCONSET": Value("+".join(inside) or NOTHING, description="classes left at 90 % confidence"),
        "LPAGREE": Value(float(answers.agreement[index]), description="part of the turned views that agree"),
        "LPOOD": Value(
            float(answers.likeness[index]), description=f"p of being like the training; <{UNLIKE:g}: unlike"
        ),
    }
    if enhanced is None:
        return values
    also = _class(enhanced, index, classes)
    return {
        **values,
        "LPECLASS": Value(also, description="LPCLASS of the enhanced image"),
        **_probabilities(enhanced, index, classes, "E"),
        "LPEOOD": Value(float(enhanced.likeness[index]), description="LPOOD of the enhanced image"),
        "LPEAGREE": Value(bool(also == said), description="LPECLASS says the same as LPCLASS"),
    }


def _class(answers: Answers, index: int, classes: tuple[str, ...]) -> str:
    number = int(answers.decided[index])
    return UNDECIDED if number < 0 else classes[number]


def _probabilities(answers: Answers, index: int, classes: tuple[str, ...], mark: str) -> dict[str, Value]:
    """Values of the probabilities; `mark` is E for the enhanced image."""
    behind = " (enhanced)" if mark else ""
    found = {}
    for name, probability in zip(classes, answers.probabilities[index], strict=True):
        if ANOMALY not in classes:
            found[f"LP{mark}P{KEYWORDS[name]}"] = Value(
                float(probability), description=MEANING[name] + behind
            )
        elif name == ANOMALY:
            found[f"LP{mark}ANOM"] = Value(float(probability), description=MEANING[name] + behind)
    return found


def table_of(answers: Answers, enhanced: Answers | None, index: int, classes: tuple[str, ...]) -> Rows:
    """Table ``CLASS`` of one image: a row per class. Parameters as for `values_of`."""
    columns = {
        "CLASS": np.array(classes),
        "PROB": answers.probabilities[index],
        "PROBSTD": answers.scatter[index],
        "INSET": answers.in_set[index],
        "LOGIT": answers.logits[index],
    }
    descriptions = {
        "CLASS": "class",
        "PROB": "probability, mean of the views",
        "PROBSTD": "its scatter over the views",
        "INSET": "left at 90 % confidence",
        "LOGIT": "mean of the views' calibrated logits",
    }
    if enhanced is not None:
        columns["EPROB"] = enhanced.probabilities[index]
        descriptions["EPROB"] = "probability in the enhanced image"
    return Rows(columns, {}, descriptions)
