"""The grid on which the stage ``starlet`` seeks the sky, and the operator between it and the image."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F


@dataclass(frozen=True)
class Grid:
    """The output grid, which goes on beyond the frame, and the operator B between it and the image.

    Parameters
    ----------
    shape : (int, int)
        Height and width of the images [input px].
    size : (int, int)
        Height and width of the grid [output px].
    offset : int
        Where the frame begins in it [output px].
    scale : int
        Output pixels per input pixel, s; B takes means over s × s pixels.
    transfer : torch.Tensor, shape (N, 1, size[0], size[1] // 2 + 1), complex
        Fourier transform of the convolution in B, per item.
    envelope : torch.Tensor, shape of `transfer`
        The same of the absolute values of the kernels.
    target : torch.Tensor, shape of `transfer`
        Fourier transform of what takes the sky to the output's PSF.
    """

    shape: tuple[int, int]
    size: tuple[int, int]
    offset: int
    scale: int
    transfer: torch.Tensor
    envelope: torch.Tensor
    target: torch.Tensor

    @classmethod
    def around(cls, shape: tuple[int, int], kernels: torch.Tensor, targets: torch.Tensor, scale: int) -> Grid:
        """Lay a grid that goes on beyond the frame as far as the kernels reach.

        Parameters
        ----------
        shape : (int, int)
            Height and width of the images.
        kernels, targets : torch.Tensor, shape (N, k, k), k odd
            What takes the sky to the input, and to the output, on the output grid.
        scale : int
            Output pixels per input pixel.
        """
        from scipy.fft import next_fast_len

        half = max(kernels.shape[-1], targets.shape[-1]) // 2
        offset = scale * math.ceil(half / scale)
        rows, columns = (next_fast_len(scale * side + 2 * offset, real=True) for side in shape)

        def transform(images: torch.Tensor) -> torch.Tensor:
            side = images.shape[-1]
            placed = F.pad(images, (0, columns - side, 0, rows - side))
            transformed: torch.Tensor = torch.fft.rfft2(placed.roll((-(side // 2), -(side // 2)), (-2, -1)))
            return transformed[:, None]

        return cls(
            shape,
            (rows, columns),
            offset,
            scale,
            transform(kernels),
            transform(kernels.abs()),
            transform(targets),
        )

    @property
    def frame(self) -> tuple[slice, slice]:
        """Rows and columns of the grid on which the image lies."""
        first = self.offset
        return (
            slice(first, first + self.scale * self.shape[0]),
            slice(first, first + self.scale * self.shape[1]),
        )

    @property
    def margins(self) -> tuple[int, int, int, int]:
        """Pixels of the grid left, right, above and below the frame."""
        rows, columns = self.frame
        return self.offset, self.size[1] - columns.stop, self.offset, self.size[0] - rows.stop

    def crop(self, plane: torch.Tensor) -> torch.Tensor:
        """Keep the frame of a plane on the grid."""
        rows, columns = self.frame
        return plane[..., rows, columns]

    def predict(self, sky: torch.Tensor) -> torch.Tensor:
        """B s: the image, shape (N, C, H, W), that the sky s on the grid would give."""
        seen = self.crop(torch.fft.irfft2(torch.fft.rfft2(sky) * self.transfer, s=self.size))
        return F.avg_pool2d(seen, self.scale) if self.scale > 1 else seen

    def back(self, residual: torch.Tensor) -> torch.Tensor:
        """Bᵀ r: the transpose of `predict`."""
        return self._spread(residual, self.transfer)

    def curvature(self, weights: torch.Tensor) -> torch.Tensor:
        """|B|ᵀ W |B| 1, a diagonal that is nowhere less than Bᵀ W B."""
        return self._spread(weights * self.envelope[..., :1, :1].real, self.envelope).clamp_min(0.0)

    def _spread(self, plane: torch.Tensor, transfer: torch.Tensor) -> torch.Tensor:
        placed = F.pad(self._repeat(plane) / self.scale**2, self.margins)
        brought: torch.Tensor = torch.fft.irfft2(torch.fft.rfft2(placed) * transfer.conj(), s=self.size)
        return brought

    def extend(self, plane: torch.Tensor) -> torch.Tensor:
        """Bring a plane of input pixels to the grid, its border values going on beyond the frame."""
        return F.pad(self._repeat(plane), self.margins, mode="replicate")

    def restore(self, sky: torch.Tensor) -> torch.Tensor:
        """Show the sky with the output's PSF, in the frame."""
        return self.crop(torch.fft.irfft2(torch.fft.rfft2(sky) * self.target, s=self.size))

    def _repeat(self, plane: torch.Tensor) -> torch.Tensor:
        if self.scale == 1:
            return plane
        return plane.repeat_interleave(self.scale, -2).repeat_interleave(self.scale, -1)
