"""A page of molecules to look at: each one flat, as a chemist writes it, above the same one in space."""

import base64
import io
import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from html import escape
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont
from rdkit import Chem, rdBase
from rdkit.Chem import rdDepictor
from rdkit.Chem.Draw import rdMolDraw2D

from scidiff.molecules import ballstick
from scidiff.molecules.chemistry import Unsound, radicals, sanitise, to_rdkit
from scidiff.molecules.distances import bond_orders
from scidiff.molecules.molecule import Molecule
from scidiff.store.atomic import whole
from scidiff.store.errors import UserError

WIDTH, FLAT, SOLID, CAPTION, GAP = 270, 158, 200, 64, 14  # of a card and its strips, in points
FINE = 2  # pixels a point
INK, GREY, RED, LINE = "#22262c", "#7b828c", "#b3372f", "#e3e4e2"
PAPER = "#" + "".join(f"{round(255 * c):02x}" for c in ballstick.PAPER)
SUBSCRIPTS = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")
SUPERSCRIPTS = str.maketrans("0123456789+-", "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻")


def draw_grid(
    molecules: Sequence[Molecule],
    path: str | Path,
    columns: int = 5,
    overwrite: bool = False,
    progress: Callable[[int], None] | None = None,
) -> Path:
    """Draw molecules, row by row, and write the page whole or not at all.

    A molecule that does not sanitise is drawn all the same, marked, with the reason; one without bonds gets those its
    distances suggest.

    Args:
        molecules: at least one.
        path: ends in .png or .svg.
        columns: cards in a row.
        overwrite: write over an existing file.
        progress: called with the number of molecules drawn so far.

    Raises:
        UserError: another ending, no molecules, fewer than one column, or the file cannot be written.
    """
    path = Path(path)
    pages = {".png": _png, ".svg": _svg}
    if path.suffix.lower() not in pages:
        raise UserError(f"{path}: a picture ends in .png or .svg.")
    if not molecules or columns < 1:
        raise UserError("A picture needs at least one molecule and one column.")
    with whole(path, overwrite) as temporary, rdBase.BlockLogs():
        cards = [Card.of(molecule) for molecule in molecules]
        temporary.write_bytes(pages[path.suffix.lower()](cards, min(columns, len(cards)), progress or _unwatched))
    return path


def _unwatched(done: int) -> None:
    pass


def formula(molecule: Molecule) -> str:
    """Hill formula with its total charge, as C₇H₁₀O₂ or H₄N⁺."""
    counts = Counter(Chem.GetPeriodicTable().GetElementSymbol(int(number)) for number in molecule.numbers)
    first = [symbol for symbol in "CH" if "C" in counts and symbol in counts]
    order = first + sorted(set(counts) - set(first))
    sizes = {symbol: str(count).translate(SUBSCRIPTS) if count > 1 else "" for symbol, count in counts.items()}
    body = "".join(symbol + sizes[symbol] for symbol in order)
    charge = int(np.sum(molecule.charges))
    size = str(abs(charge)) if abs(charge) > 1 else ""
    return body + (f"{size}{'+' if charge > 0 else '-'}".translate(SUPERSCRIPTS) if charge else "")


@dataclass(frozen=True)
class Card:
    """One molecule, ready to draw.

    Attributes:
        molecule: with bonds.
        flat: the same for RDKit, with the hydrogens a chemist leaves out left out and places on the page.
        title, detail: the two lines below.
        fault: why it does not sanitise, or empty.
    """

    molecule: Molecule
    flat: Chem.Mol
    title: str
    detail: str
    fault: str

    @classmethod
    def of(cls, molecule: Molecule) -> "Card":
        guessed = molecule.bonds is None
        if guessed:
            molecule = replace(molecule, bonds=_bonds_by_distance(molecule))
        mol, fault = _checked(molecule)
        flat = _flatten(mol, sound=not fault)
        detail = fault or Chem.MolToSmiles(flat)
        title = " · ".join([formula(molecule), *_remarks(mol, guessed)])
        return cls(molecule, flat, title, detail, fault)

    def solid(self) -> Image.Image:
        """The molecule in space."""
        pixels = ballstick.draw(self.molecule, WIDTH * FINE, SOLID * FINE, closest=29 * FINE, sharpness=2)
        return Image.fromarray(pixels)


