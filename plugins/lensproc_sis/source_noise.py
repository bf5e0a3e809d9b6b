"""How much noise is left in an image less its relensed source."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lensproc_sis.source import LEAST

Array = NDArray[np.float64]


def residual_sigma(x: Array, y: Array, weights: Array, sigma: Array, shape: tuple[int, int]) -> Array:
    """1σ of (image − relensed source) from the noise of the image.

    Parameters
    ----------
    x, y : ndarray, shape (P,)
        Where each pixel of the image falls in the source plane, zero-based [px of the source plane].
    weights : ndarray, shape (P,)
        That it is splat with.
    sigma : ndarray, shape (P,)
        1σ noise of each pixel, independent.
    shape : (int, int)
        Height and width of the source plane.

    Returns
    -------
    ndarray, shape (P,)
        0 for a pixel whose light comes back to it alone.

    Notes
    -----
    Splat, division by the weights and warp are linear: with B the bilinear weights, W those of the pixels and D
    the sums that fell on the source's pixels, relensed = A image with A = B D⁻¹ Bᵀ W, and the residual's variance
    is the diagonal of (1 − A) C (1 − A)ᵀ.
    """
    from scipy.sparse import csr_array, diags_array

    height, width = shape
    left, below = np.floor(x), np.floor(y)
    rows, columns, values = [], [], []
    for column, across in ((left, left + 1.0 - x), (left + 1.0, x - left)):
        for row, down in ((below, below + 1.0 - y), (below + 1.0, y - below)):
            inside = (column >= 0) & (column < width) & (row >= 0) & (row < height)
            rows.append(np.flatnonzero(inside))
            columns.append((row * width + column)[inside].astype(np.int64))
            values.append((across * down)[inside])
    entries = (np.concatenate(values), (np.concatenate(rows), np.concatenate(columns)))
    bilinear = csr_array(entries, shape=(x.size, height * width))
    total = bilinear.T @ weights
    full = total > LEAST * weights.max(initial=0.0)
    share = np.where(full, 1.0 / np.where(full, total, 1.0), 0.0)
    back = bilinear @ diags_array(share) @ bilinear.T @ diags_array(weights)
    own = back.diagonal()
    variance = sigma**2 * (1.0 - 2.0 * own) + back.power(2) @ sigma**2
    return np.asarray(np.sqrt(np.clip(variance, 0.0, None)))
