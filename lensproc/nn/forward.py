"""H, the forward operator: what the input would be if the enhanced image were the sky.

Every check and every network's own consistency step use this one function. A pixel value is the sky convolved
with the effective PSF (optics, atmosphere and the pixel itself), taken at the pixel's centre; `nn.psf` gives the
kernel that takes one effective PSF to another on the fine grid, here it is applied and the fine pixels summed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import torch

    from lensproc.cutout import Amplitude

DIRECT_SIDE = 9
"""Kernels up to this side are convolved directly, wider ones through the Fourier transform [px]."""


def forward(
    images: torch.Tensor, kernels: torch.Tensor | None, scale: int, amplitude: Amplitude
) -> torch.Tensor:
    """Bring enhanced images back to the grid and the PSF of their inputs.

    Parameters
    ----------
    images : torch.Tensor, shape (N, C, sH, sW)
        Enhanced images, without NaN.
    kernels : torch.Tensor, shape (N, k, k) or (1, k, k), k odd, or None
        One kernel per item on the fine grid, from `lensproc.nn.psf.matching_kernel`; None for no convolution.
    scale : int
        Fine pixels per input pixel, s.
    amplitude : str
        ``flux`` (pixel values are summed) or ``surface brightness`` (they are averaged).

    Returns
    -------
    torch.Tensor, shape (N, C, H, W)
        Differentiable in `images` and `kernels`.

    Raises
    ------
    ValueError
        Where the sides are no multiple of `scale`, or a kernel has an even side.

    Notes
    -----
    Beyond the frame the image goes on with its border value, since what lies there is not known.
    """
    height, width = images.shape[-2:]
    if height % scale or width % scale:
        raise ValueError(f"sides {height}×{width} are no multiple of the scale {scale}")
    if amplitude not in ("flux", "surface brightness"):
        raise ValueError(f"amplitude {amplitude!r} is not flux or surface brightness")
    if kernels is not None:
        images = convolve(images, kernels)
    if scale == 1:
        return images
    blocks = images.reshape(*images.shape[:-2], height // scale, scale, width // scale, scale)
    return blocks.sum((-3, -1)) if amplitude == "flux" else blocks.mean((-3, -1))


def convolve(images: torch.Tensor, kernels: torch.Tensor) -> torch.Tensor:
    """Convolve each item of a batch with its own kernel, all its channels alike.

    Parameters
    ----------
    images : torch.Tensor, shape (N, C, H, W)
        Images; the result has the same shape.
    kernels : torch.Tensor, shape (N, k, k) or (1, k, k), k odd
        Kernels centred on their middle pixel.
    """
    import torch
    from torch.nn import functional

    n, channels, height, width = images.shape
    side = kernels.shape[-1]
    if side % 2 == 0 or kernels.shape[-2] != side:
        raise ValueError(f"kernels must be square with an odd side, got {tuple(kernels.shape[-2:])}")
    half = side // 2
    kernels = kernels.to(images)
    padded = functional.pad(images, (half, half, half, half), mode="replicate")
    if side <= DIRECT_SIDE:
        weights = kernels.flip(-2, -1).expand(n, side, side)[:, None].repeat_interleave(channels, 0)
        stacked = padded.reshape(1, n * channels, height + 2 * half, width + 2 * half)
        result = functional.conv2d(stacked, weights, groups=n * channels)
        return result.reshape(n, channels, height, width)
    from scipy.fft import next_fast_len

    size = [next_fast_len(length + 2 * half, real=True) for length in (height, width)]
    spectrum = torch.fft.rfft2(padded, s=size) * torch.fft.rfft2(kernels, s=size)[:, None]
    full: torch.Tensor = torch.fft.irfft2(spectrum, s=size)
    return full[..., side - 1 : side - 1 + height, side - 1 : side - 1 + width]


def stack_kernels(kernels: list[NDArray[np.float32] | None]) -> torch.Tensor | None:
    """Kernels of several items on one grid, shape (N, k, k); None where none of them convolves."""
    import torch

    side = max((kernel.shape[0] for kernel in kernels if kernel is not None), default=0)
    if side == 0:
        return None
    stacked = np.zeros((len(kernels), side, side), np.float32)
    for target, kernel in zip(stacked, kernels, strict=True):
        if kernel is None:
            target[side // 2, side // 2] = 1.0
            continue
        margin = (side - kernel.shape[0]) // 2
        target[margin : side - margin, margin : side - margin] = kernel
    return torch.from_numpy(stacked)


def forward_image(
    image: NDArray[np.floating], kernel: NDArray[np.float32] | None, scale: int, amplitude: Amplitude
) -> NDArray[np.float32]:
    """`forward` of one image given as an array of shape (sH, sW), without NaN."""
    import torch

    tensor = torch.from_numpy(np.ascontiguousarray(image, np.float32))[None, None]
    kernels = None if kernel is None else torch.tensor(kernel, dtype=torch.float32)[None]
    with torch.inference_mode():
        result: NDArray[np.float32] = forward(tensor, kernels, scale, amplitude)[0, 0].numpy()
    return result
