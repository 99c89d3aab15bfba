"""A model of molecules: seeds, batches, sizes, its file; and the codec between molecules and states."""

import copy
import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from small import NETWORKS, sixty

from scidiff.molecules.batch import Codec, by_size, deviation
from scidiff.molecules.model import MoleculeModel
from scidiff.molecules.molecule import Molecule
from scidiff.molecules.vocabulary import Vocabulary
from scidiff.store.errors import UserError
from scidiff.store.model import load_model, save_model

WARP = {
    "_target_": "scidiff.engine.schedule.Warped",
    "schedule": {"_target_": "scidiff.engine.schedule.RectifiedLinear"},
    "power": 1.5,
}
EXPLODING = {"_target_": "scidiff.engine.schedule.VarianceExploding", "sigma_max": 10.0, "rho": 3.0}
CENTRED = {"_target_": "scidiff.engine.subspace.ZeroMean"}
CLASSES = {"atoms": 5, "charges": 3, "bonds": 4}
CONFIG = {
    "network": {
        "_target_": "scidiff.molecules.networks.transformer.EquivariantTransformer",
        **CLASSES,
        **NETWORKS["transformer"],
    },
    "process": {
        "positions": {"_target_": "scidiff.engine.process.Gaussian", "schedule": EXPLODING, "subspace": CENTRED},
        **{
            part: {"_target_": "scidiff.engine.process.Categorical", "schedule": WARP, "classes": classes}
            for part, classes in CLASSES.items()
        },
    },
    "parameterization": {
        "positions": {"_target_": "scidiff.engine.parameterization.Parameterization", "row": "karras"}
    },
    "sampler": {
        "_target_": "scidiff.engine.plan.Plan",
        "walk": {"_target_": "scidiff.engine.walk.Karras", "_partial_": True, "lowest": 0.005, "highest": 10.0},
        "steps": 4,
        "churn": 0.4,
    },
}
HEADER = {
    "domain": "molecules",
    "config": CONFIG,
    "vocabulary": {"elements": ["H", "C", "N", "O", "F"], "charges": [-1, 0, 1], "bonds": 4},
    "scale": 1.7,
    "sizes": {"5": 3, "9": 5, "12": 2},
}


@pytest.fixture
def model() -> MoleculeModel:
    """Untrained, and in float32 whatever the machine has."""
    torch.manual_seed(0)
    made = MoleculeModel.create(HEADER)
    made.network.eval()
    return replace(made, denoiser=replace(made.denoiser, precision=None))


def same(one: Molecule, other: Molecule, within: float = 0.0) -> bool:
    """The same atoms, charges and bonds, and positions within so many Angstrom."""
    named = all(np.array_equal(getattr(one, key), getattr(other, key)) for key in ("numbers", "charges", "bonds"))
    return named and float(np.abs(one.positions - other.positions).max()) <= within


def all_same(some: list[Molecule], others: list[Molecule], within: float = 0.0) -> bool:
    return len(some) == len(others) and all(same(*pair, within) for pair in zip(some, others, strict=True))


def test_the_same_seed_gives_the_same_molecules(model):
    first = model.generate(12, seed=3)
    assert all_same(first, model.generate(12, seed=3))
    other = model.generate(12, seed=4, sizes=[len(molecule) for molecule in first])
    assert not any(same(*pair) for pair in zip(first, other, strict=True))


@pytest.mark.parametrize("batch", [1, 3, 128])
def test_a_sample_is_the_same_in_any_batch(model, batch):
    """Matrix products of another shape add in another order: 1e-7 a product in float32, 1e-4 Angstrom in the end."""
    assert all_same(model.generate(12, seed=3, batch=5), model.generate(12, seed=3, batch=batch), within=1e-4)


def test_batches_side_by_side_change_nothing(model):
    """Each is sampled by one thread, as all are where there is but one: the same molecules to the bit."""
    before, found = torch.get_num_threads(), []
    for threads in (1, 2):
        torch.set_num_threads(threads)
        found.append(model.generate(20, seed=3, batch=4))
    torch.set_num_threads(before)
    assert all_same(*found)


def test_first_continues_a_run(model):
    """Molecules 5 ... 11 of a run, alone, are those of the whole run: sizes, noise and order."""
    assert all_same(model.generate(12, seed=3)[5:], model.generate(7, seed=3, first=5), within=1e-4)


def test_the_order_is_kept_over_windows(model, monkeypatch):
    whole = model.generate(20, seed=1)
    monkeypatch.setattr("scidiff.molecules.model.WINDOW", 6)
    assert all_same(whole, model.generate(20, seed=1), within=1e-4)
    sizes = [3, 9, 4, 4, 9, 1, 2] * 2
    told = []
    assert [len(m) for m in model.stream(14, sizes=sizes, progress=told.append)] == sizes
    assert told[-1] == 14 and told == sorted(told)


def test_sizes_follow_the_histogram(model):
    """Three, five and two tenths, within 5 sigma of 4000 draws."""
    sizes = model._sizes(4000, 0, None, 0, 128)
    for atoms, share in {5: 0.3, 9: 0.5, 12: 0.2}.items():
        assert abs((sizes == atoms).mean() - share) < 5 * (share * (1 - share) / 4000) ** 0.5
    assert [len(m) for m in model.generate(6, seed=2)] == model._sizes(6, 2, None, 0, 128).tolist()


