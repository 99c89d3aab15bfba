"""A model card in Markdown, made from the model file's own header, so that the two cannot disagree."""

from collections.abc import Iterator, Mapping
from typing import Any

from scidiff.molecules.evaluate.report import SECTIONS, shown


def judged(header: Mapping[str, Any], metrics: Mapping[str, Any], sampling: Mapping[str, Any]) -> dict[str, Any]:
    """The header with one more column of figures; an older one of the same number of steps gives way.

    Args:
        metrics: what `evaluate` returned.
        sampling: how the molecules were made: `steps`, and what else is worth telling (seed, molecules_per_second).
    """
    kept = [each for each in header.get("judged", []) if each["sampling"]["steps"] != sampling["steps"]]
    columns = [*kept, {"sampling": dict(sampling), "metrics": dict(metrics)}]
    columns.sort(key=lambda column: column["sampling"]["steps"])
    default = header["config"]["sampler"]["steps"]
    best = next((c["metrics"] for c in columns if c["sampling"]["steps"] == default), columns[0]["metrics"])
    rates = {key: value for key, value in best.items() if isinstance(value, int | float)}
    return {**header, "metrics": rates, "judged": columns}


def card(header: Mapping[str, Any], parameters: int) -> str:
    """The card of a model: what it makes, from what, how it was trained and judged, how to use it."""
    rooms = (_title(header, parameters), _data(header), _training(header), _figures(header), _use(header))
    return "\n\n".join(rooms) + "\n"


def _title(header: Mapping[str, Any], parameters: int) -> str:
    elements, sizes = ", ".join(header["vocabulary"]["elements"]), [int(n) for n in header["sizes"]]
    return (
        f"# {header['name']}\n\nMakes molecules in 3D with all hydrogens, bonds and formal charges, from the elements "
        f"{elements}, of {min(sizes)} to {max(sizes)} atoms.\n{parameters / 1e6:.1f} M parameters; scidiff "
        f"{header['version']}."
    )


def _data(header: Mapping[str, Any]) -> str:
    data = header["data"]
    words = f"{data['n']:,} training molecules of {data['name']} (licence: {data['licence']})."
    words = f"{words} {data.get('note', '')}".rstrip()
    return f"## Data\n\n{words}\n\nSHA-256 of their atoms and positions: `{data['sha256']}`."


def _training(header: Mapping[str, Any]) -> str:
    rows = {**header.get("training", {}), "seed": header["seed"]}
    return "## Training\n\n" + _table(["", ""], ([key.replace("_", " "), str(value)] for key, value in rows.items()))


def _figures(header: Mapping[str, Any]) -> str:
    columns = header.get("judged", [])
    if not columns:
        return "## How good it is\n\nNot measured."
    first = columns[0]["metrics"]
    versions = ", ".join(f"{name} {version}" for name, version in first["versions"].items())
    heads = ["", *(f"{each['sampling']['steps']} steps" for each in columns), "training data"]
    return (
        f"## How good it is\n\n{_table(heads, _rows(columns, first.get('reference', {})))}\n\n"
        f"Rates are fractions of all that was generated. {versions}."
    )


def _rows(columns: list[Mapping[str, Any]], data: Mapping[str, Any]) -> Iterator[list[str]]:
    """What was sampled, then every figure that was made, in the order of trust."""
    for key in dict.fromkeys(key for each in columns for key in each["sampling"] if key != "steps"):
        yield [key.replace("_", " "), *(str(each["sampling"].get(key, "")) for each in columns), ""]
    yield ["molecules judged", *(f"{each['metrics']['n']:,}" for each in columns), f"{data.get('n', 0):,}"]
    for heading, figures in SECTIONS.items():
        made = [(key, words) for key, words in figures if any(each["metrics"].get(key) for each in columns)]
        yield from ([[f"**{heading}**", *[""] * (len(columns) + 1)]] if made else [])
        for key, words in made:
            ours = (shown(key, each["metrics"].get(key), each["metrics"]["n"]) for each in columns)
            yield [words.strip(), *ours, shown(key, data.get(key))]


def _use(header: Mapping[str, Any]) -> str:
    name = header["name"]
    return (
        f"## Use\n\n    scidiff generate model={name} n=1000 out=molecules.sdf\n"
        f"    scidiff evaluate input=molecules.sdf reference={name}\n\n"
        "It makes molecules like its training data: equilibrium geometries in vacuum, of these elements and sizes.\n"
        "It knows nothing of activity, synthesis or toxicity."
    )


def _table(heads: list[str], rows: Any) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
