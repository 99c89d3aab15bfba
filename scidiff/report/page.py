"""The page itself: what to know first, then the sections, in one file.

Nothing is fetched, and the file makes sure of it: its Content-Security-Policy forbids every connection and every script
but those that are named in it by their SHA-256. So neither a molecule's title nor a file's name can run anything.
"""

import base64
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from markupsafe import Markup

import scidiff
from scidiff.report.parts import Figure, Table
from scidiff.report.template import render, text
from scidiff.store.atomic import whole

POLICY = "default-src 'none'; img-src data: blob:; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"


@dataclass(frozen=True)
class Section:
    """One part of the page.

    Args:
        name: short, of letters; where links lead to.
        heading: of the part.
        figures: what to read first, best first.
        beware: sentences on what to be careful with.
        body: pictures and charts.
        tables: of all figures.
        data: name -> what `pack` made of it, for the scripts.
        styles, scripts: paths below the package; two sections may name the same one.
        facts: how it was made, name -> value.
    """

    name: str
    heading: str
    figures: Sequence[Figure] = ()
    beware: Sequence[str] = ()
    body: Markup = field(default_factory=Markup)
    tables: Sequence[Table] = ()
    data: Mapping[str, str] = field(default_factory=dict)
    styles: Sequence[str] = ()
    scripts: Sequence[str] = ()
    facts: Mapping[str, str] = field(default_factory=dict)


def page(title: str, sections: Sequence[Section]) -> str:
    """The whole page as HTML."""
    styles = dict.fromkeys(["report/assets/page.css", *(path for part in sections for path in part.styles)])
    scripts = dict.fromkeys(["report/assets/page.js", *(path for part in sections for path in part.scripts)])
    sources = [text(path).replace("</script", "<\\/script") for path in scripts]
    return render(
        "report/assets/page.html",
        title=title,
        sections=sections,
        styles=[Markup(text(path)) for path in styles],
        scripts=[Markup(source) for source in sources],
        policy=f"{POLICY}; script-src {' '.join(map(_named, sources))}",
        version=scidiff.__version__,
    )


def write(path: str | Path, title: str, sections: Sequence[Section], overwrite: bool = False) -> Path:
    """Write the page whole or not at all.

    Raises:
        UserError: the file exists already or cannot be written.
    """
    with whole(path, overwrite) as temporary:
        temporary.write_text(page(title, sections), encoding="utf-8", newline="\n")
    return Path(path)


def _named(script: str) -> str:
    """How a policy names a script that may run."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'"
