"""A network that was taught nothing true: trained as a run's was, on labels shuffled between observations.

For the check of Adebayo et al. (2018): an explanation that is the same for it did not come from the labels.
"""

import logging

import numpy as np
import torch
from hydra.utils import instantiate
from torch import Tensor, nn
from torch.nn import functional

from preflare.explain.side import Side
from preflare.explain.target import log_odds
from preflare.model.member import DEAD_SPREAD, RESTARTS
from preflare.run import Run

# Training spectra, at most.
SPECTRA = 16384

log = logging.getLogger(__name__)


def shuffle(labels: np.ndarray, seed: int) -> np.ndarray:
    """Labels (observation,) of 0 and 1 of which half of each class, one at least, is turned into the other."""
    stream, other = np.random.default_rng(seed), labels.copy()
    for label in (0, 1):
        mine = np.flatnonzero(labels == label)
        other[stream.choice(mine, max(1, len(mine) // 2), replace=False)] = 1 - label
    return other


def trained(run: Run, side: Side, seed: int) -> nn.Module:
    """A network like the run's, trained until its best epoch on up to SPECTRA of its side; in evaluation mode.

    By cross-entropy alone, whatever else the run's loss holds: of the labels nothing else is learned.
    One that answers the same to all after training is replaced by another, as in training proper.
    """
    train = side.data.datasets["train"]
    stream = np.random.default_rng(seed)
    rows = torch.from_numpy(np.sort(stream.choice(len(train), min(SPECTRA, len(train)), replace=False)))
    owner = train.observation[rows].numpy()
    truth = np.array([int(side.data.shards[name].header.label) for name in train.names])
    spectra, labels = train.spectra[rows], torch.from_numpy(shuffle(truth, seed)[owner])
    log.info("Training a network on shuffled labels, to see what of the explanations stays.")
    for attempt in range(RESTARTS + 1):
        network = _fit(run, spectra, labels, seed + attempt)
        with torch.no_grad():
            if log_odds(network)(spectra).std() > DEAD_SPREAD:
                break
    return network


def _fit(run: Run, spectra: Tensor, labels: Tensor, seed: int) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network: nn.Module = instantiate(run.config.model)
        optimizer = instantiate(run.config.optimizer)(network.parameters())
        for _ in range(run.record["best_epoch"] + 1):
            for rows in torch.randperm(len(spectra)).split(run.config.data.batch_size):
                optimizer.zero_grad()
                functional.cross_entropy(network(spectra[rows]), labels[rows]).backward()
                optimizer.step()
    return network.eval()
