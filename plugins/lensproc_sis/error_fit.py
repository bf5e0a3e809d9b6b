"""Fit how large errors are beside the stated ones: quantile regression on lenses of known truth.

The stated error of parameter p, times exp(f_p(features)), shall hold 68.27 % of the true errors, whatever the
cutout is like. So ln(|error|/stated) has its 68.27 % quantile at f_p, which is linear in the features and found
by the pinball loss (Koenker & Bassett 1978, Econometrica 46, 33), its corner rounded so that its least is found at
once (Fernandes, Guerre & Horta 2021, J. Bus. Econ. Stat. 39, 338). What the fit is too narrow by on lenses that it
was not fitted to is then added (conformalised quantile regression: Romano, Patterson & Candès 2019,
arXiv:1905.03222; with all lenses taking turns: Barber et al. 2021, Ann. Statist. 49, 486).
"""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy.typing import NDArray

from lensproc_sis.error_model import Coefficients

Array = NDArray[np.float64]

ONE_SIGMA = 0.6827
"""Part of the errors that 1σ holds."""
FOLDS = 5
"""Parts of the lenses, each left out once."""
EDGE = 0.005
"""Part of the lenses beyond each end of the range of features, and of factors."""
PENALTY = 1e-3
"""Of the squared slopes, in units of each feature's scatter."""
ROUNDED = 0.1
"""Width of the corner of the pinball loss; ln ratios scatter by about 1."""
TINY = 1e-7
"""Least ratio of error to stated error: ln 0 is no number."""


def fit_errors(features: Array, ratios: Array, seed: int = 0) -> Coefficients:
    """Fit ln factor of each parameter.

    Parameters
    ----------
    features : ndarray, shape (N, P, F)
        Of N lenses; NaN where one is not known.
    ratios : ndarray, shape (N, P)
        |error| over stated error.
    seed : int
        Of which lenses are left out together.

    Returns
    -------
    Coefficients
        In float32.
    """
    count, parameters, _ = features.shape
    folds = np.random.default_rng(seed).permutation(count) % FOLDS
    fitted = [_fit_one(features[:, p], np.log(ratios[:, p] + TINY), folds) for p in range(parameters)]
    return Coefficients(
        *(torch.from_numpy(np.stack(part).astype(np.float32)) for part in zip(*fitted, strict=True))
    )


def _fit_one(features: Array, log_ratio: Array, folds: NDArray[np.int64]) -> tuple[Array, ...]:
    """Fields of `Coefficients` of one parameter, of features (N, F), ln ratios (N,) and numbers of folds (N,)."""
    left_out = np.empty_like(log_ratio)
    for fold in range(FOLDS):
        out = folds == fold
        line = Line.fitted(features[~out], log_ratio[~out])
        left_out[out] = log_ratio[out] - line(features[out])
    line = Line.fitted(features, log_ratio)
    offset = line.offset + conformal_quantile(left_out)
    found = line(features) - line.offset + offset
    smallest, largest = np.quantile(found, (EDGE, 1.0 - EDGE))
    # two factors that are equal would count as none
    largest = max(largest, smallest + 1e-6)
    ends = (np.asarray(value) for value in (offset, smallest, largest))
    return line.slopes, line.lowest, line.highest, line.typical, *ends


def conformal_quantile(values: Array) -> float:
    """Give the value below which a further one lies with a probability of 68.27 % (Romano et al. 2019, eq. 8)."""
    rank = min(math.ceil((len(values) + 1) * ONE_SIGMA), len(values))
    return float(np.sort(values)[rank - 1])


class Line:
    """A linear function of features that are brought into a range first.

    Parameters
    ----------
    slopes, lowest, highest, typical : ndarray, shape (F,)
        As for `Coefficients`.
    offset : float
        Its value for typical features.
    """

    def __init__(self, slopes: Array, lowest: Array, highest: Array, typical: Array, offset: float) -> None:
        self.slopes, self.lowest, self.highest = slopes, lowest, highest
        self.typical, self.offset = typical, offset

    @classmethod
    def fitted(cls, features: Array, values: Array) -> Line:
        """Line through the 68.27 % quantile of `values` (N,) for given features (N, F)."""
        typical = np.nanmedian(features, axis=0)
        lowest, highest = np.nanquantile(features, (EDGE, 1.0 - EDGE), axis=0)
        line = cls(np.zeros_like(typical), lowest, highest, typical, 0.0)
        within = line.within(features)
        spread = within.std(axis=0)
        spread[spread < 1e-9] = 1.0
        slopes, offset = _quantile_line(within / spread, values)
        return cls(slopes / spread, lowest, highest, typical, offset)

    def within(self, features: Array) -> Array:
        """Features in their range, less the typical ones."""
        known = np.where(np.isnan(features), self.typical, features)
        return np.asarray(np.clip(known, self.lowest, self.highest) - self.typical)

    def __call__(self, features: Array) -> Array:
        """Values (N,) of the line."""
        return np.asarray(self.offset + self.within(features) @ self.slopes)


def _quantile_line(features: Array, values: Array) -> tuple[Array, float]:
    """Slopes (F,) and offset of the 68.27 % quantile of `values` (N,), of features (N, F) that scatter by 1."""
    from scipy.optimize import minimize
    from scipy.special import expit

    design = np.column_stack((features, np.ones(len(values))))
    penalised = np.append(np.full(features.shape[1], PENALTY), 0.0)

    def loss(line: Array) -> tuple[float, Array]:
        left = values - design @ line
        rounded = ONE_SIGMA * left + ROUNDED * np.logaddexp(0.0, -left / ROUNDED)
        slope = ONE_SIGMA - expit(-left / ROUNDED)
        total = rounded.mean() + (penalised * line**2).sum()
        return float(total), 2.0 * penalised * line - slope @ design / len(values)

    begin = np.append(np.zeros(features.shape[1]), np.quantile(values, ONE_SIGMA))
    found = minimize(
        loss, begin, jac=True, method="L-BFGS-B", options={"maxiter": 1000, "gtol": 1e-6, "ftol": 1e-11}
    )
    return found.x[:-1], float(found.x[-1])
