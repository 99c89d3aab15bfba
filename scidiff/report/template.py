"""HTML from templates beside the code; whatever is put into one is escaped unless it is Markup already."""

from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

PACKAGE = Path(__file__).parents[1]


def render(template: str, **given: Any) -> Markup:
    """Fill in a template.

    Args:
        template: its path below the package, such as "report/assets/page.html".
        given: what it names.
    """
    return Markup(_environment().get_template(template).render(**given))


def text(path: str) -> str:
    """A style or a script, by its path below the package."""
    return (PACKAGE / path).read_text(encoding="utf-8")


@cache
def _environment() -> Environment:
    return Environment(
        loader=FileSystemLoader(PACKAGE),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
