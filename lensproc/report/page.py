"""One self-contained HTML page of a run: no file beside it, nothing from a network."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape
from importlib.resources import files
from pathlib import Path
from string import Template

from lensproc.contract.registry import load_registry
from lensproc.errors import InputError
from lensproc.fits.atomic import atomic_write
from lensproc.fits.provenance import timestamp
from lensproc.report.folder import Entry, RunFolder, read_run
from lensproc.report.history import chain_in_words
from lensproc.report.judgement import SEVERITY, badness, states_of
from lensproc.report.original import compare, search_folders
from lensproc.report.output import Source, read_output, read_sources
from lensproc.report.overlay import VERDICTS, legend_marker, verdict_css
from lensproc.report.panels import cutout_html, unavailable_html
from lensproc.report.stretch import BRIGHT, DIVERGING, gradient, require_matplotlib
from lensproc.report.summary import summary_plots
from lensproc.report.table import head_html, row_html, value_columns

NAME = "report.html"
MOST_PANELS = 200
"""Cutouts with panels on a page, by default; the table has all."""


@dataclass(frozen=True)
class Page:
    """A page, and what it shows.

    Parameters
    ----------
    html : str
        The page.
    shown, left_out : int
        Cutouts with panels, and cutouts in the table only.
    verdicts : Counter of str
        Sources of all cutouts by verdict.
    without_input : int
        Cutouts shown whose input file was not found.
    """

    html: str
    shown: int
    left_out: int
    verdicts: Counter[str]
    without_input: int


def write_page(
    folder: Path,
    destination: Path | None = None,
    input_dirs: Sequence[str] = (),
    most: int = MOST_PANELS,
    observe: Callable[[int, int], None] | None = None,
) -> tuple[Path, Page]:
    """Write the page of a run.

    Parameters
    ----------
    folder : Path
        Output folder of ``lensproc run``.
    destination : Path, optional
        The page; ``report.html`` in the folder by default.
    input_dirs : sequence of str
        Where to look for the inputs; the parent of `folder` by default.
    most : int
        Cutouts to show panels of, worst first.
    observe : callable, optional
        Called with the number done and the number to do, as cutouts are drawn.

    Raises
    ------
    UsageError
        Where matplotlib is missing, or a folder given does not exist.
    InputError
        Where `folder` is not that of a run.
    OutputError
        Where the page cannot be written.
    """
    require_matplotlib()
    run = read_run(folder)
    page = build_page(run, search_folders(input_dirs, folder), most, observe)
    path = destination or folder / NAME
    atomic_write(path, page.html.encode("utf-8"))
    return path, page


def build_page(
    run: RunFolder,
    input_folders: Sequence[Path],
    most: int = MOST_PANELS,
    observe: Callable[[int, int], None] | None = None,
) -> Page:
    """Put the page of a run together; see `write_page`."""
    rough = sorted(run.entries, key=lambda entry: badness(entry, states_of(entry)))
    names = value_columns(run.columns or dict.fromkeys(n for entry in run.entries for n in entry.values))
    units = {name: unit for name, (unit, _) in run.columns.items()}
    registry = load_registry()
    rows, articles = [], []
    verdicts: Counter[str] = Counter()
    chains: Counter[str] = Counter()
    shown = without_input = 0
    for number, entry in enumerate(rough):
        states = states_of(entry)
        sources: tuple[Source, ...] = ()
        anchor = None
        path = run.path / entry.text("LPOUT")
        has_file = bool(entry.text("LPOUT")) and path.is_file()
        try:
            if has_file and shown < most:
                output = read_output(path)
                compared = compare(output, input_folders, registry)
                states = states_of(entry, output.chance)
                anchor, sources = f"c{number + 1}", output.sources
                without_input += compared.original is None or compared.reconstructed
                articles.append(cutout_html(entry, output, compared, states, units, anchor))
                chains[chain_in_words(output)] += 1
                shown += 1
                if observe is not None:
                    observe(shown, min(most, len(rough)))
            elif has_file:
                sources = read_sources(path)
        except InputError as error:
            anchor = f"c{number + 1}"
            articles.append(unavailable_html(entry, str(error), anchor))
        found = [source.verdict for source in sources]
        verdicts.update(found)
        rows.append(row_html(entry, states, names, run.columns, found, anchor))
    left_out = len(rough) - shown
    html = _template("page.html").substitute(
        title=escape(f"{run.path.resolve().name}: lensproc report"),
        heading=escape(run.path.resolve().name),
        css=_text("page.css") + verdict_css(),
        bright=gradient(BRIGHT),
        diverging=gradient(DIVERGING),
        js=_text("page.js"),
        made=escape(timestamp()),
        chains=escape("; ".join(f"{chain} ({count})" for chain, count in chains.most_common())),
        counts=_counts(run, verdicts),
        failures=_failures(run),
        notes=_notes(run, shown, left_out, most, without_input),
        plots=_plots(run.entries, verdicts),
        filters=_filters(run.entries, verdicts),
        legend=_legend(),
        head=head_html(names, run.columns),
        rows="\n".join(rows),
        articles="\n".join(articles),
    )
    return Page(html, shown, left_out, verdicts, without_input)


def _text(name: str) -> str:
    return files("lensproc.report").joinpath("templates", name).read_text(encoding="utf-8")


def _template(name: str) -> Template:
    return Template(_text(name))


def _counts(run: RunFolder, verdicts: Counter[str]) -> str:
    counted = Counter(entry.text("QASTAT") for entry in run.entries)
    parts = [f"<li><b>{len(run.entries)}</b> cutouts</li>"]
    for status in SEVERITY:
        if counted[status]:
            name = status or "not checked"
            parts.append(f'<li><b>{counted[status]}</b> <span class="chip {status}">{name}</span></li>')
    parts.append(f"<li><b>{verdicts.total()}</b> sources</li>")
    if run.failures:
        parts.append(f'<li><b>{len(run.failures)}</b> <span class="chip FAIL">files failed</span></li>')
    return "".join(parts)


def _failures(run: RunFolder) -> str:
    if not run.failures:
        return ""
    rows = "".join(
        f'<tr><th scope="row">{escape(failure.file)}</th><td>{failure.status}</td>'
        f"<td>{'<br>'.join(escape(reason) for reason in failure.reasons)}</td><td>{escape(failure.time)}</td></tr>"
        for failure in run.failures
    )
    head = "<tr><th>File</th><th>Status</th><th>Reason</th><th>Time (UTC)</th></tr>"
    return (
        f'<section class="failures"><h2>Failed files ({len(run.failures)})</h2><div class="scroll">'
        f"<table><thead>{head}</thead><tbody>{rows}</tbody></table></div></section>"
    )


def _notes(run: RunFolder, shown: int, left_out: int, most: int, without_input: int) -> str:
    notes = list(run.notes)
    if left_out and shown >= most:
        notes.append(
            f"Panels of the {shown} worst of {shown + left_out} cutouts; the other {left_out} are in the "
            "table only (--max shows more)."
        )
    elif left_out:
        notes.append(f"{left_out} cutouts have no output file in the folder: no panels.")
    if without_input:
        notes.append(
            f"The input file of {without_input} cutouts was not found; --input-dir says where the inputs are."
        )
    return "".join(f'<p class="notice">{escape(note)}</p>' for note in notes)


def _plots(entries: Sequence[Entry], verdicts: Counter[str]) -> str:
    return "".join(
        f'<img src="{plot.uri}" alt="{escape(plot.alt)}" title="{escape(plot.alt)}" width="336" height="232">'
        for plot in summary_plots(entries, verdicts)
    )


def _filters(entries: Sequence[Entry], verdicts: Counter[str]) -> str:
    counted = Counter(entry.text("QASTAT") for entry in entries)
    boxes = "".join(
        f'<label><input type="checkbox" name="stat" value="{status}" checked> {status or "not checked"}'
        f" ({counted[status]})</label>"
        for status in SEVERITY
        if counted[status]
    )
    options = "".join(f'<option value="{name}">{name} ({verdicts[name]})</option>' for name in VERDICTS)
    return (
        f"<fieldset><legend>QASTAT</legend>{boxes}</fieldset>"
        f'<label>Name <input type="search" name="find" placeholder="part of a name"></label>'
        '<label>With a source <select name="verdict"><option value="">any or none</option>'
        f"{options}</select></label>"
    )


def _legend() -> str:
    return "".join(
        f"<li>{legend_marker(name)} <b>{name}</b> {escape(meaning)}</li>"
        for name, (_, _, meaning) in VERDICTS.items()
    )
