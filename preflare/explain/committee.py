"""Members that explain together: means over them (paper Eq. 2), and by how much they differ."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from preflare.explain.activation_maps import MAPS
from preflare.explain.distance import HiddenDistance
from preflare.explain.engine import Engine, Explainable, member
from preflare.explain.expected_gradients import Paths
from preflare.explain.parts import Arrays
from preflare.explain.target import LOG_ODDS

# Spectra x members whose attributions are in memory at a time, and spectra in one call of a network.
AT_ONCE, CALL = 16384, 4096


class Committee:
    """What some networks say of spectra, each along the paths of its own training side.

    networks: in evaluation mode. paths, distances: of each network, from the side that it was trained with. maps:
    names of activation maps. quantity: what is explained. Of more than one network, spreads are standard deviations
    over them (ddof 1).
    """

    def __init__(
        self,
        networks: Sequence[nn.Module],
        paths: Sequence[Paths],
        distances: Sequence[HiddenDistance],
        maps: Sequence[str],
        workers: int,
        quantity: str = LOG_ODDS,
    ) -> None:
        self.networks = list(networks)
        self.paths = list(paths)
        self.distances = list(distances)
        self.maps = tuple(maps)
        self.workers = workers
        self.quantity = quantity
        self._made: dict[int, tuple[nn.Module, Explainable]] = {}
        self.engine = self.engine_of(self.networks, self.baselines)

    @property
    def baselines(self) -> Tensor:
        """(sample, wavelength) if all share them, else (member, sample, wavelength)."""
        if len({id(one) for one in self.paths}) == 1:
            return self.paths[0].baselines
        return torch.stack([one.baselines for one in self.paths])

    def engine_of(self, networks: Sequence[nn.Module], baselines: Tensor) -> Engine:
        """Other networks in these seats, or these from other baselines."""
        members = []
        for one in networks:
            if id(one) not in self._made:
                self._made[id(one)] = (one, member(one, baselines.shape[-1], self.quantity))
            members.append(self._made[id(one)][1])
        return Engine(members, baselines, self.paths[0].positions, self.workers)

    def explained(self, spectra: Tensor) -> Tensor:
        """The quantity explained of spectra (n, wavelength), mean over members: (n,)."""
        return torch.stack([one.explained(spectra) for one in self.engine.members]).mean(dim=0)

    def map(self, name: str, networks: Sequence[nn.Module], spectra: Tensor) -> np.ndarray:
        """An activation map of each network, (member, n, wavelength), of spectra (n, wavelength)."""
        return np.stack(
            [
                np.concatenate([MAPS[name](one, part[:, None], self.quantity) for part in spectra.split(CALL)])
                for one in networks
            ]
        )

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
            every = self.map(name, self.networks, spectra)
            found[name] = every.mean(axis=0, dtype=np.float64).astype(np.float32)
        return found
