"""Members that explain together: means over them (paper Eq. 2), and by how much they differ."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from preflare.explain.activation_maps import MAPS
from preflare.explain.distance import HiddenDistance
from preflare.explain.engine import Engine
from preflare.explain.expected_gradients import Paths
from preflare.explain.parts import Arrays

# Spectra x members whose attributions are in memory at a time, and spectra in one call of a network.
AT_ONCE, CALL = 16384, 4096


class Committee:
    """What some networks say of spectra, along fixed paths.

    networks: in evaluation mode. training, labels: spectra (n, 1, wavelength) and classes of the training side, to
    measure distances from. maps: names of activation maps. Of more than one network, spreads are standard
    deviations over them (ddof 1).
    """

    def __init__(
        self,
        networks: Sequence[nn.Module],
        paths: Paths,
        training: Tensor,
        labels: Tensor,
        maps: Sequence[str],
        workers: int,
    ) -> None:
        self.networks = list(networks)
        self.engine = Engine(self.networks, paths.baselines, paths.positions, workers)
        self.distances = [HiddenDistance(one, training, labels) for one in self.networks]
        self.maps = tuple(maps)

    def score(self, spectra: Tensor) -> Arrays:
        """score, log_odds, distance and, of several, log_odds_spread of spectra (n, wavelength): (n,) float32."""
        odds = torch.stack([one.log_odds(spectra) for one in self.engine.members]).double()
        far = [torch.cat([one(part[:, None]) for part in spectra.split(CALL)]) for one in self.distances]
        found = {
            "score": torch.sigmoid(odds).mean(dim=0),
            "log_odds": odds.mean(dim=0),
            "distance": torch.stack(far).mean(dim=0),
        }
        if len(odds) > 1:
            found["log_odds_spread"] = odds.std(dim=0)
        return {name: values.float().numpy() for name, values in found.items()}

    def attribute(self, spectra: Tensor) -> Arrays:
        """expected_gradients, completeness, the maps and, of several, expected_gradients_spread.

        spectra: (n, wavelength). completeness is (n,), the others (n, wavelength), float32.
        """
        parts = [self._attribute(part) for part in spectra.split(max(1, AT_ONCE // len(self.networks)))]
        return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}

    def _attribute(self, spectra: Tensor) -> Arrays:
        said = self.engine(spectra)
        found = {
            "expected_gradients": said.attributions.mean(dim=0).numpy(),
            "completeness": said.residual.mean(dim=0).numpy(),
        }
        if len(self.networks) > 1:
            found["expected_gradients_spread"] = said.attributions.std(dim=0).numpy()
        for name in self.maps:
            every = [
                np.concatenate([MAPS[name](one, p[:, None]) for p in spectra.split(CALL)]) for one in self.networks
            ]
            found[name] = np.stack(every).mean(axis=0, dtype=np.float64).astype(np.float32)
        return found