def _remarks(mol: Chem.Mol, guessed: bool) -> list[str]:
    """What a chemist should know besides the formula."""
    pieces, unpaired = len(Chem.GetMolFrags(mol)), radicals(mol)
    found = {"bonds by distance": guessed, f"{pieces} pieces": pieces > 1, "radical": unpaired > 0}
    return [remark for remark, holds in found.items() if holds]


def _checked(molecule: Molecule) -> tuple[Chem.Mol, str]:
    """Its RDKit twin, sanitised where it can be, and why not where it cannot."""
    mol = to_rdkit(molecule)
    try:
        return sanitise(mol), ""
    except Unsound as error:
        return mol, str(error)


def _bonds_by_distance(molecule: Molecule) -> np.ndarray:
    orders = np.triu(bond_orders(molecule.numbers, molecule.positions))
    return np.column_stack([*np.nonzero(orders), orders[np.nonzero(orders)]])


def _flatten(mol: Chem.Mol, sound: bool) -> Chem.Mol:
    """Places on the page, without the hydrogens a chemist leaves out."""
    if sound:
        mol = Chem.RemoveHs(mol)
    else:
        mol = Chem.RemoveHs(mol, sanitize=False)
        mol.UpdatePropertyCache(strict=False)
        Chem.FastFindRings(mol)
    rdDepictor.Compute2DCoords(mol)
    rdDepictor.StraightenDepiction(mol)
    return rdMolDraw2D.PrepareMolForDrawing(mol, kekulize=sound, addChiralHs=False, forceCoords=False)


def draw_flat(drawer: rdMolDraw2D.MolDraw2D, mol: Chem.Mol, fine: int) -> str | bytes:
    """The molecule of `Card.flat` as a chemist writes it, `fine` pixels a point, on no background."""
    options = drawer.drawOptions()
    options.prepareMolsBeforeDrawing = False
    options.clearBackground = False
    options.bondLineWidth = 1.5 * fine
    options.scaleBondWidth = False
    options.fixedBondLength = 27 * fine
    options.minFontSize, options.maxFontSize = 7 * fine, 13 * fine
    options.additionalAtomLabelPadding = 0.06
    options.padding = 0.1
    options.flagCloseContactsDist = -1  # no red boxes: the mark on the card says it already
    options.updateAtomPalette({number: tuple(_inked(number)) for number in ballstick.COLOURS})
    drawer.DrawMolecule(mol)
    drawer.FinishDrawing()
    return drawer.GetDrawingText()


def _inked(number: int) -> np.ndarray:
    """The colour of an element, dark enough for thin lines on paper."""
    return ballstick.colour(number) * (0.78 if number not in (1, 6) else 0.36)


def _png(cards: list[Card], columns: int, progress: Callable[[int], None]) -> bytes:
    page = Image.new("RGB", [FINE * side for side in _page_size(len(cards), columns)], PAPER)
    pen = ImageDraw.Draw(page)
    for done, (card, (x, y)) in enumerate(zip(cards, _corners(len(cards), columns), strict=True), start=1):
        drawer = rdMolDraw2D.MolDraw2DCairo(WIDTH * FINE, FLAT * FINE)
        flat = Image.open(io.BytesIO(draw_flat(drawer, card.flat, FINE)))
        page.paste(flat, (x * FINE, y * FINE), flat)
        page.paste(card.solid(), (x * FINE, (y + FLAT) * FINE))
        for text, middle, size, shade in _lines(card):
            place = ((x + WIDTH / 2) * FINE, (y + middle) * FINE)
            pen.text(place, text, fill=shade, font=_font(size * FINE), anchor="mm")
        _frame(pen, card, x, y)
        progress(done)
    page_bytes = io.BytesIO()
    page.save(page_bytes, "png")
    return page_bytes.getvalue()


