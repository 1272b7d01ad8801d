"""What is explained does not depend on the offset that a softmax ignores."""

import torch
from torch import nn

from preflare.explain.target import log_odds


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
