"""What sections are made of: the figures on top, and tables that sort when a heading is pressed."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Figure:
    """One number to read first.

    Args:
        value: with its unit, as "83 %".
        meaning: in a few words.
        detail: what it is to be held against, as "training data 99 %".
    """

    value: str
    meaning: str
    detail: str = ""


@dataclass(frozen=True)
class Cell:
    """One cell of a table.

    Args:
        text: what is shown.
        key: what it sorts by; none is by the text, and an empty cell comes last either way.
        tone: "good", "bad" or neither.
        hint: shown when pointed at.
    """

    text: str
    key: float | None = None
    tone: str = ""
    hint: str = ""


@dataclass(frozen=True)
class Table:
    """Rows of cells under headings.

    Args:
        headings: one for each column.
        rows: of as many cells each; plain text will do.
        caption: what the table says and how it was made.
        words: headings of the columns that are text, and begin at the left.
        sortable: whether a heading that is pressed sorts the rows.
        name: of the table, for scripts.
        hints: what each heading means, shown when pointed at.
    """

    headings: Sequence[str]
    rows: Sequence[Sequence[Cell | str]]
    caption: str = ""
    words: Collection[str] = ("",)
    sortable: bool = True
    name: str = ""
    hints: Sequence[str] = field(default_factory=tuple)

    @property
    def cells(self) -> list[list[Cell]]:
        """The rows, every cell a `Cell`."""
        return [[cell if isinstance(cell, Cell) else Cell(cell) for cell in row] for row in self.rows]
