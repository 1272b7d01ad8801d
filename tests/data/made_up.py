"""An observation that nobody made, for tests of shards."""

from dataclasses import replace

import numpy as np

from preflare.sun.line import Line, Rules
from preflare.sun.observation import Block, Header, Label, Observation

RULES = Rules(-100.0, 16183.0, 3, 10.0, None, None, 1.0)
LINE = Line("made_up", "Made up", "NUV", 100.0, 110.0, 6, {"k": 103.0}, {}, (105.0, 105.5), RULES)
HEADER = Header(
    id="20140329_140938_3860258481",
    label=Label.PF,
    origin="simulation",
    line="made_up",
    wavelength=LINE.wavelength,
    dispersion=0.1,
    start="2014-03-29T14:09:38.830",
    window_start="2014-03-29T17:09:00.000",
    window_end="2014-03-29T17:34:00.000",
    onset="2014-03-29T17:35:00.000",
    flare_class="X1.0",
    number=4,
    settings={"exposure": 8.0, "mode": "raster"},
    sources={"a.fits": "00ff"},
    recipe={"window.minutes": 25.0, "window.label": None},
)


def block(repeats: int, seed: int = 0) -> Block:
    random = np.random.default_rng(seed)
    shape = (repeats, 3, 4)
    spectra = random.normal(size=(*shape, 6)).astype(np.float32)
    spectra[0, 0, 0] = np.nan
    return Block(
        spectra=spectra,
        intensity=random.normal(size=shape).astype(np.float32),
        time=random.normal(size=shape[:2]),
        phase=random.integers(0, 3, shape[:2]).astype(np.uint8),
        exposure=random.normal(size=shape[:2]).astype(np.float32),
        quality=random.integers(0, 64, shape).astype(np.uint16),
        position=random.normal(size=(*shape, 2)).astype(np.float32),
        truth={"kind": random.integers(0, 5, shape).astype(np.uint8)},
    )


def observation(sizes: tuple[int, ...] = (2, 3), header: Header = HEADER, **changes: object) -> Observation:
    whole = Observation(header, sum(sizes), 3, 4, lambda: (block(size, seed=i) for i, size in enumerate(sizes)))
    return replace(whole, **changes)
