"""The fully connected network against matrix products."""

import numpy as np
import pytest
import torch
from hydra.utils import instantiate
from omegaconf import OmegaConf

from preflare.command import CONF
from preflare.errors import ConfigError
from preflare.model.fnn import FNN


def test_output_equals_matrix_products() -> None:
    torch.manual_seed(0)
    network = FNN(30, hidden=(7, 5)).double()
    spectra = torch.rand(4, 1, 30, dtype=torch.float64)
    w1, b1, w2, b2, w3, b3 = [p.detach().numpy() for p in network.parameters()]
    signal = spectra[:, 0].numpy()
    expected = np.maximum(np.maximum(signal @ w1.T + b1, 0) @ w2.T + b2, 0) @ w3.T + b3
    np.testing.assert_allclose(network(spectra).detach().numpy(), expected, atol=1e-12)


def test_the_config_builds_the_defaults() -> None:
    config = OmegaConf.create(
        {"line": OmegaConf.load(CONF / "line/mg_ii.yaml"), "model": OmegaConf.load(CONF / "model/fnn.yaml")}
    )
    network = instantiate(config.model)
    assert str(network) == str(FNN(240))
    assert sum(p.numel() for p in network.parameters()) == 240 * 12 + 12 + 12 * 8 + 8 + 8 * 2 + 2


def test_without_hidden_layers_it_is_linear() -> None:
    network = FNN(30, hidden=())
    a, b = torch.rand(1, 1, 30), torch.rand(1, 1, 30)
    torch.testing.assert_close(network(a) + network(b), 2 * network((a + b) / 2))


@pytest.mark.parametrize("hidden", [[12, 0], [-4], 5, "12", [2.5]])
def test_layers_without_units_are_refused(hidden: object) -> None:
    with pytest.raises(ConfigError, match="model.hidden is .*, expected a list of whole numbers of 1 or more"):
        FNN(30, hidden=hidden)


def test_a_spectrum_without_its_channel_axis_is_refused() -> None:
    with pytest.raises(ValueError, match=r"expects \(batch, 1, 30\)"):
        FNN(30)(torch.rand(4, 30))
