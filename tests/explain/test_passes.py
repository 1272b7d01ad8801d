"""Passes over blocks of samples of every width, and over any number of spectra, against one spectrum at a time."""

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from preflare.explain.chain import Chain, lower
from preflare.explain.engine import Differentiated
from preflare.explain.passes import GROUP, WIDE

POINTS = 30


def draw(count: int, seed: int, precision: torch.dtype = torch.float64) -> Tensor:
    return torch.rand(count, POINTS, generator=torch.Generator().manual_seed(seed), dtype=precision)


def network() -> nn.Sequential:
    """The first layer is pooled, so that slopes reach it by both ways there are."""
    torch.manual_seed(3)
    convolutions = [nn.Conv1d(1, 2, 3), nn.MaxPool1d(3), nn.ReLU(), nn.Conv1d(2, 3, 4), nn.ReLU()]
    for layer in convolutions:
        if isinstance(layer, nn.Conv1d) and layer.bias is not None:  # alive
            nn.init.constant_(layer.bias, 0.3)
    return nn.Sequential(*convolutions, nn.Flatten(), nn.Linear(18, 2)).double()


def made(one: nn.Module) -> Chain:
    chain = lower(one, POINTS)
    assert chain is not None
    return chain


@pytest.mark.parametrize("first", ["pooled", "rectified"])
@pytest.mark.parametrize("positions", [1, 2, 3])
@pytest.mark.parametrize("baselines", [1, 8, 9, 33, 70])
def test_samples_in_blocks_of_any_width(baselines: int, positions: int, first: str) -> None:
    one = network()
    if first == "rectified":
        one = nn.Sequential(nn.Conv1d(1, 2, 3), nn.ReLU(), nn.Flatten(), nn.Linear(56, 2)).double()
    chain, spectra = made(one), draw(3, 1)
    apart = draw(baselines, 2).repeat(positions, 1)
    places = torch.rand(len(apart), dtype=torch.float64, generator=torch.Generator().manual_seed(4))
    along = chain.along(apart, places)
    assert along.blocks.rounds == positions
    assert along.blocks.table[:, WIDE].sum() == -(-baselines // 8)
    expected = Differentiated(one).along(apart, places)(spectra)
    assert expected.abs().max() > 1e-4
    torch.testing.assert_close(along(spectra), expected, rtol=0, atol=1e-13)


def test_baselines_that_meet_unequal_numbers_of_positions() -> None:
    chain, some = made(network()), draw(4, 2)
    baselines, places = torch.cat([some, some[:1]]), torch.linspace(0.1, 0.9, 5, dtype=torch.float64)
    along = chain.along(baselines, places)
    assert along.blocks.rounds == 1
    expected = Differentiated(network()).along(baselines, places)(draw(2, 1))
    torch.testing.assert_close(along(draw(2, 1)), expected, rtol=0, atol=1e-13)


@pytest.mark.parametrize("precision", [torch.float32, torch.float64])
def test_company_changes_no_bit(precision: torch.dtype) -> None:
    chain = made(network().to(precision))
    spectra = draw(2 * GROUP + 3, 5, precision)
    along = chain.along(draw(20, 2, precision), torch.linspace(0, 1, 20, dtype=precision))
    together, answers = along(spectra), chain.log_odds(spectra)
    for k, one in enumerate(spectra):
        assert torch.equal(along(one[None])[0], together[k])
        assert torch.equal(chain.log_odds(one[None])[0], answers[k])
    assert torch.equal(along(spectra.flip(0)), together.flip(0))


def test_a_spectrum_that_is_no_number_spoils_no_other() -> None:
    chain, spectra = made(network()), draw(5, 6)
    along = chain.along(draw(9, 2), torch.linspace(0, 1, 9, dtype=torch.float64))
    expected = along(spectra)
    spectra[2] = np.nan
    found, answers = along(spectra), chain.log_odds(spectra)
    others = [0, 1, 3, 4]
    assert found[2].isnan().all() and answers[2].isnan() and torch.equal(found[others], expected[others])
    assert not answers[others].isnan().any()


def test_the_first_answers_are_those_before_the_first_relu() -> None:
    one, spectra = network(), draw(70, 7)
    firsts, logits = made(one).answer(spectra)
    by_position = one[0](spectra[:, None]).detach().transpose(1, 2).flatten(1)
    assert by_position.min() < 0
    torch.testing.assert_close(firsts, by_position, rtol=0, atol=1e-14)
    torch.testing.assert_close(logits, one(spectra[:, None]).detach(), rtol=0, atol=1e-14)


def test_no_spectra_have_no_answers() -> None:
    chain = made(network())
    along = chain.along(draw(9, 2), torch.linspace(0, 1, 9, dtype=torch.float64))
    assert along(draw(0, 1)).shape == (0, POINTS) and chain.log_odds(draw(0, 1)).shape == (0,)


def test_what_the_passes_would_misread_is_refused() -> None:
    """They look at no shape."""
    chain, places = made(network()), torch.linspace(0, 1, 9, dtype=torch.float64)
    for wrong in (draw(1, 1, torch.float32), draw(1, 1)[:, 1:], draw(1, 1)[0]):
        with pytest.raises(ValueError, match=r"expected \(n, 30\), torch.float64"):
            chain.log_odds(wrong)
        with pytest.raises(ValueError, match=r"expected \(n, 30\), torch.float64"):
            chain.along(draw(9, 2), places)(wrong)
    with pytest.raises(ValueError, match=r"positions are \(9,\), expected \(8,\)"):
        chain.along(draw(8, 2), places)
    with pytest.raises(ValueError, match=r"expected \(n, 30\)"):
        chain.along(draw(9, 2)[:, :29], places)