def test_molecules_are_proper(model):
    for molecule in model.generate(10, seed=0):
        assert set(molecule.numbers.tolist()) <= {1, 6, 7, 8, 9} and set(molecule.charges.tolist()) <= {-1, 0, 1}
        assert np.abs(molecule.positions.mean(0)).max() < 1e-4 and np.isfinite(molecule.positions).all()
        i, j, order = np.asarray(molecule.bonds).T if len(molecule.bonds) else np.zeros((3, 0))
        assert (i < j).all() and (j < len(molecule)).all() and set(order.tolist()) <= {1, 2, 3}


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"n": 0}, "n and batch must be 1 or more"),
        ({"batch": 0}, "n and batch must be 1 or more"),
        ({"sizes": 0}, "each 1 or more"),
        ({"sizes": [5, 6]}, "one number of atoms, or 3 of them"),
        ({"steps": 0}, "steps must be 1 or more"),
        ({"churn": -1.0}, "churn must be 0 or more"),
        ({"eta": 2.0}, "eta between 0 and 1"),
        ({"multistep": True}, "set churn=0 and eta=0"),
        ({"stpes": 3}, "stpes"),
    ],
)
def test_what_cannot_be_sampled_is_told(model, options, said):
    with pytest.raises(UserError, match=said):
        model.generate(**{"n": 3, **options})


def test_a_plan_may_be_changed(model):
    """None leaves the model's own choice; another plan is another path from the same noise."""
    own = model.generate(4, seed=0)
    assert all_same(own, model.generate(4, seed=0, steps=None, churn=None))
    assert not all_same(own, model.generate(4, seed=0, churn=0.0))


def test_the_file_goes_round(model, tmp_path):
    """Weights are kept in bfloat16: what is loaded is saved as the very same bytes, and generates the same."""
    path, again = tmp_path / "tiny.safetensors", tmp_path / "again.safetensors"
    model.save(path)
    loaded = MoleculeModel.load(path)
    assert loaded.name == "tiny" and not loaded.network.training
    for name, weight in model.network.state_dict().items():
        assert torch.equal(loaded.network.state_dict()[name], weight.to(torch.bfloat16).float())
    loaded.save(again)
    assert load_model(again)[0].keys() == load_model(path)[0].keys()
    assert all_same(loaded.generate(3), MoleculeModel.load(again).generate(3))


def file_with(tmp_path, model, change) -> str:
    """A model file whose header or tensors were changed."""
    header = json.loads(json.dumps(HEADER))
    tensors = {name: value.clone() for name, value in model.network.state_dict().items()}
    change(header, tensors)
    return save_model(tmp_path / "odd.safetensors", tensors, header)


def without(*path):
    def change(header, tensors):
        for key in path[:-1]:
            header = header[key]
        del header[path[-1]]

    return change


def forbidden(header, tensors):
    header["config"]["network"]["_target_"] = "os.system"


def elsewhere(header, tensors):
    header["config"]["sampler"]["walk"]["_target_"] = "scidiff.store.model.save_model"


def another_domain(header, tensors):
    header["domain"] = "volumes"


def wider(header, tensors):
    header["config"]["network"]["width"] = 32


def lost(header, tensors):
    tensors.popitem()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (another_domain, "is a model of volumes, not of molecules"),
        (forbidden, "'os.system' as a _target_, which is not allowed"),
        (elsewhere, "save_model' as a _target_, which is not allowed"),
        (wider, "do not fit the network that its header describes"),
        (lost, "do not fit the network that its header describes"),
        (without("vocabulary"), "header is incomplete: 'vocabulary'"),
        (without("sizes"), "header is incomplete: 'sizes'"),
        (without("scale"), "header is incomplete: 'scale'"),
        (without("config", "sampler"), "header is incomplete: 'sampler'"),
        (without("config", "process"), "header is incomplete: 'process'"),
        (without("config", "network", "bonds"), "still needs bonds"),
    ],
    ids=lambda value: getattr(value, "__name__", str(value)),
)
def test_a_file_that_is_no_model_of_molecules(model, tmp_path, change, said):
    with pytest.raises(UserError, match=said):
        MoleculeModel.load(file_with(tmp_path, model, change))


@pytest.fixture
def codec() -> Codec:
    return Codec(Vocabulary(("H", "C", "N", "O", "F"), (-1, 0, 1)), deviation(sixty()))


def distances(positions: np.ndarray) -> np.ndarray:
    return np.linalg.norm(positions[:, None].astype(np.float64) - positions[None], axis=-1)


def test_the_codec_goes_round(codec):
    """The molecular graph is the same, distances to 1e-5 Angstrom (float32 of a few Angstrom: 24 bits)."""
    molecules, found = sixty(), 0
    for size, state in by_size(molecules, codec).items():
        rows = np.flatnonzero(molecules.sizes == size)
        assert len(state) == len(rows) and state["bonds"].shape == (len(rows), size * (size - 1) // 2)
        assert state["positions"].mean(1).abs().max() < 1e-5
        for row, back in zip(rows, codec.decode(state), strict=True):
            original = molecules.molecule(row)
            assert np.array_equal(back.numbers, original.numbers) and np.array_equal(back.charges, original.charges)
            assert {tuple(bond) for bond in back.bonds.tolist()} == {tuple(bond) for bond in original.bonds.tolist()}
            assert np.abs(distances(back.positions) - distances(original.positions)).max() < 1e-5
            found += 1
    assert found == 60


def test_the_unit_of_length_is_the_datas_deviation(codec):
    states = by_size(sixty(), codec).values()
    squares, count = sum(float(s["positions"].double().square().sum()) for s in states), sum(sixty().sizes) * 3
    assert squares / count == pytest.approx(1, rel=1e-5)


def test_a_blank_has_the_shapes_of_the_real_thing(codec):
    for size, state in by_size(sixty(), codec).items():
        blank = codec.blank(size, len(state))
        for part, value in state.parts.items():
            assert blank[part].shape == value.shape and blank[part].dtype == value.dtype


def test_the_header_is_not_changed_by_building(model):
    before = copy.deepcopy(HEADER)
    MoleculeModel.create(HEADER)
    assert before == HEADER
