"""The page of a run: what it must hold, and that it needs nothing but itself."""

from __future__ import annotations

import re
import sys
from collections import Counter
from pathlib import Path

import pytest
from astropy.io import fits
from click.testing import CliRunner

from lensproc.cli.report import command
from lensproc.cli.run import command as run_command
from lensproc.errors import InputError, UsageError
from lensproc.report.folder import read_run
from lensproc.report.page import Page, build_page, write_page
from tests.report.documents import Element, parse
from tests.scenes import write_cutout


@pytest.fixture(scope="module")
def document(example_page: Page) -> Element:
    return parse(example_page.html)


def row_of(document: Element, name: str) -> Element:
    (row,) = (
        row
        for table in document.all("table", id="cutouts")
        for row in table.all("tbody")[0].all("tr")
        if row.children[0].text.startswith(name)  # type: ignore[union-attr]
    )
    return row


def cell_of(document: Element, name: str, column: str) -> Element:
    (table,) = document.all("table", id="cutouts")
    headings = [heading.attributes["data-name"] for heading in table.all("thead")[0].all("th")]
    cell = row_of(document, name).children[headings.index(column)]
    assert isinstance(cell, Element)
    return cell


def test_the_page_asks_for_nothing_outside_itself(example_page: Page, document: Element) -> None:
    assert not re.search(r"""(https?:)?//[a-z0-9.-]+\.[a-z]{2,}""", example_page.html.replace("base64,", ""))
    assert not document.all("link")
    assert all("src" not in script.attributes for script in document.all("script"))
    images = document.all("img")
    assert len(images) == 5 * 4 + 4
    assert all(image.attributes["src"].startswith("data:image/png;base64,") for image in images)
    assert "@import" not in example_page.html
    assert "url(" not in example_page.html


def test_ids_are_unique_and_links_have_targets(document: Element) -> None:
    ids = [
        e.attributes["id"]
        for tag in ("article", "table", "form")
        for e in document.all(tag)
        if "id" in e.attributes
    ]
    assert len(ids) == len(set(ids))
    links = [link.attributes["href"].removeprefix("#") for link in document.all("a")]
    assert len(links) == 5
    assert set(links) <= set(ids)


def test_images_have_alternative_texts_and_drawings_are_spoken(document: Element) -> None:
    assert all(image.attributes["alt"] for image in document.all("img"))
    spoken = [drawing.attributes["aria-label"] for drawing in document.all("svg", role="img")]
    assert len(spoken) == 5 * 4
    assert any("1 LOST" in words for words in spoken)


def test_counts_of_verdicts_are_those_of_the_tables(
    example_run: Path, example_page: Page, document: Element
) -> None:
    counted: Counter[str] = Counter()
    for path in example_run.glob("*_enhanced.fits"):
        counted.update(str(verdict) for verdict in fits.getdata(path, "SOURCES")["verdict"])
    assert example_page.verdicts == counted
    assert counted["LOST"] >= 1
    (choice,) = document.all("select")
    offered = {option.attributes["value"]: option.text for option in choice.all("option")}
    assert offered["LOST"] == f"LOST ({counted['LOST']})"
    for verdict, number in counted.items():
        # once in each of the four panels, once in the legend
        assert len(document.all("g", class_=f"v-{verdict}")) == 4 * number + 1


def test_an_erased_source_is_lost_in_the_row_and_on_the_panels(document: Element) -> None:
    row = row_of(document, "erased.fits")
    assert row.attributes["data-stat"] == "FAIL"
    assert "LOST" in row.attributes["data-verdicts"].split()
    assert cell_of(document, "erased.fits", "QANLOST").classes == ["FAIL"]
    assert "QANLOST✕" in cell_of(document, "erased.fits", "Why").text
    (article,) = document.all("article", id=row.attributes["data-panel"])
    lost = article.all("g", class_="v-LOST")
    assert len(lost) == 4
    # the star at (33.1, 14.6): half a pixel right of its zero-based column, rows counted from the bottom
    numbers = [float(n) for n in re.findall(r"[\d.]+", lost[0].all("path")[0].attributes["transform"])]
    assert numbers[0] == pytest.approx(33.6, abs=0.3)
    assert numbers[1] == pytest.approx(48 - 15.1, abs=0.3)


def test_colours_follow_the_checks(document: Element) -> None:
    assert cell_of(document, "dimmed.fits", "QAFLX").classes == ["FAIL"]
    assert cell_of(document, "ideal.fits", "QAFLX").classes == ["PASS"]
    assert cell_of(document, "ideal.fits", "QANLOST").classes == ["PASS"]
    assert cell_of(document, "ideal.fits", "QANIN").classes == []
    glyph = cell_of(document, "dimmed.fits", "QAFLX").all("i")[0]
    assert glyph.text == "✕"
    assert glyph.attributes["aria-label"] == "fail"


def test_what_fails_comes_first(document: Element) -> None:
    (table,) = document.all("table", id="cutouts")
    order = [int(row.children[1].attributes["data-v"]) for row in table.all("tbody")[0].all("tr")]  # type: ignore[union-attr]
    assert order == sorted(order)
    assert order[0] == 0


def test_names_are_escaped(example_page: Page, document: Element) -> None:
    assert "a&b <c>.fits" not in example_page.html
    assert any("a&b <c>.fits" in article.all("h3")[0].text for article in document.all("article"))


