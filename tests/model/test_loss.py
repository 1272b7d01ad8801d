"""The loss of Eq. 1 against a slow loop in float64."""

import math

import pytest
import torch

from preflare.errors import ConfigError
from preflare.model.loss import CrossEntropy, Draws, call, squared_weights


def network(parameters, spectra, *, trained=False):
    return spectra.flatten(1) @ parameters["weight"].T + parameters["bias"]


@pytest.fixture
def batch():
    generator = torch.Generator().manual_seed(0)
    parameters = {
        "weight": torch.randn(2, 5, generator=generator, dtype=torch.float64),
        "bias": torch.randn(2, generator=generator, dtype=torch.float64),
    }
    spectra = torch.randn(7, 1, 5, generator=generator, dtype=torch.float64)
    labels = torch.tensor([0, 1, 1, 0, 1, 0, 0])
    return parameters, spectra, labels


@pytest.mark.parametrize("l2", [0.0, 0.3])
def test_cross_entropy_is_eq_1(batch, l2: float) -> None:
    parameters, spectra, labels = batch
    total = 0.0
    for spectrum, label in zip(spectra, labels, strict=True):
        logits = [
            sum(float(w) * float(x) for w, x in zip(row, spectrum[0], strict=True)) + float(b)
            for row, b in zip(parameters["weight"], parameters["bias"], strict=True)
        ]
        score = math.exp(logits[1]) / (math.exp(logits[0]) + math.exp(logits[1]))
        total -= math.log(score if label else 1 - score)
    penalty = sum(float(w) ** 2 for w in parameters["weight"].flatten())
    expected = total / len(labels) + l2 * penalty
    assert float(CrossEntropy(l2)(network, *batch, Draws(torch.tensor(0), 0))) == pytest.approx(expected, rel=1e-12)


def test_the_penalty_leaves_biases_and_scales_alone() -> None:
    module = torch.nn.Sequential(torch.nn.Conv1d(1, 2, 3), torch.nn.BatchNorm1d(2))
    weights = module[0].weight.detach()
    assert float(squared_weights(dict(module.named_parameters())).detach()) == pytest.approx(float((weights**2).sum()))


def test_a_negative_weight_is_refused() -> None:
    with pytest.raises(ConfigError, match="loss.l2 is -1"):
        CrossEntropy(-1)


def test_a_call_as_trained_leaves_no_trace() -> None:
    module = torch.nn.Sequential(torch.nn.BatchNorm1d(1), torch.nn.Dropout(0.5), torch.nn.Flatten())
    module[2].eval()
    spectra = torch.randn(8, 1, 5, generator=torch.Generator().manual_seed(0))
    buffers = {name: value.clone() for name, value in module.named_buffers()}
    answer = call(module, buffers, spectra, trained=True)
    torch.testing.assert_close(answer, spectra.flatten(1) / (1 + 1e-5) ** 0.5)
    assert all(torch.equal(buffers[name], value) for name, value in module.named_buffers())
    assert [layer.training for layer in module] == [True, True, False]
    call(module, buffers, spectra, trained=False)
    assert buffers["0.num_batches_tracked"] == 1
