"""What a classifier of substructure sees, and how much of it is the simulator: AUC against total mass.

Three variants of the images that have the statistics of the Common Test I, all with a total mass of substructure
of 10⁸ to 10¹⁰·⁶ M☉ drawn alike for sphere and vortex:

* ``fixed``: the mass inside θ_E stays as in a smooth lens (recipe ``substructure-mass``);
* ``naive``: the same skies with the substructure added on top, so that it makes the ring larger;
* ``free``: fixed, with θ_E of .6 to 2.2″ in all classes (recipe ``substructure-ring``; ``common-test`` has .96 to
  1.6″).

The AUC is the mean of one-vs-rest over the classes, among the lenses of a bin and all lenses without substructure.
Intervals are of 95 %, by bootstrap over images.

Usage: python benchmarks/classifier_science.py [LABEL=]WEIGHTS.safetensors… [--number 3000] [--figure FILE.png]
"""

from __future__ import annotations

import argparse
import itertools
import math
import os
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from classifier_files import classifiers
from numpy.typing import NDArray

from lensproc.evaluate.classification.answer import UNLIKE, Answers
from lensproc.evaluate.classification.draws import Bootstrap
from lensproc.evaluate.classification.measures import Statistic, auc, mean_of
from lensproc.evaluate.classification.run import Evaluation, evaluate
from lensproc.evaluate.classification.truth import NONE
from lensproc.evaluate.intervals import Measured, fraction
from lensproc.evaluate.scoring.dataset import DataSet
from lensproc.evaluate.scoring.methods import Method

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

MASS_EDGES = np.array([8.0, 8.5, 9.0, 9.5, 10.0, 10.6])
"""Bins of log10 of the total mass [M☉]."""
RING_EDGES = np.array([0.6, 0.96, 1.28, 1.6, 1.9, 2.2])
"""Bins of θ_E [″]; those from .96 to 1.6 are of ``common-test``."""
HEAVY = 9.5
"""log10 of the total mass [M☉] from which lenses count in the table of θ_E."""
VARIANTS = {
    "fixed": ("substructure-mass", "fixed"),
    "naive": ("substructure-mass", "naive"),
    "free": ("substructure-ring", "fixed"),
}
"""Name to recipe and mass sheet."""
WORDS = {
    "fixed": "mass inside θ_E fixed",
    "naive": "substructure on top",
    "free": "θ_E .6 to 2.2″, fixed",
}
SEED = 20260206


def dataset(variant: str, number: int, folder: Path) -> DataSet:
    """Images of a variant; those of ``fixed`` and ``naive`` are the same skies."""
    recipe, sheet = VARIANTS[variant]
    # Random streams go by the name of the recipe, and a file's is its stem: so a folder for each variant.
    path = folder / variant / f"{recipe}.toml"
    path.parent.mkdir()
    path.write_text(
        f'extends = "{recipe}"\nsummary = "{variant}"\nmass_sheet = "{sheet}"\n', encoding="utf-8"
    )
    return DataSet(str(path), number, 0, SEED, "test")


def macro(answers: Answers, among: Mask) -> Statistic:
    """Mean over the classes of the one-vs-rest AUC, among some of the images."""
    label, said = answers.label[among], answers.probabilities[among]
    areas = mean_of([auc(label == k, said[:, k]) for k in range(len(answers.classes))])
    return lambda weights: areas(weights[:, among])


def areas_of(answers: Answers, groups: Mapping[str, Mask]) -> dict[str, Measured]:
    """Macro AUC in groups of images."""
    usable = {
        name: among for name, among in groups.items() if set(answers.label[among]) == set(answers.label)
    }
    statistics = {name: macro(answers, among) for name, among in usable.items()}
    counts = {name: int(among.sum()) for name, among in usable.items()}
    samples = Bootstrap(answers.label.size).samples(statistics, counts)
    return {name: sample.measured() for name, sample in samples.items()}


def mass_groups(evaluation: Evaluation) -> dict[str, Mask]:
    """Lenses of a bin of mass together with all without substructure; and all."""
    none = np.array([truth.class_name == NONE for truth in evaluation.truths])
    mass = np.array([truth.mass for truth in evaluation.truths])
    log = np.log10(np.where(mass > 0, mass, np.nan))
    groups = {
        f"{low:g}–{high:g}": none | ((log >= low) & (log < high))
        for low, high in itertools.pairwise(MASS_EDGES)
    }
    return {**groups, "all": np.ones(none.size, bool)}


def ring_groups(evaluation: Evaluation) -> dict[str, Mask]:
    """Lenses of a bin of θ_E, without substructure or with much of it."""
    radius = np.array([truth.einstein_radius for truth in evaluation.truths])
    kept = np.array([truth.class_name == NONE or truth.mass >= 10**HEAVY for truth in evaluation.truths])
    return {
        f"{low:g}–{high:g}": kept & (radius >= low) & (radius < high)
        for low, high in itertools.pairwise(RING_EDGES)
    }


