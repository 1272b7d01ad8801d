"""The LightningModule: what it logs after an epoch, against scikit-learn."""

import numpy as np
import pytest
import pytorch_lightning as pl
import torch
from sklearn.metrics import log_loss
from torch.utils.data import DataLoader, TensorDataset

from preflare.model.classifier import FlareClassifier
from preflare.model.loss import CrossEntropy


class Linear(torch.nn.Module):
    """Logits that follow from two weights."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = torch.nn.Linear(4, 2)

    def forward(self, spectra: torch.Tensor) -> torch.Tensor:
        return self.layer(spectra.flatten(1))


def loaders() -> list[DataLoader]:
    generator = torch.Generator().manual_seed(0)
    sets = [TensorDataset(torch.randn(n, 1, 4, generator=generator), torch.arange(n) % 2) for n in (30, 14)]
    return [DataLoader(data, batch_size=8) for data in sets]


def validate(classifier: FlareClassifier) -> dict[str, float]:
    trainer = pl.Trainer(accelerator="cpu", logger=False, enable_progress_bar=False, enable_checkpointing=False)
    trainer.validate(classifier, loaders(), verbose=False)
    return {key: float(value) for key, value in trainer.callback_metrics.items()}


@pytest.fixture
def classifier() -> FlareClassifier:
    torch.manual_seed(0)
    return FlareClassifier(Linear(), CrossEntropy(0.5), torch.optim.Adam, ("train", "test"), "test")


@pytest.mark.filterwarnings("ignore:.*does not have many workers.*")
@pytest.mark.filterwarnings("ignore:.*LeafSpec.*:FutureWarning")
class TestValidation:
    def test_losses_are_scikit_learns_and_carry_no_penalty(self, classifier: FlareClassifier) -> None:
        logged = validate(classifier)
        for side, loader in zip(("train", "test"), loaders(), strict=True):
            spectra, labels = loader.dataset.tensors
            with torch.no_grad():
                score = torch.softmax(classifier(spectra), 1)[:, 1].double().numpy()
            assert logged[f"{side}/loss"] == pytest.approx(log_loss(labels.numpy(), score), rel=1e-6)
        assert logged["mean/loss"] == pytest.approx((logged["train/loss"] + logged["test/loss"]) / 2, rel=1e-6)

    def test_spread_is_the_deviation_of_the_log_odds(self, classifier: FlareClassifier) -> None:
        spectra, _ = loaders()[0].dataset.tensors
        with torch.no_grad():
            logits = classifier(spectra)
        expected = float((logits[:, 1] - logits[:, 0]).std())
        assert validate(classifier)["train/spread"] == pytest.approx(expected, rel=1e-5)

    def test_a_second_pass_forgets_the_first(self, classifier: FlareClassifier) -> None:
        assert validate(classifier) == validate(classifier)

    def test_a_network_that_diverged_has_losses_that_say_so_and_no_skill(self, classifier: FlareClassifier) -> None:
        classifier.network.layer.weight.data.fill_(float("nan"))
        logged = validate(classifier)
        assert logged["mean/loss"] != logged["mean/loss"] and "test/tss" not in logged

    def test_scores_are_kept_at_full_precision(self, classifier: FlareClassifier) -> None:
        logged = validate(classifier)
        assert {key: np.float32(value) for key, value in classifier.scores.items()} == logged


def test_the_optimizer_sees_the_network_alone(classifier: FlareClassifier) -> None:
    optimizer = classifier.configure_optimizers()
    assert sum(p.numel() for group in optimizer.param_groups for p in group["params"]) == 10
