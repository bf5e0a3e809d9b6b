"""An `Enhanced` with everything in it, for the tests of writing."""

from __future__ import annotations

from typing import Any

import numpy as np
from astropy.io.fits import Header

from lensproc.cutout import Cutout, DistortionTable, Resolved, Source
from lensproc.enhanced import Activity, Enhanced, Plane, Rows, Value
from tests.scenes import sky_header, star_field

SHA = "0123456789abcdef" * 4


def full_header() -> Header:
    """A TAN header with what real headers hold beside the sky."""
    header = sky_header((32, 32))
    header["OBJECT"] = ("RXJ1131", "a lens")
    header["LONGTEXT"] = "x" * 150
    header["HIERARCH ESO DET ID"] = 3.5
    header["BZERO"], header["BLANK"], header["CHECKSUM"] = 32768, -1, "abcdefghijklmnop"
    header["LPVER"] = "of an earlier run"
    header.add_history("flat-fielded")
    header.add_comment("seen through thin cloud")
    return header


def example(**fields: Any) -> Enhanced:
    """A result with variance, mask bits, planes, tables, values and a look-up table."""
    data = star_field((32, 32), stars=((12.2, 17.4, 900.0),))
    cutout = Cutout(
        data=data,
        variance=np.ones((32, 32), np.float32),
        mask=np.zeros((32, 32), np.uint32),
        header=full_header(),
        source=Source("lens.fits", "SCI", SHA, "test", "1234567"),
        mask_bits={"SAT": 1, "LP_NEAR": 31},
        bad_bits=2,
        unit=Resolved("adu", "header BUNIT"),
        amplitude=Resolved("flux", "unit"),
    )
    mask = np.zeros((64, 64), np.uint32)
    mask[3, 4] = np.uint32(1 << 31)
    image = cutout.replace(
        data=star_field((64, 64), stars=((24.9, 35.3, 900.0),)),
        variance=np.full((64, 64), 0.25, np.float32),
        mask=mask,
        dropped=("ASDF extension",),
        distortion=(DistortionTable("WCSDVARR", 2, Header({"CRPIX1": 1.0}), np.ones((3, 3), np.float32)),),
    )
    reading = Activity(0, "read", "core", "lensproc", "1.0", options='{"hdu":"SCI"}')
    stage = Activity(
        1, "net", "enhance", "netpack", "2.1", "net.safetensors", "f" * 64, '{"scale":2}', insha=SHA
    )
    given: dict[str, Any] = {
        "original": cutout,
        "image": image,
        "scale": 2.0,
        "config_sha256": "c" * 64,
        "activities": (reading, stage),
        "flux_factor": 0.25,
        "variance_factor": 0.25,
        "values": {"LPTHETAE": Value(1.25, 0.03, "arcsec", "Einstein radius θ"), "LPCLASS": Value("sphere")},
        "qa": {"QASTAT": Value("PASS"), "QACHI2": Value(float("nan"), description="no noise known")},
        "tables": {"CLASS": Rows({"NAME": np.array(["no", "sphere"]), "P": np.array([0.25, 0.75])})},
        "planes": {"FIDELITY": Plane(data, 1.0, description="(x - H y)/s"), "KAPPA": Plane(data[:5, :7])},
        "uncertainty": np.full((64, 64), 0.5, np.float32),
        "sources": Rows(
            {"id": np.arange(2), "x": np.array([1.5, np.nan]), "ok": np.array([True, False])}, {"x": "pix"}
        ),
    }
    return Enhanced(**{**given, **fields})