def words_of(value: Measured | None) -> str:
    """Give a number with the ends of its interval, or a dash."""
    if value is None or math.isnan(value.value):
        return "–"
    return f"{value.value:.3f} ({value.low:.3f}–{value.high:.3f})"


def mass_table(name: str, areas: Mapping[str, Mapping[str, Measured]]) -> list[str]:
    """Macro AUC of a classifier by mass and variant, in Markdown."""
    lines = [
        f"`{name}`, macro AUC (95 %):",
        "",
        "| log M [M☉] | " + " | ".join(WORDS.values()) + " |",
        "|---|" + "---|" * len(WORDS),
    ]
    for group in areas["fixed"]:
        lines.append(f"| {group} | " + " | ".join(words_of(areas[v].get(group)) for v in VARIANTS) + " |")
    return [*lines, ""]


def ring_table(name: str, evaluation: Evaluation) -> list[str]:
    """Macro AUC by θ_E of lenses whose substructure is heavy, and how many are unlike the training."""
    answers, groups = evaluation.answers[name], ring_groups(evaluation)
    areas = areas_of(answers, groups)
    lines = [
        f"`{name}`, by θ_E, 10^{HEAVY:g} M☉ and more of substructure against none:",
        "",
        f"| θ_E [″] | macro AUC (95 %) | LPOOD < {UNLIKE:g} | images |",
        "|---|---|---|---|",
    ]
    for group, among in groups.items():
        unlike = fraction(int((answers.ood[among] < UNLIKE).sum()), int(among.sum()))
        lines.append(f"| {group} | {words_of(areas.get(group))} | {unlike.value:.1%} | {int(among.sum())} |")
    return [*lines, ""]


def draw(areas: Mapping[str, Mapping[str, Mapping[str, Measured]]], path: Path) -> None:
    """Draw macro AUC against the total mass, a panel per classifier."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    styles = {
        "fixed": ("#2b6cb0", "o", -0.02),
        "naive": ("#c8102e", "s", 0.0),
        "free": ("#2f855a", "^", 0.02),
    }
    figure, axes = plt.subplots(
        1, len(areas), figsize=(1.2 + 4.0 * len(areas), 3.8), sharey=True, squeeze=False, layout="constrained"
    )
    middles = 0.5 * (MASS_EDGES[:-1] + MASS_EDGES[1:])
    for axis, (name, variants) in zip(axes[0], areas.items(), strict=True):
        axis.axhline(0.5, color="#999999", lw=0.8, ls="--")
        for variant, (colour, marker, shift) in styles.items():
            points = [
                (x, value)
                for x, (group, value) in zip(middles, variants[variant].items(), strict=False)
                if group != "all" and not math.isnan(value.value)
            ]
            x = np.array([x for x, _ in points]) + shift
            y = np.array([value.value for _, value in points])
            ends = np.array([[v.value - v.low, v.high - v.value] for _, v in points]).T.clip(min=0.0)
            axis.errorbar(x, y, ends, color=colour, marker=marker, ms=5, capsize=2, label=WORDS[variant])
        axis.set_title(name, fontsize=10)
        axis.set_xlabel("log$_{10}$ total mass of substructure [M$_\\odot$]")
    axes[0][0].set_ylabel("macro AUC, one against the rest")
    lines, names = axes[0][0].get_legend_handles_labels()
    names = [name.replace("θ_E", r"$\theta_\mathrm{E}$") for name in names]
    figure.legend(lines, names, fontsize=9, frameon=False, loc="outside lower center", ncols=3)
    figure.savefig(path, dpi=130)
    plt.close(figure)


def main() -> None:
    """Measure, print the tables, draw."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("weights", nargs="+", metavar="[LABEL=]FILE")
    parser.add_argument("--number", type=int, default=3000, help="images of each variant")
    parser.add_argument("--jobs", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--figure", type=Path)
    options = parser.parse_args()
    methods: Sequence[Method] = classifiers(options.weights)
    with tempfile.TemporaryDirectory() as temporary:
        sets = {variant: dataset(variant, options.number, Path(temporary)) for variant in VARIANTS}
        found = {variant: evaluate(images, methods, jobs=options.jobs) for variant, images in sets.items()}
    areas = {
        method.name: {
            variant: areas_of(evaluation.answers[method.name], mass_groups(evaluation))
            for variant, evaluation in found.items()
        }
        for method in methods
    }
    print(f"{options.number} images of each variant, seed {SEED}, split test\n")
    for method in methods:
        print("\n".join(mass_table(method.name, areas[method.name])))
        print("\n".join(ring_table(method.name, found["free"])))
    if options.figure is not None:
        draw(areas, options.figure)


if __name__ == "__main__":
    main()
