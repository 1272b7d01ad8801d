"""A network as a table of operations that compiled loops carry out, if it is a chain of layers known here."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from preflare.model.swarm import operations
from preflare.model.swarm.layout import Layout
from preflare.model.swarm.operations import Program
from preflare.model.swarm.streams import dropouts

# Names and layers, in the order in which they are called.
Layers = list[tuple[str, Any]]


def calls(network: nn.Module, points: int) -> Layers | None:
    """The layers that network calls on (batch, 1, points), each on what the one before gave; None if it does more."""
    seen: list[tuple[str, nn.Module, Tensor, Tensor]] = []
    hooks = [
        layer.register_forward_hook(lambda layer, given, gave, name=name: seen.append((name, layer, given[0], gave)))
        for name, layer in network.named_modules()
        if not any(True for _ in layer.children())
    ]
    spectra = torch.rand(2, 1, points, dtype=next(network.parameters()).dtype)
    training = network.training
    try:
        with torch.no_grad():
            final: Any = network.eval()(spectra)
    finally:
        network.train(training)
        for hook in hooks:
            hook.remove()
    before: Any = spectra
    for _, _, given, gave in seen:
        if given is not before:
            return None
        before = gave
    return [(name, layer) for name, layer, _, _ in seen] if final is before else None


@dataclass(frozen=True)
class Step:
    """An operation between two activations: channels and positions before and after.

    flattened: it reads what the one before wrote as a list of features.
    """

    kind: int
    name: str
    layer: Any
    before: int
    length: int
    after: int
    outputs: int
    flattened: bool
    kernel: int = 1
    stride: int = 1
    padding: int = 0

    @property
    def phase(self) -> int:
        """Rows of each phase of the input."""
        return -(-(self.length + 2 * self.padding) // self.stride)

    @property
    def margin(self) -> int:
        """Rows of zeros before and after a channel of outputs, so that the slopes of inputs may read on."""
        if self.kind != operations.CONVOLUTION:
            return 0
        return max(-(-self.kernel // self.stride) - 1, self.phase - self.outputs)


@dataclass(frozen=True)
class Rows:
    """How an activation lies: its first row, and stride, padding and rows of a phase, as its reader needs them."""

    start: int
    stride: int
    pad: int
    phase: int
    channels: int

    @property
    def end(self) -> int:
        return self.start + self.channels * self.stride * self.phase

    def at(self, channel: int, position: int) -> int:
        """The row of a position, counted from the first."""
        place = position + self.pad
        return (channel * self.stride + place % self.stride) * self.phase + place // self.stride


def steps(network: nn.Module, points: int) -> list[Step] | None:
    """The network as operations that ``layers`` knows; None if it is another. It ends in two logits."""
    found: list[Step] = []
    channels, length, flat, flattened = 1, points, False, False
    for name, layer in calls(network, points) or []:
        if type(layer) is nn.Flatten:
            if (layer.start_dim, layer.end_dim) != (1, -1) or (found and type(found[-1].layer) is nn.Conv1d):
                return None
            channels, length, flat, flattened = channels * length, 1, True, not flat
            continue
        step = _step(name, layer, channels, length, flat, flattened)
        if step is None or (found and type(found[-1].layer) is type(layer) is nn.Conv1d):
            return None
        found.append(step)
        channels, length, flattened = step.after, step.outputs, False
    learning = [step.name for step in found if list(step.layer.parameters())]
    if not found or type(found[-1].layer) is not nn.Linear or channels != 2 or len(set(learning)) < len(learning):
        return None
    return found


def _step(name: str, layer: Any, channels: int, length: int, flat: bool, flattened: bool) -> Step | None:
    same = (name, layer, channels, length, channels, length, flattened)
    match layer:
        case nn.Conv1d() if not flat and type(layer) is nn.Conv1d:
            if (layer.dilation, layer.groups, layer.padding_mode) != ((1,), 1, "zeros"):
                return None
            if isinstance(layer.padding, str):
                return None
            kernel, stride, padding = layer.kernel_size[0], layer.stride[0], layer.padding[0]
            outputs = (length + 2 * padding - kernel) // stride + 1
            sizes = (channels, length, layer.out_channels, outputs, flattened)
            return Step(operations.CONVOLUTION, name, layer, *sizes, kernel, stride, padding)
        case nn.Linear() if flat and type(layer) is nn.Linear:
            return Step(operations.CONVOLUTION, name, layer, channels, 1, layer.out_features, 1, flattened)
        case nn.ReLU() if type(layer) is nn.ReLU:
            return Step(operations.RELU, *same)
        case nn.MaxPool1d() if not flat and type(layer) is nn.MaxPool1d:
            kernel, stride, padding, dilation = (
                value[0] if isinstance(value, tuple) else value
                for value in (layer.kernel_size, layer.stride, layer.padding, layer.dilation)
            )
            if (stride, padding, dilation, layer.ceil_mode) != (kernel, 0, 1, False):
                return None
            return Step(operations.POOL, name, layer, channels, length, channels, length // kernel, flattened, kernel)
        case nn.BatchNorm1d() if type(layer) is nn.BatchNorm1d:
            usual = layer.affine and layer.track_running_stats and layer.momentum is not None
            return Step(operations.NORMALISATION, *same) if usual else None
        case nn.Dropout() if type(layer) is nn.Dropout:
            return Step(operations.DROPOUT, *same)
    return None


def activations(found: Sequence[Step], points: int) -> list[Rows]:
    """Where the input of each step lies, and the logits."""
    rows: list[Rows] = []
    channels, start = 1, 0
    for k in range(len(found) + 1):
        margin = found[k - 1].margin if k else 0
        length = found[k - 1].outputs if k else points
        reader = found[k] if k < len(found) else None
        if reader is None or reader.flattened or type(reader.layer) is not nn.Conv1d:
            rows.append(Rows(start, 1, margin, length + 2 * margin, channels))
        else:
            rows.append(Rows(start, reader.stride, reader.padding, reader.phase, channels))
        start = rows[-1].end
        channels = reader.after if reader else channels
    return rows


def program(network: nn.Module, layout: Layout, points: int) -> tuple[Program, list[str], int] | None:
    """The network's operations, its normalisations' names, and the rows of room needed; None if ``layers`` cannot."""
    found = steps(network, points)
    if found is None:
        return None
    rows = activations(found, points)
    room, running, drops = rows[-1].end, 0, dropouts(network)
    shifts: list[int] = []
    entries: list[int] = []
    phases: list[tuple[int, int]] = []
    ops = np.zeros((len(found), operations.COLUMNS), dtype=np.int64)
    numbers = np.zeros((len(found), operations.NUMBERS))
    for k, (step, op) in enumerate(zip(found, ops, strict=True)):
        # A list of features has one row each.
        read = Rows(rows[k].start, 1, 0, 1, step.before) if step.flattened else rows[k]
        written = rows[k + 1]
        op[: operations.IN] = step.kind, step.before, step.length, step.after, step.outputs
        op[operations.IN : operations.WEIGHT] = (
            *(read.start, read.stride, read.pad, read.phase),
            *(written.start, written.stride, written.pad, written.phase),
        )
        op[operations.KERNEL] = step.kernel
        if step.kind in (operations.CONVOLUTION, operations.NORMALISATION):
            op[operations.WEIGHT] = layout.starts[f"{step.name}.weight"]
            op[operations.BIAS] = layout.starts.get(f"{step.name}.bias", -1)
        if step.kind == operations.CONVOLUTION:
            op[operations.EACH] = step.before * step.kernel
            op[operations.TAP], op[operations.PHASE] = len(shifts), len(phases)
            _taps(step, read, written, shifts, entries, phases)
        elif step.kind == operations.NORMALISATION:
            op[operations.RUNNING] = running
            numbers[k, operations.MOMENTUM], numbers[k, operations.EPSILON] = step.layer.momentum, step.layer.eps
            running += 2 * step.before
        elif step.kind == operations.DROPOUT:
            op[operations.DRAWN], op[operations.LAYER] = room, drops.index(step.layer)
            numbers[k, operations.PROBABILITY] = step.layer.p
            room += step.before * step.length
    penalised = np.zeros(layout.width)
    for name, shape in zip(layout.names, layout.shapes, strict=True):
        penalised[layout.starts[name] : layout.starts[name] + shape.numel()] = len(shape) > 1
    inputs = np.array([rows[0].at(0, point) for point in range(points)])
    table = Program(ops, numbers, np.array(shifts), np.array(entries), np.array(phases), inputs, penalised)
    return table, [step.name for step in found if step.kind == operations.NORMALISATION], room


def _taps(
    step: Step, read: Rows, written: Rows, shifts: list[int], entries: list[int], phases: list[tuple[int, int]]
) -> None:
    """Add the taps of a convolution, those of one phase together, and those of the slopes of its inputs."""
    by_phase = sorted(range(step.kernel), key=lambda tap: (tap % step.stride, tap))
    for channel in range(step.before):
        for tap in by_phase:
            shifts.append((channel * read.stride + tap % step.stride) * read.phase + tap // step.stride)
            entries.append(channel * step.kernel + tap)
    for phase in range(step.stride):
        taps = range(phase, step.kernel, step.stride)
        phases.append((len(shifts), step.after * len(taps)))
        for output in range(step.after):
            for tap in taps:
                shifts.append(output * written.phase - tap // step.stride)
                entries.append(output * step.before * step.kernel + tap)
