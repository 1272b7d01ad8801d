"""Tiny hand-made shards: what the tests of the data room read, in milliseconds."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from preflare.data import shard
from preflare.data.shard import Shard
from preflare.sun.line import Line, Rules
from preflare.sun.observation import Block, Header, Label, Observation, Phase
from preflare.sun.quality import Quality

MakeShard = Callable[..., Shard]


@pytest.fixture(scope="session")
def tiny_line() -> Line:
    """A line that is none: 64 points around one core."""
    return Line(
        name="tiny",
        title="Tiny I",
        detector="NUV",
        start=100.0,
        stop=106.3,
        points=64,
        cores={"core": 102.0},
        features={},
        continuum=(104.0, 105.0),
        rules=Rules(-100.0, 16183.0, 10, 10.0, None, None, 1.0),
    )


@pytest.fixture(scope="session")
def make_shard(tiny_line: Line) -> MakeShard:
    """``make_shard(root, "PF_20140329_140938_3860258481")`` writes that observation's shard and opens it.

    The content follows from the name alone. By default (2 repeats, 3 steps, 5 pixels) the last exposure lies
    outside the window (PF: in the flare) and every seventh spectrum is missing; ``clean=False`` makes all missing.
    PF has a bump that AR lacks. Further keys replace the header's.
    """

    def make(
        root: Path,
        name: str,
        shape: tuple[int, int, int] = (2, 3, 5),
        clean: bool = True,
        nan_but_clean: bool = False,
        **header: object,
    ) -> Shard:
        prefix, identity = name.split("_", 1)
        label = {"AR": Label.AR, "PF": Label.PF, "QS": Label.QS, "NA": Label.UNKNOWN}[prefix]
        start = f"{identity[:4]}-{identity[4:6]}-{identity[6:8]}T{identity[9:11]}:{identity[11:13]}:{identity[13:15]}"
        fields = {
            "id": identity,
            "label": label,
            "origin": "simulation",
            "line": tiny_line.name,
            "wavelength": tiny_line.wavelength,
            "dispersion": 0.05,
            "start": start,
            "window_start": start,
            "window_end": start,
            "onset": start if label is Label.PF else "",
            "settings": {"instrument": "none"},
        }
        known = Header(**(fields | header))
        block = _block(identity, label, shape, tiny_line, clean, nan_but_clean)
        path, _ = shard.write(root, Observation(known, *shape, lambda: iter([block])))
        return Shard.open(path)

    return make


def _block(
    identity: str, label: Label, shape: tuple[int, int, int], line: Line, clean: bool, nan_but_clean: bool
) -> Block:
    rng = np.random.default_rng(int(identity.replace("_", "")))
    spectra = rng.uniform(0.1, 0.5, (*shape, line.points)).astype(np.float32)
    if label is Label.PF:
        spectra += 0.5 * np.exp(-(((line.wavelength - line.cores["core"]) / 0.3) ** 2)).astype(np.float32)
    spectra /= spectra.max(axis=-1, keepdims=True)
    quality = np.zeros(shape, np.uint16)
    quality.reshape(-1)[:: 7 if clean else 1] = Quality.MISSING
    spectra[quality > 0] = np.nan
    if nan_but_clean:
        spectra[0, 0, 1, 3] = np.nan
    phase = np.full(shape[:2], Phase.PREFLARE, np.uint8)
    phase[-1, -1] = Phase.FLARE if label is Label.PF else Phase.OUTSIDE
    return Block(
        spectra=spectra,
        intensity=np.full(shape, 100, np.float32),
        time=np.arange(shape[0] * shape[1], dtype=np.float64).reshape(shape[:2]),
        phase=phase,
        exposure=np.ones(shape[:2], np.float32),
        quality=quality,
        position=np.zeros((*shape, 2), np.float32),
    )
