"""The script one would write: open, batch of one, eager, write.

Usage: ``naive_script.py bicubic|STAGE OUT FILE...``; STAGE is ``four-blocks`` or ``lens-sr``, of which it runs the
bare network.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import torch
from astropy.io import fits


def main(kind: str, out: str, paths: list[str]) -> None:
    """Enhance each file with `kind` and write all its planes on the new grid."""
    Path(out).mkdir(parents=True, exist_ok=True)
    network = None
    if kind != "bicubic":
        from benchmark_plugin import bare_network

        network = bare_network(kind)
    for path in paths:
        with fits.open(path) as hdus:
            data = hdus["SCI"].data.astype(np.float32)
            header = hdus["SCI"].header
            error, flags = hdus["ERR"].data, hdus["DQ"].data
            x = torch.from_numpy(data)[None, None]
            with torch.no_grad():
                if network is None:
                    y = torch.nn.functional.interpolate(
                        x, scale_factor=2, mode="bicubic", align_corners=False
                    )
                else:
                    y = network(x)
            header["CRPIX1"] = 2 * (header["CRPIX1"] - 0.5) + 0.5
            header["CRPIX2"] = 2 * (header["CRPIX2"] - 0.5) + 0.5
            for card in ("CD1_1", "CD1_2", "CD2_1", "CD2_2"):
                if card in header:
                    header[card] /= 2
            fits.HDUList(
                [
                    fits.PrimaryHDU(),
                    fits.ImageHDU(y[0, 0].numpy() / 4, header, name="SCI"),
                    fits.ImageHDU(error.repeat(2, 0).repeat(2, 1) / 2, name="ERR"),
                    fits.ImageHDU(flags.repeat(2, 0).repeat(2, 1), name="DQ"),
                ]
            ).writeto(Path(out) / Path(path).name, overwrite=True)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3:])
