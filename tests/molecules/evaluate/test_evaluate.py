"""The front door: denominators, streaming, guarded processes, the screen."""

import json
from dataclasses import replace

import numpy as np
import pytest

from scidiff.molecules import crew
from scidiff.molecules.evaluate import DEFAULT, PROTOCOLS, build, evaluate, table
from scidiff.molecules.evaluate.judgement import Judgement
from scidiff.molecules.evaluate.pool import judge_all
from scidiff.store.errors import UserError

QUICK = ("strict", "midi", "edm", "novelty")


@pytest.fixture(scope="module")
def molecules(of):
    return [of(smiles) for smiles in ("CCO", "CCN", "c1ccccc1", "CC(=O)N")]


def rates(figures: dict) -> dict:
    return {key: value for key, value in figures.items() if "/" in key}


def test_broken_records_count_as_generated(molecules):
    whole, half = evaluate(molecules, processes=0), evaluate([*molecules, *[None] * 4], processes=0)
    assert half["n"] == 8
    assert half["n_unreadable"] == 4
    for key, value in rates(whole).items():
        per_valid = key.endswith("/uniqueness")
        if not key.startswith("strict/reason"):
            assert half[key] == pytest.approx(value if per_valid else value / 2), key


def test_order_of_records_and_of_atoms_does_not_matter(molecules):
    generator = np.random.default_rng(0)

    def shuffled(molecule):
        order = generator.permutation(len(molecule))
        ends = np.sort(np.argsort(order)[molecule.bonds[:, :2]], axis=1)
        return replace(
            molecule,
            numbers=molecule.numbers[order],
            positions=molecule.positions[order],
            charges=molecule.charges[order],
            bonds=np.column_stack([ends, molecule.bonds[:, 2]]),
        )

    other = [shuffled(molecule) for molecule in reversed(molecules)]
    assert rates(evaluate(other, processes=0)) == pytest.approx(rates(evaluate(molecules, processes=0)))


def test_the_dictionary_is_flat_and_fit_for_json(molecules):
    reference = build(molecules, "four", processes=0)
    figures = evaluate([*molecules, None], reference, processes=0)
    assert json.loads(json.dumps(figures, allow_nan=False)) == figures
    assert {key.split("/")[0] for key in rates(figures)} == set(DEFAULT)
    assert set(figures["versions"]) == {"rdkit", "posebusters", "scidiff"}


def test_molecules_are_streamed(molecules):
    """The tenth is asked for only after the first has been judged."""
    asked = []

    def stream():
        for k in range(10):
            asked.append(k)
            yield molecules[k % 4]

    judged = judge_all(stream(), ("edm",), processes=0)
    next(judged)
    assert len(asked) == 1


def test_progress_and_each(molecules):
    done, seen = [], []
    evaluate([*molecules, None], protocols=["edm"], processes=0, progress=done.append, each=seen.append)
    assert done == [1, 2, 3, 4, 5]
    assert all(isinstance(judgement, Judgement) for judgement in seen)
    assert seen[-1].fault


def test_mistakes_are_told(molecules):
    with pytest.raises(UserError, match="no molecules to evaluate"):
        evaluate([], processes=0)
    with pytest.raises(UserError, match="Did you mean 'strict'"):
        evaluate(molecules, protocols=["strickt"], processes=0)


def test_a_protocol_that_gives_up_fails_one_molecule(molecules, monkeypatch):
    strict = PROTOCOLS["strict"]

    def sometimes(subject):
        if len(subject.molecule) == 12:
            raise ZeroDivisionError("of all things")
        return strict.inspect(subject)

    monkeypatch.setitem(PROTOCOLS, "strict", replace(strict, inspect=sometimes))
    seen = []
    figures = evaluate(molecules, protocols=["strict"], processes=0, each=seen.append)
    assert figures["strict/valid_connected"] == 3 / 4
    assert figures["strict/reason/other"] == 1 / 4
    assert [bool(judgement.fault) for judgement in seen] == [False, False, True, False]


def test_other_processes_say_the_same(molecules):
    records = [*molecules, None, *molecules]
    assert evaluate(records, protocols=QUICK, processes=2) == evaluate(records, protocols=QUICK, processes=0)


class Harmful:
    """Positions that do something when they are looked at, in whatever process that is."""

    def __init__(self, act: str) -> None:
        self.act = act

    def __reduce__(self):
        return eval, (f"type('Harmful', (), {{'__array__': lambda self, *a, **k: {self.act}}})()",)


def test_a_process_that_dies_or_hangs_costs_one_record(molecules):
    """Of twenty records one kills the process that looks at it and one never ends."""
    records = [replace(molecules[k % 4], name=str(k)) for k in range(20)]
    records[3] = replace(records[3], positions=Harmful("__import__('os')._exit(1)"))
    records[17] = replace(records[17], positions=Harmful("__import__('time').sleep(1000)"))
    judged = list(judge_all(records, ("strict",), processes=1, patience=3.0))
    assert [judgement.name for judgement in judged] == [record.name for record in records]
    assert [judgement.name for judgement in judged if "crash" in judgement.fault] == ["3"]
    assert [judgement.name for judgement in judged if "longer" in judgement.fault] == ["17"]
    assert sum(bool(judgement.facts.get("strict/valid_connected")) for judgement in judged) == 18


def test_a_reader_that_stops_leaves_no_process(molecules):
    """Neither an error in the stream nor a caller who has seen enough."""

    def stream():
        yield from molecules * 40
        raise UserError("the file is cut short")

    with pytest.raises(UserError, match="cut short"):
        evaluate(stream(), protocols=["edm"], processes=1)
    judged = judge_all(molecules * 40, ("edm",), processes=1)
    next(judged)
    judged.close()


def test_a_process_that_cannot_start_is_told(monkeypatch, molecules, tmp_path):
    interpreter = tmp_path / "python"
    interpreter.write_text("#!/bin/sh\necho 'no scidiff here' >&2\nexit 1\n")
    interpreter.chmod(0o755)
    monkeypatch.setattr(crew.sys, "executable", str(interpreter))
    with pytest.raises(RuntimeError, match=r"could not start.*no scidiff here"):
        list(judge_all(molecules[:1], ("strict",), processes=1, patience=5.0))


def test_the_screen(molecules, capsys):
    """Trust first, percent with its error, the reference beside, number and versions at the foot."""
    from rich.console import Console

    reference = build(molecules, "four", processes=0)
    metrics = evaluate([*molecules, None], reference, processes=0)
    Console(width=120).print(table(metrics))
    screen = capsys.readouterr().out
    assert screen.index("One whole") < screen.index("PoseBusters") < screen.index("training") < screen.index("EDM")
    assert "80.0 \u00b1 17.9 %" in screen  # sqrt(0.8 0.2 / 5)
    assert "four" in screen
    assert "5 molecules generated (1 unreadable)" in screen
    assert metrics["versions"]["rdkit"] in screen


def test_nearly_all_is_not_all():
    from scidiff.molecules.evaluate.report import shown

    assert shown("midi/validity", 0.9998, 10_000) == "99.98 \u00b1 0.01 %"
    assert shown("midi/validity", 1.0, 10_000) == "100.0 %"
    assert shown("distribution/bond_length", 0.000365, 10_000) == "0.000365"
