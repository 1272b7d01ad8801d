"""The paper's ConvNet against its published numbers and a slow loop."""

import numpy as np
import pytest
import torch
from hydra.utils import instantiate
from omegaconf import OmegaConf
from torch import nn

from preflare.command import CONF
from preflare.errors import ConfigError
from preflare.model.convnet import ConvNet


def test_sizes_are_the_papers() -> None:
    network = ConvNet(240)
    assert sum(p.numel() for p in network.parameters()) == 363
    assert [p.numel() for p in network.parameters()] == [40, 2, 80, 4, 220, 5, 10, 2]
    spectra = torch.rand(3, 1, 240)
    assert network.features[:2](spectra).shape == (3, 2, 74)
    assert network.features(spectra).shape == (3, 4, 22)
    assert network.pool(network.features(spectra)).shape == (3, 4, 11)
    assert network(spectra).shape == (3, 2)


def test_the_config_builds_the_defaults() -> None:
    config = OmegaConf.create(
        {"line": OmegaConf.load(CONF / "line/mg_ii.yaml"), "model": OmegaConf.load(CONF / "model/convnet.yaml")}
    )
    assert str(instantiate(config.model)) == str(ConvNet(240))


def test_output_equals_a_slow_loop() -> None:
    torch.manual_seed(0)
    network = ConvNet(60, channels=(2, 3), kernels=(9, 4), strides=(3, 2), hidden=4).double()
    spectra = torch.rand(2, 1, 60, dtype=torch.float64)
    parameters = [p.detach().numpy() for p in network.parameters()]
    for spectrum, logits in zip(spectra.numpy(), network(spectra).detach().numpy(), strict=True):
        np.testing.assert_allclose(logits, slow(spectrum, parameters, (3, 2), 2), atol=1e-12)


def slow(signal: np.ndarray, parameters: list[np.ndarray], strides: tuple[int, ...], pool: int) -> np.ndarray:
    *convolutions, w1, b1, w2, b2 = parameters
    for stride, kernel, bias in zip(strides, convolutions[::2], convolutions[1::2], strict=True):
        count = (signal.shape[1] - kernel.shape[2]) // stride + 1
        out = np.empty((len(kernel), count))
        for k in range(len(kernel)):
            for i in range(count):
                patch = signal[:, i * stride : i * stride + kernel.shape[2]]
                out[k, i] = max(0.0, float((patch * kernel[k]).sum() + bias[k]))
        signal = out
    count = signal.shape[1] // pool
    pooled = np.array([[row[i * pool : (i + 1) * pool].max() for i in range(count)] for row in signal])
    hidden = np.maximum(0.0, w1 @ pooled.reshape(-1) + b1)
    return w2 @ hidden + b2


def test_cells_of_the_last_map_see_47_points_nine_apart_and_the_last_four_points_reach_nothing() -> None:
    network = ConvNet(240).double()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.fill_(0.1)
    spectra = torch.rand(1, 1, 240, dtype=torch.float64, requires_grad=True)
    cells = network.features(spectra)[0, 0]
    for j in (0, 7, 21):
        (gradient,) = torch.autograd.grad(cells[j], spectra, retain_graph=True)
        seen = torch.nonzero(gradient[0, 0]).flatten()
        assert (int(seen[0]), int(seen[-1])) == (9 * j, 9 * j + 46)
    assert len(cells) == 22 and 9 * 21 + 46 == 235


def test_every_relu_is_its_own_module() -> None:
    # named_modules lists a module that is used twice only once.
    assert sum(isinstance(m, nn.ReLU) for _, m in ConvNet(240).named_modules()) == 3


def test_a_spectrum_of_another_length_is_refused_although_the_strides_would_take_it() -> None:
    with pytest.raises(ValueError, match=r"expects \(batch, 1, 240\)"):
        ConvNet(240)(torch.rand(2, 1, 238))


def test_too_short_a_grid_is_refused() -> None:
    with pytest.raises(ConfigError, match="50 wavelengths are too few for a ConvNet with kernels"):
        ConvNet(50)


@pytest.mark.parametrize(
    ("sizes", "said"),
    [
        ({"hidden": 0}, "model.hidden is 0, expected a whole number of 1 or more."),
        ({"hidden": -4}, "model.hidden is -4, expected a whole number"),
        ({"pool": 0}, "model.pool is 0, expected a whole number"),
        ({"strides": [0, 3]}, r"model.strides is \[0, 3\], expected a list of whole numbers of 1 or more"),
        ({"channels": ["a", "b"]}, r"model.channels is \['a', 'b'\], expected a list of whole numbers"),
        ({"kernels": 9}, "model.kernels is 9, expected a list"),
        ({"channels": [], "kernels": [], "strides": []}, r"model.channels is \[\], expected a list"),
    ],
)
def test_sizes_that_cannot_be_meant(sizes: dict[str, object], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        ConvNet(240, **sizes)


def test_sizes_must_come_for_every_convolution() -> None:
    with pytest.raises(ConfigError, match="3 channels, 2 kernels and 2 strides"):
        ConvNet(240, channels=(2, 4, 8))