def test_failures_stand_at_the_top_with_their_reasons(document: Element) -> None:
    (section,) = document.all("section", class_="failures")
    assert "Failed files (1)" in section.text
    assert "torn.fits" in section.text
    assert "the file is cut short" in section.text
    assert "later.fits" not in section.text, "it came out in the end"


def test_provenance_names_stages_versions_and_hash(document: Element) -> None:
    panel = row_of(document, "ideal.fits").attributes["data-panel"]
    (article,) = document.all("article", id=panel)
    text = article.text
    assert "lanczos (lensproc==" in text
    assert "scale=2" in text
    assert "pixel scale 0.2″ (header CD)" in text
    assert re.search(r"[0-9a-f]{64}", text)
    assert "read again from ideal.fits (SHA-256 agrees)" in text


def test_only_the_worst_get_panels_where_there_are_too_many(example_run: Path) -> None:
    page = build_page(read_run(example_run), [example_run.parent / "in"], most=2)
    document = parse(page.html)
    assert (page.shown, page.left_out) == (2, 3)
    assert "Panels of the 2 worst of 5 cutouts" in document.text
    assert len(document.all("article")) == 2
    assert len(document.all("table", id="cutouts")[0].all("tbody")[0].all("tr")) == 5
    kept = {article.all("h3")[0].text.split(" [")[0] for article in document.all("article")}
    assert "ideal.fits" not in kept
    assert page.verdicts == build_page(read_run(example_run), []).verdicts


def test_a_run_without_images_has_a_table_and_says_so(tmp_path: Path) -> None:
    source = write_cutout(tmp_path / "lens.fits")
    arguments = [str(source), "-o", str(tmp_path / "out"), "--no-images", "--jobs", "1"]
    assert CliRunner().invoke(run_command, arguments).exit_code == 0
    path, page = write_page(tmp_path / "out")
    document = parse(path.read_text(encoding="utf-8"))
    assert (page.shown, page.left_out) == (0, 1)
    assert "1 cutouts have no output file in the folder" in document.text
    assert row_of(document, "lens.fits").attributes["data-stat"] != ""
    assert not document.all("article")


def test_a_run_without_checks_has_panels_without_colours(tmp_path: Path) -> None:
    source = write_cutout(tmp_path / "lens.fits")
    arguments = [str(source), "-o", str(tmp_path / "out"), "--checks", "none", "--jobs", "1"]
    assert CliRunner().invoke(run_command, arguments).exit_code == 0
    _, page = write_page(tmp_path / "out")
    document = parse(page.html)
    (article,) = document.all("article")
    titles = [caption.text for caption in article.all("figcaption")]
    assert titles == ["Input", "Output", "Difference H y − x", "Fidelity (x − H y)/σ"]
    assert "no FIDELITY plane in the output" in article.text
    assert page.without_input == 0, "the input lies beside the output folder"


def test_a_run_of_failures_only_has_a_page(tmp_path: Path) -> None:
    (tmp_path / "torn.fits").write_bytes(b"SIMPLE  =")
    arguments = [str(tmp_path / "torn.fits"), "-o", str(tmp_path / "out"), "--jobs", "1"]
    assert CliRunner().invoke(run_command, arguments).exit_code == 1
    _, page = write_page(tmp_path / "out")
    assert "torn.fits" in parse(page.html).all("section", class_="failures")[0].text


def test_a_damaged_output_costs_its_panels_only(example_run: Path, tmp_path: Path) -> None:
    import shutil

    out = tmp_path / "out"
    shutil.copytree(example_run, out)
    whole = (out / "ideal_enhanced.fits").read_bytes()
    (out / "ideal_enhanced.fits").write_bytes(whole[:100])
    page = build_page(read_run(out), [example_run.parent / "in"])
    document = parse(page.html)
    assert page.shown == 4
    assert any("No panels: ideal_enhanced.fits" in article.text for article in document.all("article"))


def test_the_command_writes_beside_the_run_and_says_what_it_did(example_run: Path, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    result = CliRunner().invoke(
        command,
        [str(example_run), "-o", str(page), "--input-dir", str(example_run.parent / "in"), "--max", "1"],
    )
    assert result.exit_code == 0, result.output
    assert "1 cutouts with panels, 4 in the table only" in result.output
    assert parse(page.read_text(encoding="utf-8")).all("article")


def test_the_same_run_gives_the_same_page(example_run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1767323045")
    run = read_run(example_run)
    assert build_page(run, [], 2).html == build_page(run, [], 2).html


def test_a_folder_that_is_no_run_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"holds neither catalog\.ecsv nor ledger\.jsonl"):
        write_page(tmp_path)
    with pytest.raises(InputError, match="is no folder"):
        write_page(tmp_path / "nowhere")


def test_a_missing_input_folder_is_wrong_usage(example_run: Path) -> None:
    with pytest.raises(UsageError, match="--input-dir nowhere is no folder"):
        write_page(example_run, input_dirs=["nowhere"])


def test_without_matplotlib_it_says_what_to_install(
    example_run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(UsageError, match=r"pip install 'lensproc\[plot\]'"):
        write_page(example_run)


def test_a_run_killed_before_its_catalogue_is_shown_from_the_ledger(
    example_run: Path, tmp_path: Path
) -> None:
    import shutil

    out = tmp_path / "out"
    shutil.copytree(example_run, out)
    (out / "catalog.ecsv").unlink()
    with (out / "ledger.jsonl").open("a") as ledger:
        ledger.write('{"file": "cut sh')
    page = build_page(read_run(out), [])
    assert page.shown == 5
    assert "no catalog.ecsv, the run did not end" in page.html
    assert page.without_input == 5
