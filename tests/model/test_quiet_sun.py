"""What an epoch is scored by, against the same sums taken at once."""

import pytest
import pytorch_lightning as pl
import torch
from torch.utils.data import DataLoader, TensorDataset

from preflare.model.elbo import NegativeELBO
from preflare.model.quiet_sun import QuietSunModel, dead_dimensions, dimensions_in_use
from preflare.model.vae import VAE, reconstruction_error


@pytest.mark.filterwarnings("ignore:.*does not have many workers.*")
@pytest.mark.filterwarnings("ignore:.*number of training batches.*")
def test_scores_are_means_over_all_spectra_of_a_side() -> None:
    torch.manual_seed(0)
    network, loss = VAE(30, (4,), (5,), (5,), 8, 3, 1.5, 12), NegativeELBO(0.1)
    model = QuietSunModel(network, loss, lambda parameters: torch.optim.SGD(parameters, lr=0.0))
    sides = [TensorDataset(torch.rand(count, 1, 30), torch.zeros(count)) for count in (11, 7)]
    trainer = pl.Trainer(
        max_epochs=1,
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    trainer.fit(model, DataLoader(sides[0], batch_size=4), [DataLoader(side, batch_size=4) for side in sides])
    for name, side in zip(("train", "test"), sides, strict=True):
        spectra = side.tensors[0]
        with torch.no_grad():
            terms, error = loss(network, spectra), reconstruction_error(spectra, network(spectra)).mean()
        assert model.scores[f"{name}/loss"] == pytest.approx(float(terms.loss), rel=1e-5)
        assert model.scores[f"{name}/error"] == pytest.approx(float(error), rel=1e-5)
        found = [model.scores[f"{name}/kl_{place}"] for place in range(3)]
        assert found == pytest.approx(terms.divergence.tolist(), rel=1e-4, abs=1e-7)
    assert model.scores["mean/loss"] == pytest.approx((model.scores["train/loss"] + model.scores["test/loss"]) / 2)


def test_dimensions_in_use() -> None:
    assert dimensions_in_use([2.0, 0.01, 0.3]) == 2 and dimensions_in_use([0.0, 0.02]) == 0
    assert dead_dimensions([2.0, 0.01, 0.3, float("nan")]) == [1, 3]
