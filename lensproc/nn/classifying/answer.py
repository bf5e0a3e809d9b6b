"""From a network's outputs to an answer: probabilities, the 90 % set, and how unlike the training an image is.

Pure functions on arrays. N images, V views of each, K classes.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

COVERAGE = 0.9
"""Part of the images whose true class is to be in their set."""
UNLIKE = 0.01
"""Out-of-distribution p-value below which no class is named."""


@dataclass(frozen=True)
class Answers:
    """What a classifier says of N images.

    Parameters
    ----------
    probabilities : ndarray, shape (N, K)
        Averaged over the views; each row sums to 1.
    scatter : ndarray, shape (N, K)
        Their standard deviation over the views.
    logits : ndarray, shape (N, K)
        Mean over the views, over the temperature.
    in_set : ndarray of bool, shape (N, K)
        Whether a class is in the 90 % set.
    agreement : ndarray, shape (N,)
        Part of the views whose likeliest class is the one of the average.
    likeness : ndarray, shape (N,)
        p-value of being like the training images; small for one that is not.
    """

    probabilities: Array
    scatter: Array
    logits: Array
    in_set: NDArray[np.bool_]
    agreement: Array
    likeness: Array

    @property
    def entropy(self) -> Array:
        """Of the probabilities [bit], shape (N,): 0 for a certain answer, log₂ K for none at all."""
        safe = np.where(self.probabilities > 0.0, self.probabilities, 1.0)
        return np.asarray(-(self.probabilities * np.log2(safe)).sum(axis=1) + 0.0)

    @property
    def decided(self) -> NDArray[np.int64]:
        """Number of the class that is named, -1 where none is, shape (N,).

        None is named where the 90 % set holds another number of classes than one, or the image is unlike those of
        the training.
        """
        sure = (self.in_set.sum(axis=1) == 1) & (self.likeness >= UNLIKE)
        return np.where(sure, self.in_set.argmax(axis=1), -1)


def probabilities_of(logits: Array, temperature: float) -> Array:
    """Softmax over the last axis of logits divided by a temperature, of the same shape."""
    scaled = logits / temperature
    powers = np.exp(scaled - scaled.max(axis=-1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=-1, keepdims=True))


def negative_log_likelihood(logits: Array, labels: NDArray[np.integer[Any]], temperature: float) -> float:
    """Mean of −ln of the true class's probability, averaged over the views.

    Parameters
    ----------
    logits : ndarray, shape (N, V, K)
        Of the views.
    labels : ndarray, shape (N,)
        Numbers of the true classes.
    temperature : float
        What logits are divided by.
    """
    scaled = logits / temperature
    scaled = scaled - scaled.max(axis=-1, keepdims=True)
    true = scaled[np.arange(len(labels)), :, labels] - np.log(np.exp(scaled).sum(axis=-1))
    highest = true.max(axis=1, keepdims=True)
    return float(-(highest[:, 0] + np.log(np.exp(true - highest).mean(axis=1))).mean())


def conformal_threshold(scores: Array, coverage: float) -> float:
    """Return the ⌈coverage (n + 1)⌉-th smallest of n scores; 1 where there are too few for it.

    Parameters
    ----------
    scores : ndarray, shape (n,)
        1 − probability of the true class, for images that fitted nothing.
    coverage : float
        Least part of new images whose true class is to be in the set.

    Notes
    -----
    Angelopoulos & Bates 2021, arXiv:2107.07511, eq. 1, with its correction for a finite n. A threshold of 1 lets
    every class in.
    """
    rank = math.ceil(coverage * (scores.size + 1))
    return 1.0 if rank > scores.size else float(np.partition(scores, rank - 1)[rank - 1])


def p_values(distances: Array, reference: Array) -> Array:
    """Part of the reference images, with the image itself, that are as far out as it is.

    Parameters
    ----------
    distances : ndarray, shape (N,)
        Of the images.
    reference : ndarray, shape (n,)
        Ascending distances of images of the training's kind.

    Returns
    -------
    ndarray, shape (N,)
        From 1/(n + 1) to 1; for images of that kind no more than a part α has p ≤ α.
    """
    farther = reference.size - np.searchsorted(reference, distances, side="left")
    return np.asarray((farther + 1.0) / (reference.size + 1.0))


def answers_of(
    logits: Array, distances: Array, temperature: float, threshold: float, reference: Array
) -> Answers:
    """Join what a network says of the views of each image; NaN for one of which any logit is not finite.

    Parameters
    ----------
    logits : ndarray, shape (N, V, K)
        As the network gives them.
    distances : ndarray, shape (N,)
        To the nearest class.
    temperature, threshold, reference : float, float, ndarray of shape (n,)
        What was fitted.
    """
    finite = np.isfinite(logits).all(axis=(1, 2), keepdims=True)
    logits = np.where(finite, logits, np.nan)
    each = probabilities_of(logits, temperature)
    mean = each.mean(axis=1)
    mean /= mean.sum(axis=1, keepdims=True)
    same = each.argmax(axis=2) == mean.argmax(axis=1)[:, None]
    return Answers(
        probabilities=mean,
        scatter=each.std(axis=1),
        logits=logits.mean(axis=1) / temperature,
        in_set=1.0 - mean <= threshold,
        agreement=same.mean(axis=1),
        likeness=p_values(distances, reference),
    )
