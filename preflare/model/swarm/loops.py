"""Training steps and answers of networks as compiled loops, one member after the other."""

import math

import numpy as np

from preflare.model.swarm import compiling, layers, operations, pieces
from preflare.model.swarm.compiling import compiled, entry
from preflare.model.swarm.layers import backward, forward, gather, mix
from preflare.model.swarm.operations import OUT, OUT_PAD, OUT_ROWS

SGD, ADAM, ADAMW = range(3)
PARTS = (compiling, operations, pieces, layers)


@compiled
def _cross_entropy_back(program, labels, places, values, slopes):  # type: ignore[no-untyped-def]
    """Slopes of the mean cross-entropy to the two logits."""
    count, last = len(places), program.ops[-1]
    start = (last[OUT] + last[OUT_PAD]) * count
    pitch = last[OUT_ROWS] * count
    for b in range(count):
        sign = values.dtype.type(2 * labels[places[b]] - 1)
        margin = (values[start + b] - values[start + pitch + b]) * sign
        slope = sign / (1 + np.exp(-margin)) / count
        slopes[start + b], slopes[start + pitch + b] = slope, -slope


@compiled
def _update(kind, numbers, step, row, gradient, first, second):  # type: ignore[no-untyped-def]
    """torch.optim's SGD, Adam or AdamW; numbers in the order of the stacked optimizer's options."""
    real = row.dtype.type
    lr, decay = numbers[0], real(numbers[-1])
    if kind == SGD:
        rate, momentum = real(lr), real(numbers[1])
        for i in range(len(row)):
            first[i] = momentum * first[i] + (gradient[i] + decay * row[i])
            row[i] -= rate * first[i]
        return
    beta1, beta2 = numbers[1], numbers[2]
    rate, root, epsilon = real(lr / (1 - beta1**step)), real(math.sqrt(1 - beta2**step)), real(numbers[3])
    keep1, rest1, keep2, rest2 = real(beta1), real(1 - beta1), real(beta2), real(1 - beta2)
    shrink = real(1 - lr * numbers[-1]) if kind == ADAMW else real(1)
    added = real(0) if kind == ADAMW else decay
    for i in range(len(row)):
        slope = gradient[i] + added * row[i]
        first[i] = keep1 * first[i] + rest1 * slope
        second[i] = keep2 * second[i] + rest2 * (slope * slope)
        row[i] = shrink * row[i] - rate * (first[i] / (np.sqrt(second[i]) / root + epsilon))


@entry(*PARTS)
def train(  # type: ignore[no-untyped-def]
    program, kind, members, numbers, penalties, seeds, rows, first, second, steps, running, held, labels, places,
    counts, values, slopes,
):  # fmt: skip
    """Steps of the members, one member after the other, in place.

    kind: of optimizer. members: (m,) which. Of all members: numbers (member, options) of the optimizer, penalties
    (member,), seeds (member,) of dropout, rows (member, width) of weights, first and second (member, width) moments,
    steps (member,) so far, running (member, n) means and variances. held: (spectra, points). labels: (spectra,).
    places: (step, member, batch). counts: (step, member), 0 for no step. values, slopes: room for all rows.
    """
    gradient, own = np.zeros_like(rows[0]), np.zeros_like(running[0])
    golden, before = np.uint64(0x9E3779B97F4A7C15), 0
    for k in members:
        penalty = rows.dtype.type(2 * penalties[k])
        for step in range(len(places)):
            count = counts[step, k]
            if count == 0:
                continue
            if count != before:
                values[:] = 0  # paddings lie elsewhere now
                slopes[:] = 0
                before = count
            mine = places[step, k, :count]
            stream = mix(seeds[k] + np.uint64(steps[k]) * golden)
            gather(program, held, mine, values)
            forward(program, count, True, values, rows[k], running[k], own, stream)
            _cross_entropy_back(program, labels, mine, values, slopes)
            backward(program, count, values, slopes, rows[k], own, gradient)
            for i in range(rows.shape[1]):
                gradient[i] += penalty * program.penalised[i] * rows[k, i]
            steps[k] += 1
            _update(kind, numbers[k], steps[k], rows[k], gradient, first[k], second[k])


@entry(*PARTS)
def answer(program, members, rows, running, held, places, batch, values, log_odds):  # type: ignore[no-untyped-def]
    """Fill in log_odds (m, n) of members (m,) for the spectra at places (n,), so many at a time."""
    own, before = np.zeros_like(running[0]), 0
    last = program.ops[-1]
    for start in range(0, len(places), batch):
        mine = places[start : start + batch]
        count = len(mine)
        if count != before:
            values[:] = 0
            before = count
        gather(program, held, mine, values)
        logits = (last[OUT] + last[OUT_PAD]) * count
        for m in range(len(members)):
            k = members[m]
            forward(program, count, False, values, rows[k], running[k], own, np.uint64(0))
            for b in range(count):
                other = values[logits + last[OUT_ROWS] * count + b]
                log_odds[m, start + b] = other - values[logits + b]
