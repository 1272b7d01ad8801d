"""A committee's answers are means over its members, each of whom is right alone."""

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from preflare.explain import committee
from preflare.explain.activation_maps import hirescam
from preflare.explain.committee import Committee
from preflare.explain.distance import HiddenDistance
from preflare.explain.engine import Engine
from preflare.explain.expected_gradients import ExpectedGradients, Paths
from preflare.explain.target import explained, log_odds
from preflare.model.convnet import ConvNet

POINTS = 240


def networks() -> list[nn.Module]:
    found = []
    for seed in range(3):
        torch.manual_seed(seed)
        found.append(ConvNet(POINTS).eval())
    return found


def draw(count: int, seed: int) -> Tensor:
    return torch.rand(count, 1, POINTS, generator=torch.Generator().manual_seed(seed))


def side() -> tuple[Tensor, Tensor, Paths]:
    training, labels = draw(60, 1), torch.arange(60) % 2
    paths = ExpectedGradients(10, 1, "random", 0).paths(training, labels.numpy(), np.ones(60, dtype=bool))
    return training, labels, paths


def test_answers_are_means_over_members(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(committee, "AT_ONCE", 9)  # three spectra at a time
    monkeypatch.setattr(committee, "CALL", 4)
    training, labels, paths = side()
    members, spectra = networks(), draw(10, 2)[:, 0]
    distances = [HiddenDistance(one, training, labels) for one in members]
    made = Committee(members, [paths] * 3, distances, ["hirescam"], workers=1)
    scores, found = made.score(spectra), made.attribute(spectra)
    with torch.no_grad():
        odds = np.stack([log_odds(one)(spectra[:, None]).numpy() for one in members])
    np.testing.assert_allclose(scores["log_odds"], odds.mean(axis=0), atol=1e-6)
    np.testing.assert_allclose(scores["score"], (1 / (1 + np.exp(-odds))).mean(axis=0), rtol=1e-5)
    np.testing.assert_allclose(scores["log_odds_spread"], odds.std(axis=0, ddof=1), atol=1e-6)
    far = [HiddenDistance(one, training, labels)(spectra[:, None]).numpy() for one in members]
    np.testing.assert_allclose(scores["distance"], np.mean(far, axis=0), rtol=1e-5)
    each = [Engine([one], paths.baselines, paths.positions, 1)(spectra) for one in members]
    attributions = np.stack([one.attributions[0].numpy() for one in each])
    np.testing.assert_allclose(found["expected_gradients"], attributions.mean(axis=0), atol=1e-7)
    np.testing.assert_allclose(found["expected_gradients_spread"], attributions.std(axis=0, ddof=1), atol=1e-7)
    residuals = np.mean([one.residual[0].numpy() for one in each], axis=0)
    np.testing.assert_allclose(found["completeness"], residuals, atol=1e-6)
    maps = np.mean([hirescam(one, spectra[:, None]) for one in members], axis=0)
    np.testing.assert_allclose(found["hirescam"], maps, atol=1e-7)
    assert {name: values.dtype for name, values in (scores | found).items()} == dict.fromkeys(
        scores | found, np.dtype(np.float32)
    )


def test_one_member_has_no_spread() -> None:
    training, labels, paths = side()
    one = networks()[0]
    made = Committee([one], [paths], [HiddenDistance(one, training, labels)], [], workers=1)
    spectra = draw(4, 2)[:, 0]
    assert set(made.score(spectra)) == {"score", "log_odds", "distance"}
    assert set(made.attribute(spectra)) == {"expected_gradients", "completeness"}


@pytest.mark.parametrize("quantity", ["log_odds", "probability", "logit_ar"])
def test_one_quantity_goes_through_gradients_maps_and_answers(quantity: str) -> None:
    _, _, paths = side()
    members, spectra = networks(), draw(6, 2)[:, 0]
    made = Committee(members, [paths] * 3, [], ["hirescam"], 1, quantity)
    with torch.no_grad():
        values = torch.stack([explained(one, quantity)(spectra[:, None]) for one in members])
        reference = torch.stack([explained(one, quantity)(paths.baselines[:, None]).mean() for one in members])
    torch.testing.assert_close(made.explained(spectra), values.mean(dim=0), rtol=0, atol=1e-6)
    found = made.attribute(spectra)
    due = (values - reference[:, None]).mean(dim=0).numpy()
    np.testing.assert_allclose(found["expected_gradients"].sum(axis=1) - found["completeness"], due, atol=1e-5)
    maps = np.mean([hirescam(one, spectra[:, None], quantity) for one in members], axis=0)
    np.testing.assert_allclose(found["hirescam"], maps, atol=1e-7)


def test_members_of_two_partitions_have_their_own_baselines() -> None:
    _, _, paths = side()
    other = ExpectedGradients(10, 1, "random", 1).paths(draw(60, 8), np.arange(60) % 2, np.ones(60, dtype=bool))
    members, spectra = networks()[:2], draw(6, 2)[:, 0]
    found = Committee(members, [paths, other], [], [], 1).attribute(spectra)
    each = [
        Engine([one], own.baselines, own.positions, 1)(spectra).attributions[0].numpy()
        for one, own in zip(members, (paths, other), strict=True)
    ]
    np.testing.assert_allclose(found["expected_gradients"], np.mean(each, axis=0), atol=1e-7)
