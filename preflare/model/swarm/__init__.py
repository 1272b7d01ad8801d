"""Many members trained as one.

Members share an architecture, a batch size and a number of epochs; each has its own initial weights, partition,
order of batches, and numbers (learning rate, penalty, ...). Their parameters are stacked, one row a member.
Member k becomes what it would have become alone, and does not depend on who else is in the swarm.

On a CPU, chains of common layers with cross-entropy are trained by compiled loops (``compiled``), one member after
the other in the cache of a core; every other network, loss and device goes the way of torch.func (``vectorised``).

Memory: 4 bytes x points for every clean spectrum that any member uses (held once, twice that for float64); for a
member 12 bytes for every spectrum of its sides, 8 more for those it trains on, and 16 bytes for each weight (itself,
gradient, two moments). Compiled loops have room for one batch a thread: number x batch x 2 (points + outputs of all
layers). By torch.func a member takes number x (points + outputs) x the larger of 3 batches in training and 1.5 x 512
spectra in evaluation; where a loss goes through the gradient of a gradient, as the attribution prior does, 6 batches
for each time that it passes a spectrum through the network (1 + references). ``memory`` computes it; measured, a
member of the paper's network takes a quarter more than that when compiled, and 5% more with the prior.
"""


class CannotSwarm(Exception):
    """These members cannot be trained together, though each may be alone. Its message is a sentence that says why."""
