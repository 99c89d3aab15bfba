"""The counter-based generator: known answers, independence of the batch, moments."""

import torch

from scidiff.engine.noise import Noise, philox

WORD = 0xFFFFFFFF


def words(*values: int) -> tuple[torch.Tensor, ...]:
    return tuple(torch.tensor([value]) for value in values)


def test_philox_known_answers():
    # Random123's kat_vectors for philox4x32-10.
    zeros = philox(words(0, 0, 0, 0), words(0, 0))
    assert [int(w) for w in zeros] == [0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8]
    ones = philox(words(WORD, WORD, WORD, WORD), words(WORD, WORD))
    assert [int(w) for w in ones] == [0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD]


def test_a_sample_has_its_noise_in_any_batch():
    like = torch.zeros(5, 7, 3)
    together, alone = Noise.of(3, torch.arange(5)), Noise.of(3, torch.tensor([4]))
    for _ in range(2):
        assert torch.equal(together.normal(like)[4:], alone.normal(like[:1]))
        assert torch.equal(together.uniform(like)[4:], alone.uniform(like[:1]))


def test_ragged_rows_have_the_noise_of_dense_ones():
    dense = Noise.of(1, torch.arange(3)).normal(torch.zeros(3, 4, 2)).flatten(1)
    owner = torch.tensor([0, 0, 2, 2, 2])
    ragged = Noise.of(1, torch.arange(3)).normal(torch.zeros(5, 4), owner)
    assert torch.equal(ragged[:2].flatten(), dense[0])
    assert torch.equal(ragged[2:4].flatten(), dense[2])


def test_moments():
    count = 200_000
    normal = Noise.of(0, torch.arange(count // 8)).normal(torch.zeros(count // 8, 8)).double()
    assert abs(normal.mean()) < 5 / count**0.5
    assert abs(normal.var() - 1) < 5 * (2 / count) ** 0.5
    assert abs((normal**4).mean() - 3) < 5 * (96 / count) ** 0.5
    uniform = Noise.of(0, torch.arange(count)).per_sample().double()
    assert abs(uniform.mean() - 0.5) < 5 * (1 / 12 / count) ** 0.5
    assert uniform.min() > 0 and uniform.max() < 1


def test_devices_that_share_a_batch_share_its_coins():
    whole, odd, even = (Noise.of(3, torch.arange(first, 100, step)) for first, step in ((0, 1), (1, 2), (0, 2)))
    coins = [[noise.shared() for _ in range(400)] for noise in (whole, odd, even)]
    assert coins[0] == coins[1] == coins[2]
    assert abs(sum(coins[0]) / 400 - 0.5) < 5 * (1 / 12 / 400) ** 0.5
    assert Noise.of(4, torch.arange(2)).shared() != coins[0][0]


def test_seeds_of_32_bits_are_all_there_is_and_all_different():
    like, first = torch.zeros(1, 8), torch.tensor([0])
    large = [Noise.of(seed, first).normal(like) for seed in (2**31 - 1, 2**31, 2**32 - 1)]
    assert not torch.equal(large[0], large[1]) and not torch.equal(large[1], large[2])


def test_draws_seeds_samples_and_streams_differ():
    like, first = torch.zeros(1, 1000), torch.tensor([0])
    draws = Noise.of(0, first)
    several = [
        draws.normal(like),
        draws.normal(like),
        Noise.of(1, first).normal(like),
        Noise.of(0, torch.tensor([1])).normal(like),
        Noise.of(0, first, stream=1).normal(like),
    ]
    correlations = torch.corrcoef(torch.cat(several)) - torch.eye(len(several))
    assert correlations.abs().max() < 5 / 1000**0.5
