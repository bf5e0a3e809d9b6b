"""What an enhancer makes of other draws of an input's noise: the finder's threshold on its output rests on this.

The scatter of an enhanced image's own pixels says nothing of how often noise alone makes a peak, because enhancing
removes the noise between the peaks and keeps the peaks. So the noise is drawn again, on an image of the input
without its noise, and the enhancer is run on every draw.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from lensproc.cutout import Cutout
from lensproc.qc.light import subtract_light
from lensproc.qc.noise import Noise
from lensproc.qc.pair import Pair
from lensproc.qc.sources import finder_kernel

Array = NDArray[np.float64]
Enhancer = Callable[[Sequence[Cutout]], Sequence[Cutout]]

DRAWS = 8
"""Draws of the noise. qc.md."""

SIGNIFICANT_SCALE = 3.0
"""Wavelet coefficients of the input below this many σ count as noise."""

POOL = 2.0
"""σ of the Gaussian over which the finder's scatter is pooled [FWHM of the output]: some fifty beams of eight
draws each, so that the pooled scatter is good to about 4 %; that of one pixel is good to 27 %."""

B3 = np.array([1.0, 4.0, 6.0, 4.0, 1.0]) / 16.0


@dataclass(frozen=True)
class FinderNoise:
    """Noise of the finder's filter on one enhanced image.

    Parameters
    ----------
    sigma : ndarray, shape (scale ny, scale nx)
        1σ of the filtered image, smooth over it, in units of the input's noise level.
    tail : float
        Largest peak seen in the redraws of the sky [σ]: denoisers have tails that no Gaussian has.
    """

    sigma: Array
    tail: float


def noise_free(image: Array, noise: Noise) -> Array:
    """Estimate of an image without its noise, in the same unit.

    Parameters
    ----------
    image : ndarray, shape (ny, nx)
        Less its sky, in units of the noise level, without NaN.
    noise : Noise
        Its noise.

    Notes
    -----
    Starlet (isotropic undecimated wavelet with the B3 spline; Starck, Fadili & Murtagh 2007, IEEE TIP 16, 297)
    with coefficients below 3σ taken out; σ per scale follows from the noise's autocorrelation.
    """
    from scipy.ndimage import correlate1d

    sigma = np.where(np.isfinite(noise.sigma), noise.sigma, 1.0)
    smooth, clean = image, np.zeros_like(image)
    kernel = np.ones((1, 1))
    for scale in range(max(1, min(4, int(math.log2(min(image.shape) / 8.0))))):
        weights = np.zeros(4 * 2**scale + 1)
        weights[:: 2**scale] = B3
        smoother = correlate1d(correlate1d(smooth, weights, 0, mode="mirror"), weights, 1, mode="mirror")
        wider = _widened(kernel, weights)
        pad = (wider.shape[0] - kernel.shape[0]) // 2
        spread = noise.response(np.pad(kernel, pad) - wider)
        detail = smooth - smoother
        clean += np.where(np.abs(detail) > SIGNIFICANT_SCALE * spread * sigma, detail, 0.0)
        smooth, kernel = smoother, wider
    return np.asarray(clean + smooth)


def _widened(kernel: Array, weights: Array) -> Array:
    from scipy.signal import convolve

    return np.asarray(convolve(kernel, np.outer(weights, weights), mode="full"))


def draw_noise(rng: np.random.Generator, noise: Noise) -> Array:
    """Draw noise with the power spectrum and the σ of an input, in units of its noise level; 0 at bad pixels.

    Parameters
    ----------
    rng : numpy.random.Generator
        Source of the numbers.
    noise : Noise
        What was measured on the input.
    """
    reach = noise.correlation.shape[0] // 2
    ny, nx = noise.sigma.shape
    # drawn on a larger, periodic field, of which opposite edges are not neighbours once it is cut
    shape = (ny + 2 * reach, nx + 2 * reach)
    lags = np.arange(-reach, reach + 1)
    correlation = np.zeros(shape)
    np.add.at(correlation, np.ix_(lags, lags), noise.correlation)
    # an autocorrelation that was cut off can have a power below 0 somewhere
    power = np.maximum(np.fft.fft2(correlation).real, 0.0)
    power /= power.mean()
    field = np.fft.ifft2(np.fft.fft2(rng.normal(size=shape)) * np.sqrt(power)).real
    return np.asarray(field[:ny, :nx] * np.where(np.isfinite(noise.sigma), noise.sigma, 0.0))


def redrawn(pair: Pair, number: int = DRAWS) -> list[Cutout]:
    """Make copies of the input with other noise, the same for the same file every time.

    Parameters
    ----------
    pair : Pair
        Input and output.
    number : int
        How many.
    """
    cutout, noise = pair.cutout, pair.noise
    clean = noise_free(pair.x, noise)
    seed = int(cutout.source.sha256, 16) % 2**64
    copies = []
    for index in range(number):
        rng = np.random.default_rng([seed, index])
        image = noise.sky + noise.level * (clean + draw_noise(rng, noise))
        data = np.where(cutout.bad, cutout.data, image).astype(np.float32)
        # a stage that draws numbers of its own takes its seed from here
        source = replace(cutout.source, sha256=f"{int(rng.integers(2**62)):064x}")
        copies.append(cutout.replace(data=data, source=source))
    return copies


def brightness(pair: Pair, enhanced: NDArray[np.float32]) -> Array:
    """Pixels of an enhanced copy as `Pair.y`: surface brightness per input pixel, in units of the noise level.

    Raises
    ------
    ValueError
        Where its shape is not that of the output.
    """
    if enhanced.shape != pair.y.shape:
        raise ValueError(f"a redrawn input came out as {enhanced.shape}, the input itself as {pair.y.shape}")
    per_pixel = pair.scale**2 if pair.cutout.amplitude.value != "surface brightness" else 1
    image = (enhanced.astype(np.float64) * per_pixel - pair.noise.sky) / pair.noise.level
    return np.where(np.isfinite(image), image, pair.y)


def finder_noise(pair: Pair, images: Sequence[Array], width: float) -> FinderNoise:
    """Measure the noise of the finder on enhanced redraws.

    Parameters
    ----------
    pair : Pair
        Input and output.
    images : sequence of ndarray, shape (scale ny, scale nx)
        Enhanced redraws, as `brightness` gives them.
    width : float
        FWHM of the finder's kernel [px of the output].
    """
    from scipy.ndimage import gaussian_filter
    from scipy.signal import fftconvolve

    kernel = finder_kernel(width)
    filtered = np.stack(
        [fftconvolve(subtract_light(image, width, pair.lens_out), kernel, mode="same") for image in images]
    )
    deviation = filtered - filtered.mean(0)
    good = pair.clean.repeat(pair.scale, 0).repeat(pair.scale, 1).astype(np.float64)
    variance = (deviation**2).sum(0) / (len(images) - 1)
    reach = POOL * width
    total = gaussian_filter(good * variance, reach, mode="mirror")
    weight = gaussian_filter(good, reach, mode="mirror")
    pooled = np.where(weight > 1e-3, total / np.maximum(weight, 1e-3), variance)
    sigma = np.sqrt(np.maximum(pooled, 0.0))
    sky = (pair.noise.sky_pixels & pair.clean).repeat(pair.scale, 0).repeat(pair.scale, 1)
    if not sky.any():
        return FinderNoise(sigma, 0.0)
    # the mean of K draws holds part of each: a deviation from it is too small by sqrt((K - 1) / K)
    widened = math.sqrt(len(images) / (len(images) - 1))
    floor = 1e-6 * max(float(sigma.max()), 1e-30)
    tail = widened * float((np.abs(deviation[:, sky]) / np.maximum(sigma[sky], floor)).max())
    return FinderNoise(sigma, tail)
