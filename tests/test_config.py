"""Recipes and settings from the command line."""

from pathlib import Path

import pytest

from lensproc.config import StageSpec, choose_stages, load_recipe, parse_recipe, recipe_names
from lensproc.contract.registry import load_registry
from lensproc.engine.chain import resolve_chain
from lensproc.errors import UsageError


def test_the_default_recipe_is_the_flagship() -> None:
    assert choose_stages(None, None) == (StageSpec("lens-sr"),)
    assert choose_stages(None, "lanczos") == (StageSpec("lanczos", {"scale": 2}),)


@pytest.mark.parametrize("name", recipe_names())
def test_every_recipe_that_comes_along_resolves(name: str) -> None:
    recipe = load_recipe(name)
    assert recipe.summary
    assert len(resolve_chain(load_registry(), recipe.stages)) == len(recipe.stages)


def test_settings_reach_their_stage() -> None:
    chain = choose_stages("wavelet, lanczos", None, ["lanczos.scale=3"])
    assert chain == (StageSpec("wavelet"), StageSpec("lanczos", {"scale": "3"}))


def test_stage_ids_may_hold_dots_and_colons() -> None:
    assert choose_stages("timm:net.v1", None, ["timm:net.v1.width=2"])[0].options == {"width": "2"}


@pytest.mark.parametrize(
    ("stages", "recipe", "settings", "message"),
    [
        ("a", "lanczos", [], "exclude each other"),
        (" , ", None, [], "names no stage"),
        (None, "nowhere", [], "known: .*lanczos"),
        ("a", None, ["a.x"], "is not stage.option=value"),
        ("a", None, ["b.x=1"], "'b' is not in the chain; it has: a"),
        (None, "missing.toml", [], "missing.toml: recipe cannot be read"),
    ],
)
def test_mistakes_are_named(
    stages: str | None, recipe: str | None, settings: list[str], message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        choose_stages(stages, recipe, settings)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("stages = 3", r"lists no \[\[stages\]\]"),
        ("[[stages]]\nname = 'x'", "needs an id"),
        ("[[stages]]\nid = 'x'\noption = {}", r"unknown keys \['option'\]"),
        ("stage = []", r"unknown keys \['stage'\]"),
        ("[[stages", "not valid TOML"),
    ],
)
def test_a_broken_recipe_is_named(text: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        parse_recipe(text, "mine.toml")


def test_a_recipe_of_the_user(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text("summary = 'mine'\n[[stages]]\nid = 'starlet'\noptions = { scale = 2 }\n")
    assert load_recipe(str(path)).stages == (StageSpec("starlet", {"scale": 2}),)
