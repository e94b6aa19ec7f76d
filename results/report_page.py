"""Writes the page of a report from its document: the same document gives the same bytes.

Asks no store anything. All that the page shows is computed from the document, which the page holds
itself, so a page can be verified by whoever has the store.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping
from datetime import datetime
from importlib import metadata
from pathlib import Path
from typing import Any, Final

import jinja2
from markupsafe import Markup

from results.errors import ReportError
from results.report_figures import FORMAT, Document
from results.report_findings import facts, standing
from results.report_sections import sections
from results.report_svg import to_svg
from results.report_words import headline

__all__ = ["document_of", "render"]

_FOLDER: Final = Path(__file__).with_name("page")
_BEGIN: Final = '<script type="application/json" id="data">'
_END: Final = "</script>"


def render(document: Document, *, figures: str) -> str:
    """The page.

    Args:
        document: what `collect` gathered.
        figures: folder beside the page that holds PNG and CSV of each figure.
    """
    title, lede = headline(document)
    when = datetime.fromisoformat(document["as_of"])
    return _template().render(
        document=document,
        title=title,
        lede=lede,
        notes=standing(document),
        facts=facts(document),
        sections=sections(document),
        when=f"{when.day} {when:%B %Y, %H:%M:%S} UTC",
        figures=figures,
        svg=lambda scene: Markup(to_svg(scene)),
        data=Markup(_embedded({**document, "figures_folder": figures})),
        style=Markup(_part("style.css")),
        script=Markup(_part("tips.js")),
    )


def document_of(page: str, *, name: str) -> tuple[Document, str]:
    """The document that a page holds, and its folder of figures.

    Raises:
        ReportError: the page holds none, or one of another format.
    """
    _, begun, rest = page.partition(_BEGIN)
    text, ended, _ = rest.partition(_END)
    try:
        document: Document = json.loads(text) if begun and ended else {}
    except ValueError:
        document = {}
    if not isinstance(document, Mapping) or document.get("format") != FORMAT:
        own = f"cliffsweep {metadata.version('cliffsweep')}"
        raise ReportError(
            f"{name}: a page that `cliffsweep report` of this version wrote is needed ({own}), got "
            f"{_writer(document)}. Verify it with the version that wrote it, or write it again."
        )
    return document, str(document.pop("figures_folder", "figures"))


def _writer(document: object) -> str:
    """Who wrote a document that is not one of this version."""
    written = document.get("cliffsweep") if isinstance(document, Mapping) else None
    if not isinstance(written, str):
        return "none"
    return f"one of cliffsweep {' '.join(written.split())[:40]}"


def _embedded(document: Mapping[str, Any]) -> str:
    """JSON that cannot end its script element, whatever users wrote."""
    text = json.dumps(document, allow_nan=False, separators=(",", ":"))
    for sign in "<>&":
        text = text.replace(sign, f"\\u{ord(sign):04x}")
    return text


def _part(name: str) -> str:
    return (_FOLDER / name).read_text(encoding="utf-8")


@functools.cache
def _template() -> jinja2.Template:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_FOLDER),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    return environment.get_template("report.html.j2")
