"""The attribution prior (paper Appendix C): a loss that asks neighbouring wavelengths for alike attributions.

    loss = cross-entropy + l2 |weights|^2 + sigma * mean over the batch of V

V is the variation of a spectrum's attributions between neighbouring wavelengths. The attributions are expected
gradients (Eq. C.2) of a few samples, taken anew in every step, so that the gradient of the loss goes through a
gradient. The paper gives no value for sigma.

A spectrum's references are other spectra of its batch: a batch is a random draw from the member's training side,
which a step has in memory wherever the spectra are, and no other side gets in.
"""

import torch
from torch import Tensor
from torch.nn import functional

from preflare.checks import check_choice, check_integer, check_number
from preflare.model.loss import Draws, Network, Parameters, squared_weights
from preflare.model.swarm.streams import GOLDEN, mix

VARIATIONS = ("absolute", "squared")
TARGETS = ("log_odds", "winner")
STANDARDISED = ("tensorflow", "authors")


class AttributionPrior:
    """Eq. 1 plus sigma times the mean variation of the attributions.

    l2: weight of the squared weights. sigma: weight of the variation. warm_up: epochs in which sigma rises linearly
        from 0; 0 for none.
    variation: the sum of "absolute" or "squared" differences between neighbours.
    standardised: each map less its mean, over its standard deviation but at least 1/sqrt(points) ("tensorflow", as in
        the model that the authors' code follows) or 1/points ("authors": so low that only shape counts, not size);
        None for attributions as they are.
    target: "log_odds", or "winner", the logit that won, as in the authors' code, whose offset is arbitrary.
    references: samples for each spectrum: so many others of its batch, one position on each path, stratified.

    Raises ConfigError for values that cannot be meant.
    """

    def __init__(
        self,
        l2: float,
        sigma: float,
        warm_up: int,
        variation: str,
        standardised: str | None,
        target: str,
        references: int,
    ) -> None:
        self.l2 = check_number("loss.l2", l2, 0)
        self.sigma = check_number("loss.sigma", sigma, 0)
        self.warm_up = check_integer("loss.warm_up", warm_up, 0)
        self.variation = check_choice("loss.variation", variation, VARIATIONS)
        self.standardised = check_choice("loss.standardised", standardised, STANDARDISED, or_null=True)
        self.target = check_choice("loss.target", target, TARGETS)
        self.references = check_integer("loss.references", references, 1)

    def __call__(
        self, network: Network, parameters: Parameters, spectra: Tensor, labels: Tensor, draws: Draws
    ) -> Tensor:
        loss = functional.cross_entropy(network(parameters, spectra), labels) + self.l2 * squared_weights(parameters)
        if draws.epoch == 0 < self.warm_up:
            return loss
        share = min(1.0, draws.epoch / self.warm_up) if self.warm_up else 1.0
        maps = self.attributions(network, parameters, spectra, draws.stream)
        return loss + self.sigma * share * self.variations(maps).mean()

    def attributions(self, network: Network, parameters: Parameters, spectra: Tensor, stream: Tensor) -> Tensor:
        """Expected gradients (batch, wavelength) of spectra (batch, 1, wavelength), along paths that stream draws."""
        others, positions = draw(stream, len(spectra), self.references)
        references = spectra[others]
        steps = spectra[:, None] - references
        paths = references + positions.to(spectra.dtype)[:, :, None, None] * steps
        weights = self._weights(network, parameters, spectra)

        def explained(paths: Tensor) -> Tensor:
            logits = network(parameters, paths.flatten(0, 1), trained=True)
            return (logits.view(*paths.shape[:2], 2) * weights[:, None]).sum()

        return (steps * torch.func.grad(explained)(paths)).mean(dim=1)[:, 0]

    def _weights(self, network: Network, parameters: Parameters, spectra: Tensor) -> Tensor:
        """By what the logits AR and PF count in what is explained: (batch or 1, 2)."""
        if self.target == "log_odds":
            return spectra.new_tensor([[-1.0, 1.0]])
        logits = network(parameters, spectra, trained=True)
        won = logits[:, 1] > logits[:, 0]
        return torch.stack([~won, won], dim=1).to(spectra.dtype)

    def variations(self, maps: Tensor) -> Tensor:
        """Between neighbouring wavelengths, of each map: (batch,) of (batch, wavelength)."""
        if self.standardised:
            points = maps.shape[1]
            floor = 1 / points if self.standardised == "tensorflow" else 1 / points**2
            maps = maps - maps.mean(dim=1, keepdim=True)
            # The floor lies under the root, whose slope at 0 is infinite: a network may answer the same to all.
            maps = maps / maps.square().mean(dim=1, keepdim=True).clamp(min=floor).sqrt()
        differences = maps[:, 1:] - maps[:, :-1]
        return (differences.abs() if self.variation == "absolute" else differences.square()).sum(dim=1)


def draw(stream: Tensor, batch: int, references: int) -> tuple[Tensor, Tensor]:
    """Which others of its batch each spectrum is compared with, int64, and where on the path from each: (batch,
    references) both, a function of stream. Positions are float64 from 0 to 1, the r-th in the r-th part.

    A spectrum that is alone in its batch is compared with itself, to no effect.
    """
    places = torch.arange(batch * references, device=stream.device).view(batch, references)
    bits = mix(mix(stream) + places * GOLDEN)
    # The lower 32 bits choose, the upper 24 place.
    further = 1 + (((bits & 0xFFFFFFFF) * (batch - 1)) >> 32)
    others = (torch.arange(batch, device=stream.device)[:, None] + further) % batch
    within = ((bits >> 40) & 0xFFFFFF).double() / (1 << 24)
    return others, (torch.arange(references, device=stream.device) + within) / references