def _frame(pen: ImageDraw.ImageDraw, card: Card, x: int, y: int) -> None:
    box = [x * FINE, y * FINE, (x + WIDTH) * FINE, (y + FLAT + SOLID + CAPTION) * FINE]
    pen.rounded_rectangle(box, radius=8 * FINE, outline=RED if card.fault else LINE, width=FINE)


def _svg(cards: list[Card], columns: int, progress: Callable[[int], None]) -> bytes:
    width, height = _page_size(len(cards), columns)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" '
        f'viewBox="0 0 {width} {height}" width="{width}" height="{height}" font-family="DejaVu Sans, sans-serif">',
        f'<rect width="100%" height="100%" fill="{PAPER}"/>',
    ]
    for done, (card, (x, y)) in enumerate(zip(cards, _corners(len(cards), columns), strict=True), start=1):
        parts.append(f'<g transform="translate({x} {y})">{_svg_card(card)}</g>')
        progress(done)
    return "\n".join([*parts, "</svg>\n"]).encode()


def _svg_card(card: Card) -> str:
    flat = draw_flat(rdMolDraw2D.MolDraw2DSVG(WIDTH, FLAT), card.flat, 1)
    inner = re.sub(r"<\?xml.*?\?>|<!--.*?-->", "", flat, flags=re.DOTALL).strip()
    pixels = io.BytesIO()
    card.solid().save(pixels, "png")
    image = base64.b64encode(pixels.getvalue()).decode()
    texts = "".join(
        f'<text x="{WIDTH / 2}" y="{middle}" font-size="{size}" fill="{shade}" text-anchor="middle" '
        f'dominant-baseline="central">{escape(text)}</text>'
        for text, middle, size, shade in _lines(card)
    )
    return (
        f'{inner}<image y="{FLAT}" width="{WIDTH}" height="{SOLID}" href="data:image/png;base64,{image}"/>{texts}'
        f'<rect width="{WIDTH}" height="{FLAT + SOLID + CAPTION}" rx="8" fill="none" '
        f'stroke="{RED if card.fault else LINE}"/>'
    )


def _lines(card: Card) -> list[tuple[str, float, int, str]]:
    """The caption: text, middle below the card's top, size, colour."""
    top = FLAT + SOLID
    title, detail = (f"✗ {card.title}", RED) if card.fault else (card.title, GREY)
    small = [(text, top + 36 + 13 * k, 9, detail) for k, text in enumerate(_broken(card.detail, 9))]
    return [(title, top + 14, 13, RED if card.fault else INK), *small]


def _broken(text: str, size: int) -> list[str]:
    """The text on one line, or two where it needs them, ending in an ellipsis where even two are too short."""
    first = _fitting(text, size)
    if first == text:
        return [text]
    if " " in first:
        first = first[: first.rindex(" ")]
    rest = text[len(first) :].strip()
    second = _fitting(rest, size)
    return [first, second if second == rest else f"{second[:-1]}…"]


def _fitting(text: str, size: int) -> str:
    """As much of the text, from its beginning, as one line of a card holds."""
    while _font(size).getlength(text) > WIDTH - 24:
        text = text[:-1]
    return text


@cache
def _font(size: int) -> ImageFont.FreeTypeFont:
    import matplotlib  # travels with a font that has the subscripts

    return ImageFont.truetype(str(Path(matplotlib.get_data_path()) / "fonts/ttf/DejaVuSans.ttf"), size)


def _page_size(count: int, columns: int) -> tuple[int, int]:
    rows = -(-count // columns)
    return columns * (WIDTH + GAP) + GAP, rows * (FLAT + SOLID + CAPTION + GAP) + GAP


def _corners(count: int, columns: int) -> list[tuple[int, int]]:
    height = FLAT + SOLID + CAPTION
    return [(GAP + k % columns * (WIDTH + GAP), GAP + k // columns * (height + GAP)) for k in range(count)]
