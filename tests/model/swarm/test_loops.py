"""Updates by the compiled loops against torch.optim; test_compiled checks gradients and answers."""

import numpy as np
import pytest
import torch
from torch import nn

from preflare.model.fnn import FNN
from preflare.model.loss import CrossEntropy
from preflare.model.swarm.compiled import compile_
from preflare.model.swarm.layout import Layout
from preflare.model.swarm.optimizers import stacked

OPTIMIZERS = {
    "sgd": lambda parameters: torch.optim.SGD(parameters, lr=0.1, momentum=0.8, weight_decay=0.01),
    "adam": lambda parameters: torch.optim.Adam(parameters, lr=0.02, betas=(0.8, 0.9), eps=1e-3, weight_decay=0.01),
    "adamw": lambda parameters: torch.optim.AdamW(parameters, lr=0.02, weight_decay=0.1),
}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_updates_are_torchs(name: str) -> None:
    torch.manual_seed(0)
    network = FNN(10, hidden=(4,)).double()
    layout = Layout(dict(network.named_parameters()))
    rows = nn.Parameter(layout.pack({k: v.detach().unsqueeze(0) for k, v in network.named_parameters()}))
    spectra, labels = torch.randn(30, 1, 10, dtype=torch.float64), torch.randint(0, 2, (30,))
    places = torch.arange(30).view(3, 1, 10)
    optimizer = stacked([OPTIMIZERS[name]([nn.Parameter(torch.zeros(1))])], rows)
    engine = compile_(network, [CrossEntropy(0.05)], layout, 10)
    counts = np.full((3, 1), 10)
    for _ in range(2):  # what the optimizer has kept is gone on with
        engine.train(optimizer, {}, spectra[:, 0], labels, places, counts, [0], lambda function, who: function(who))
    plain = OPTIMIZERS[name](network.parameters())
    for mine in [*places[:, 0], *places[:, 0]]:
        loss = nn.functional.cross_entropy(network(spectra[mine]), labels[mine])
        loss = loss + 0.05 * sum((p**2).sum() for p in network.parameters() if p.ndim > 1)
        plain.zero_grad()
        loss.backward()
        plain.step()
    found = layout.unpack(rows.detach()[0])
    for key, value in network.named_parameters():
        torch.testing.assert_close(found[key], value.detach(), rtol=0, atol=1e-12)
    assert optimizer.member_state(0)["step"] == 6
