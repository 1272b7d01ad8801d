"""Slits: intensity and attribution against the place along the slit and time (paper Sect. 8.2, Figs. 14, D.1, D.2)."""

from dataclasses import dataclass

import numpy as np

from preflare.errors import RunError, ShardError
from preflare.explain.target import LOG_ODDS
from preflare.report.explained import Explained
from preflare.sun.goes import Goes
from preflare.sun.line import Line
from preflare.sun.observation import Label, Phase
from preflare.sun.quality import Quality


@dataclass(frozen=True, eq=False)
class Slit:
    """One step of an observation: what its slit saw.

    minutes: (repeat,) from the onset (AR: from the window's end). phase: (repeat,). position: (repeat, slit, 2)
    helioprojective, arcsec. intensity: (repeat, slit) DN/s, overexposed spectra as the brightest. attribution:
    (repeat, slit) mean over wavelength (``by_completeness``). score: (repeat, slit). Both are NaN where not clean.
    precursors: (repeat, slit) bool, where the simulation put them; None if it does not say. footpoint: (slit,) arcsec
    from the simulated flare's footpoint, or None.
    """

    name: str
    label: Label
    step: int
    minutes: np.ndarray
    phase: np.ndarray
    position: np.ndarray
    intensity: np.ndarray
    attribution: np.ndarray
    score: np.ndarray
    precursors: np.ndarray | None
    footpoint: np.ndarray | None

    @property
    def before(self) -> np.ndarray:
        """Which repeats, (repeat,) bool, lie in the analysis window."""
        inside: np.ndarray = self.phase == Phase.PREFLARE
        return inside

    @property
    def flare(self) -> np.ndarray:
        """Which repeats, (repeat,) bool, lie in the flare."""
        inside: np.ndarray = self.phase == Phase.FLARE
        return inside

    @property
    def along(self) -> np.ndarray:
        """(slit,) arcsec from the slit's first pixel, mean over repeats."""
        place = np.nanmean(self.position, axis=0)
        far: np.ndarray = np.hypot(*(place - place[0]).T)
        return far


def slits(one: Explained, line: Line) -> list[Slit]:
    """Every step of an observation. line: whose ceiling is the least an overexposed spectrum may have.

    Raises ShardError if the pixels of its slit have no places, and as ``by_completeness`` does.
    """
    shard = one.shard
    minutes, phase, position = one.minutes(), shard.read("phase"), shard.read("position").astype(np.float64)
    if not np.isfinite(position).all() or not np.ptp(position, axis=2).any():
        raise ShardError(
            f"{shard.path} does not say where the pixels of its slit lie (position), expected helioprojective "
            "coordinates in arcsec. Ingest the observation again, or leave its cube out."
        )
    light = brightness(shard.read("intensity"), shard.read("quality"), shard.read("exposure"), line.rules.saturation)
    score, attribution = one.scores(), by_completeness(one)
    kind = shard.read("truth/kind") > 0 if "kind" in shard.truth else None
    far = shard.read("truth/footpoint") if "footpoint" in shard.truth and one.label is Label.PF else None
    return [
        Slit(
            one.name,
            one.label,
            step,
            minutes[:, step],
            phase[:, step],
            position[:, step],
            light[:, step],
            attribution[:, step],
            score[:, step],
            None if kind is None else kind[:, step],
            None if far is None else far[:, step].mean(axis=0),
        )
        for step in range(shard.shape[1])
    ]


def brightness(intensity: np.ndarray, quality: np.ndarray, exposure: np.ndarray, ceiling: float) -> np.ndarray:
    """Intensity (repeat, step, slit) in DN/s in which overexposed spectra are the brightest of all, not missing.

    Such a spectrum has the ceiling of the camera at least (DN, over its exposure in s), and is set to the brightest of
    the observation if that is more. quality: of the same shape. exposure: (repeat, step) s.
    """
    over = (quality & Quality.OVEREXPOSED.value) != 0
    if not over.any():
        return intensity.astype(np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        least = np.where(exposure > 0, ceiling / exposure, np.nan)
    least = np.broadcast_to(least[:, :, None], intensity.shape)[over]
    known = [float(np.nanmax(values)) for values in (intensity, least) if np.isfinite(values).any()]
    return np.where(over, max(known, default=np.nan), intensity).astype(np.float64)


def by_completeness(one: Explained) -> np.ndarray:
    """The mean attribution over wavelength of every clean spectrum, (repeat, step, slit).

    By completeness attributions sum to the log-odds less their mean over baselines; that mean is taken from the
    spectra that were explained, and so all that are scored have a value. Raises RunError for cubes that explain
    another quantity, or nothing.
    """
    if "expected_gradients" not in one.cube.names:
        raise RunError(f"{one.cube.path} holds no expected gradients. Explain it again without sample=0.")
    if one.cube.attributes.get("quantity", LOG_ODDS) != LOG_ODDS:
        raise RunError(f"{one.cube.path} does not explain log-odds. Explain it again with explained={LOG_ODDS}.")
    index = one.explained()
    rows = one.cube.rows("expected_gradients", index)
    total = rows.sum(axis=1, dtype=np.float64)
    log_odds = one.cube.of_clean("log_odds").astype(np.float64)
    base = float(np.mean(log_odds.reshape(-1)[index] - total)) if len(index) else np.nan
    mean: np.ndarray = (log_odds - base) / rows.shape[1]
    return mean


def each_side(values: np.ndarray, slit: Slit) -> np.ndarray:
    """Values (repeat, slit) before the onset and those after it, each divided by the size that 99% of them do not
    exceed: as the paper draws them, which makes what is seen jump at the onset. The highest are often hits."""
    late = slit.minutes >= 0 if slit.flare.any() else np.zeros(len(values), dtype=bool)
    scaled = values.astype(np.float64)
    for side in (late, ~late):
        size = np.abs(scaled[side][np.isfinite(scaled[side])])
        if size.any():
            scaled[side] /= np.quantile(size, 0.99, method="higher") or size.max()
    return scaled


def agreement(one: Explained) -> float:
    """The correlation of the summed attributions with the log-odds: how far ``by_completeness`` is true; NaN for
    fewer than three."""
    index = one.explained()
    if len(index) < 3:
        return np.nan
    total = one.cube.rows("expected_gradients", index).sum(axis=1, dtype=np.float64)
    return float(np.corrcoef(total, one.cube.rows("log_odds", index))[0, 1])


def goes(one: Explained) -> Goes | None:
    """The X-ray curve with its time in minutes as ``Slit.minutes``; None where unknown."""
    curve = one.shard.goes()
    if curve is None:
        return None
    time, minutes = one.shard.read("time"), one.minutes()
    return Goes(curve.time / 60 + float(minutes[0, 0] - time[0, 0] / 60), curve.flux)
