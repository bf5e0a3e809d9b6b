"""Statistics of simulated images beside those of the public sets that they imitate.

Compares ``common-test``, ``sr-a`` and ``sr-b`` with the recovered samples in LENSPROC_DEEPLENSE_DATA (or
../shared/data/deeplense beside the checkout). Prints JSON; with --plot draws statistics, never an image of a
sample.

    OMP_NUM_THREADS=1 python benchmarks/simulate_statistics.py --images 400 --plot docs/simulate
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lensproc.simulate.image import simulate
from lensproc.simulate.recipe import load_recipe

DATA = Path(
    os.environ.get("LENSPROC_DEEPLENSE_DATA", Path(__file__).parents[2] / "shared" / "data" / "deeplense")
)
PERCENTILES = (50, 75, 90, 95, 99)
LEVELS = np.array([-1.0, 0.015, 0.03, 0.06, 0.12, 0.25, 0.5, 1.1])


def shape_statistics(image: NDArray[Any]) -> dict[str, float]:
    """Mean, scatter, sky, noise, ring radius and width [px], axis ratio, long axis [deg], centroid offset [px]."""
    image = np.asarray(image, float)
    size = image.shape[0]
    border = np.concatenate([image[:12].ravel(), image[-12:].ravel()])
    sky, noise = float(np.median(border)), float(border.std())
    light = np.clip(image - sky - 3.0 * noise, 0.0, None)
    y, x = np.mgrid[:size, :size]
    cx, cy = np.sum(light * x) / light.sum(), np.sum(light * y) / light.sum()
    dx, dy = x - cx, y - cy
    xx, yy, xy = (float(np.sum(light * a * b) / light.sum()) for a, b in ((dx, dx), (dy, dy), (dx, dy)))
    minor, major = np.linalg.eigvalsh([[xx, xy], [xy, yy]])
    profile = radial_profile(image - sky, cx, cy)
    above = np.flatnonzero(profile > profile.max() / 2.0)
    result = {
        "mean": image.mean(),
        "std": image.std(),
        "sky": sky,
        "noise": noise,
        "ring_radius": profile.argmax() + 0.5,
        "arc_width": above.max() - above.min() + 1.0,
        "light_radius": float(np.sum(light * np.hypot(dx, dy)) / light.sum()),
        "axis_ratio": float(np.sqrt(minor / major)),
        "long_axis": float(0.5 * np.degrees(np.arctan2(2.0 * xy, xx - yy))),
        "centroid_offset": float(np.hypot(cx - (size - 1) / 2.0, cy - (size - 1) / 2.0)),
    }
    result |= {f"p{p}": np.percentile(image, p) for p in PERCENTILES}
    return {key: float(value) for key, value in result.items()}


def radial_profile(image: NDArray[Any], cx: float, cy: float, reach: int = 60) -> NDArray[np.float64]:
    """Mean in rings of 1 px about (cx, cy)."""
    y, x = np.mgrid[: image.shape[0], : image.shape[1]]
    ring = np.hypot(x - cx, y - cy).astype(int)
    inside = ring < reach
    sums = np.bincount(ring[inside], image[inside], minlength=reach)
    return np.asarray(sums / np.bincount(ring[inside], minlength=reach))


def collect(images: NDArray[Any]) -> dict[str, NDArray[np.float64]]:
    rows = [shape_statistics(image) for image in images]
    return {key: np.array([row[key] for row in rows]) for key in rows[0]}


def upsampled(image: NDArray[Any]) -> NDArray[np.float64]:
    import torch
    import torch.nn.functional as F

    small = torch.from_numpy(np.array(image, float))[None, None]
    return np.asarray(F.interpolate(small, scale_factor=2, mode="bicubic", align_corners=False)[0, 0].numpy())


def pair_statistics(low: NDArray[Any], high: NDArray[Any]) -> dict[str, Any]:
    """PSNR (range 1) of bicubic upsampling, and its residual by brightness."""
    squares, residuals = [], []
    for a, b in zip(low, high, strict=True):
        model = upsampled(a)
        error = np.asarray(b, float) - model
        squares.append(np.mean(error**2))
        residuals.append((model.ravel(), error.ravel()))
    model = np.concatenate([r[0] for r in residuals])
    error = np.concatenate([r[1] for r in residuals])
    level = np.digitize(model, LEVELS) - 1
    by_level = [round(float(error[level == k].std()), 5) for k in range(len(LEVELS) - 1)]
    return {
        "mean_of_psnr": round(float(np.mean(-10.0 * np.log10(squares))), 2),
        "scatter_of_psnr": round(float(np.std(-10.0 * np.log10(squares))), 2),
        "psnr_of_mean": round(float(-10.0 * np.log10(np.mean(squares))), 2),
        "residual_by_level": by_level,
        "mean": round(float(np.mean(high)), 4),
    }


def sky_statistics(images: list[NDArray[Any]]) -> dict[str, list[float]]:
    from lensproc.nn.prepare import sky_and_noise

    rows = np.array([(i.mean(), i.std(), *sky_and_noise(np.asarray(i, np.float32))) for i in images])
    names = ("mean", "std", "sky", "noise")
    return {
        n: [round(float(rows[:, k].mean()), 4), round(float(rows[:, k].std()), 4)]
        for k, n in enumerate(names)
    }


def compare(number: int) -> tuple[dict[str, Any], dict[str, Any]]:
    public = np.load(DATA / "recovered8bit_CommonTestI_16imgs_from_notebook_png.npz")["images"]
    pairs = np.load(DATA / "recovered8bit_III.A_pairs_from_notebook_png.npz")
    real = np.load(DATA / "recovered8bit_III.B_pairs_from_notebook_png.npz")
    raw, gold = np.load(DATA / "Raw.npy")[0, 0], np.load(DATA / "Gold.npy")[0]
    ours = np.stack(
        [simulate(load_recipe("common-test"), 0, "train", i).exposure.data for i in range(number)]
    )
    theirs_stats, our_stats = collect(public), collect(ours)
    table = {
        key: {
            "public_16": [
                round(float(theirs_stats[key].mean()), 4),
                round(float(theirs_stats[key].std()), 4),
            ],
            "simulated": [round(float(our_stats[key].mean()), 4), round(float(our_stats[key].std()), 4)],
        }
        for key in our_stats
    }
    sr_a = [simulate(load_recipe("sr-a"), 0, "train", i) for i in range(min(number, 200))]
    sr_b = [simulate(load_recipe("sr-b"), 0, "train", i) for i in range(min(number, 60))]
    low = [s.exposure.data for s in sr_a]
    high = [s.partner.data for s in sr_a if s.partner is not None]
    result = {
        "common-test": {
            "all pixels": {
                "reported_30000": [0.0617, 0.1173],
                "public_16": [round(float(public.mean()), 4), round(float(public.std()), 4)],
                "simulated": [round(float(ours.mean()), 4), round(float(ours.std()), 4)],
            },
            "per image": table,
        },
        "sr-a": {
            "public_4": pair_statistics(pairs["LR"], pairs["HR"]),
            "simulated": pair_statistics(np.array(low), np.array(high)),
            "simulated_8bit": pair_statistics(_eight_bit(np.array(low)), _eight_bit(np.array(high))),
        },
        "sr-b": {
            "public_low": sky_statistics([*real["LR"], raw]),
            "public_high": sky_statistics([*real["HR"], gold]),
            "simulated_low": sky_statistics([s.exposure.data for s in sr_b]),
            "simulated_high": sky_statistics([s.partner.data for s in sr_b if s.partner is not None]),
        },
    }
    arrays = {"public": public, "ours": ours, "theirs_stats": theirs_stats, "our_stats": our_stats}
    return result, arrays


def _eight_bit(images: NDArray[Any]) -> NDArray[np.float64]:
    return np.asarray(np.round(np.asarray(images, float) * 255.0) / 255.0)


def plot(result: dict[str, Any], arrays: dict[str, Any], folder: Path) -> None:
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(2, 3, figsize=(11, 6.6))
    bins = np.linspace(0.0, 1.0, 60)
    for images, label in (
        (arrays["public"], "public, 16 images"),
        (_eight_bit(arrays["ours"]), "common-test"),
    ):
        axes[0, 0].hist(images.ravel(), bins, density=True, histtype="step", label=label)
    axes[0, 0].set(yscale="log", xlabel="pixel value", ylabel="density")
    axes[0, 0].legend(fontsize=8)
    for images, label in ((arrays["public"], "public"), (arrays["ours"], "common-test")):
        profiles = np.array([_centred_profile(image) for image in images])
        (line,) = axes[0, 1].plot(np.arange(60) + 0.5, profiles.mean(axis=0), label=label)
        low, high = np.percentile(profiles, [16, 84], axis=0)
        axes[0, 1].fill_between(np.arange(60) + 0.5, low, high, alpha=0.2, color=line.get_color())
    axes[0, 1].set(xlabel="distance from the centroid [px]", ylabel="mean above the sky")
    theirs, mine = arrays["theirs_stats"], arrays["our_stats"]
    panels = (
        (axes[0, 2], "ring_radius", "axis_ratio"),
        (axes[1, 0], "mean", "std"),
        (axes[1, 1], "long_axis", "centroid_offset"),
    )
    for panel, x, y in panels:
        panel.plot(mine[x], mine[y], ".", color="C1", ms=3, alpha=0.5)
        panel.plot(theirs[x], theirs[y], "o", color="C0", ms=5)
        panel.set(xlabel=x.replace("_", " "), ylabel=y.replace("_", " "))
    middle = 0.5 * (LEVELS[1:] + np.maximum(LEVELS[:-1], 0.0))
    for key, label in (("public_4", "public III.A, 8 bit"), ("simulated_8bit", "sr-a, 8 bit")):
        axes[1, 2].plot(middle, result["sr-a"][key]["residual_by_level"], "o-", label=label)
    axes[1, 2].set(xscale="log", yscale="log", xlabel="brightness", ylabel="rms of HR - bicubic(LR)")
    axes[1, 2].legend(fontsize=8)
    figure.tight_layout()
    figure.savefig(folder / "statistics.png", dpi=100)


def _centred_profile(image: NDArray[Any]) -> NDArray[np.float64]:
    stats = shape_statistics(image)
    light = np.clip(np.asarray(image, float) - stats["sky"] - 3.0 * stats["noise"], 0.0, None)
    y, x = np.mgrid[: image.shape[0], : image.shape[1]]
    cx, cy = np.sum(light * x) / light.sum(), np.sum(light * y) / light.sum()
    return radial_profile(np.asarray(image, float) - stats["sky"], float(cx), float(cy))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=400)
    parser.add_argument("--plot", type=Path, metavar="FOLDER")
    options = parser.parse_args()
    if not DATA.is_dir():
        sys.exit(f"recovered samples not found in {DATA}; set LENSPROC_DEEPLENSE_DATA")
    result, arrays = compare(options.images)
    print(json.dumps(result, indent=1))
    if options.plot:
        options.plot.mkdir(parents=True, exist_ok=True)
        plot(result, arrays, options.plot)


if __name__ == "__main__":
    main()
