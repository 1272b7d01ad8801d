"""What is explained is one fixed quantity, and the log-odds do not depend on the offset that a softmax ignores."""

import pytest
import torch
from torch import nn

from preflare.errors import ConfigError
from preflare.explain.target import QUANTITIES, check_quantity, explained, log_odds


def test_log_odds_are_the_logit_of_the_softmax() -> None:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Flatten(), nn.Linear(12, 2)).double()
    spectra = torch.rand(5, 1, 12, dtype=torch.float64)
    score = torch.softmax(network(spectra), dim=1)[:, 1]
    torch.testing.assert_close(log_odds(network)(spectra), torch.logit(score))


def test_log_odds_ignore_a_shift_of_both_logits() -> None:
    torch.manual_seed(0)
    linear = nn.Linear(12, 2).double()
    network = nn.Sequential(nn.Flatten(), linear)
    spectra = torch.rand(5, 1, 12, dtype=torch.float64)
    before = log_odds(network)(spectra)
    with torch.no_grad():
        linear.bias += 3.0
    torch.testing.assert_close(log_odds(network)(spectra), before)


def test_each_quantity_is_what_its_name_says() -> None:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Flatten(), nn.Linear(12, 2)).double()
    spectra = torch.randn(5, 1, 12, dtype=torch.float64)
    logits = network(spectra)
    score = torch.softmax(logits, dim=1)[:, 1]
    expected = {
        "log_odds": torch.logit(score),
        "probability": score,
        "logit_pf": logits[:, 1],
        "logit_ar": logits[:, 0],
    }
    assert set(expected) == set(QUANTITIES)
    for name, value in expected.items():
        torch.testing.assert_close(explained(network, name)(spectra), value)


def test_a_quantity_that_is_none() -> None:
    with pytest.raises(
        ConfigError, match="explained is 'winner', expected log_odds, probability, logit_pf or logit_ar"
    ):
        check_quantity("winner")
