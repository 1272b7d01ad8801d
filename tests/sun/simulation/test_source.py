from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import ks_2samp

from preflare.data import shard, writing
from preflare.errors import ConfigError
from preflare.sun import catalog
from preflare.sun.goes import flare_class
from preflare.sun.line import Line
from preflare.sun.observation import Header, Label, Observation, Phase, instant
from preflare.sun.quality import Quality, is_clean
from preflare.sun.simulation import recording as module
from preflare.sun.simulation.precursor import Precursor
from preflare.sun.simulation.source import Simulation, lengths

PF, AR = "PF_20140329_140938_3860258481", "AR_20150728_151849_3660109122"
Simulate = Callable[..., Simulation]


def cube(observation: Observation, name: str) -> np.ndarray:
    blocks = observation.blocks()
    return np.concatenate([b.truth[name[6:]] if name.startswith("truth/") else getattr(b, name) for b in blocks])


@dataclass(frozen=True)
class Made:
    """An observation and its arrays."""

    header: Header
    arrays: dict[str, np.ndarray]


@pytest.fixture(scope="module")
def tiny(simulate: Simulate, line: Line) -> dict[str, Made]:
    names = ("phase", "intensity", "quality", "truth/kind")
    return {
        o.header.name: Made(o.header, {name: cube(o, name) for name in names}) for o in simulate().observations(line)
    }


def one(source: Simulation, line: Line) -> Observation:
    (observation,) = source.observations(line)
    return observation


def test_the_catalogs_observations_are_there_with_flares_of_their_own(tiny: dict[str, Made]) -> None:
    headers = {name: made.header for name, made in tiny.items()}
    entries = {entry.name: entry for entry in catalog.read()}
    assert list(headers) == list(entries) and len(headers) == 37
    for name, header in headers.items():
        assert header.origin == "simulation" and header.number == entries[name].number
        assert f"{instant(header.start):%Y%m%d_%H%M%S}" == header.id[:15]
        if header.label is Label.PF:
            assert header.onset != entries[name].onset
            assert header.onset < header.peak < header.end
            assert (instant(header.onset) - instant(header.window_end)).total_seconds() == pytest.approx(60, abs=0.01)
        else:
            assert header.onset == header.peak == header.end == ""
    assert len({header.active_region for header in headers.values()}) < 30


def test_phases_are_window_margin_and_flare(simulate: Simulate, line: Line) -> None:
    observation = one(simulate(f"observations=[{PF}]"), line)
    header = observation.header
    start = instant(header.start)
    onset, first, last, end = (
        (instant(text) - start).total_seconds()
        for text in (header.onset, header.window_start, header.window_end, header.end)
    )
    time, phase = cube(observation, "time"), cube(observation, "phase")
    expected = np.full(time.shape, Phase.OUTSIDE)
    expected[(time >= first) & (time < last)] = Phase.PREFLARE
    expected[(time >= onset) & (time <= end)] = Phase.FLARE
    assert np.array_equal(phase, expected) and set(np.unique(phase)) >= {Phase.PREFLARE, Phase.FLARE}


def test_an_observation_is_a_function_of_seed_and_id(
    simulate: Simulate, line: Line, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = next(o for o in simulate().observations(line) if o.header.name == PF)
    first, _ = writing.write(tmp_path / "whole", whole)
    monkeypatch.setattr(module, "BLOCK", 1)  # a repeat at a time
    second, _ = writing.write(tmp_path / "alone", one(simulate(f"observations=[{PF}]"), line))
    assert shard.Shard.open(first, line).digest == shard.Shard.open(second, line).digest
    assert shard.Shard.open(first, line).truth == ("changed", "changed_normalised", "footpoint", "kind", "quiet")
    other = one(simulate(f"observations=[{PF}]", "simulation.seed=2"), line)
    assert other.header.recipe["simulation.seed"] == 2
    assert other.header.onset != whole.header.onset


def test_truth_says_which_wavelengths_precursors_changed(simulate: Simulate, line: Line) -> None:
    """Beside the same observation without precursors, both without noise."""
    quiet_detector = ["photons", "read_noise", "scale", "cosmic_rays", "lost", "dead_rows", "dusty_rows"]
    values = [1e9, 0.0, 1e-4, 0.0, 0.0, 0.0, 0.0]
    overrides = [f"simulation.detector.{name}={value}" for name, value in zip(quiet_detector, values, strict=True)]
    # An int16 with this scale holds too little: raise its zero so that the range starts at 0.
    overrides += ["simulation.detector.scale=0.05", "simulation.detector.zero=1600", f"observations=[{PF}]"]
    overrides += ["simulation.programme.exposures=[8]"]
    with_, without = (one(simulate(*overrides, f"simulation.precursors={f}"), line) for f in (1.0, 0.0))
    clean = (cube(with_, "quality") == 0) & (cube(without, "quality") == 0)
    kind = cube(with_, "truth/kind")[clean]
    assert 0.05 < (kind > 0).mean() < 1 and not cube(without, "truth/kind").any()
    after, before = cube(with_, "spectra")[clean], cube(without, "spectra")[clean]
    top_after, top_before = (cube(o, "intensity")[clean][:, None] for o in (with_, without))
    for name, difference in (
        ("changed_normalised", np.abs(after - before)),
        ("changed", np.abs(after * top_after - before * top_before) / top_after),
    ):
        mask = cube(with_, f"truth/{name}")[clean]
        assert mask[kind > 0].any() and not mask[kind == 0].any()
        # Counts are rounded, so leave out what lies close to the limit.
        assert (difference[mask == 1] > 0.01 - 0.003).all()
        assert (difference[(mask == 0) & (kind[:, None] > 0)] < 0.01 + 0.003).all()
    assert np.abs(after - before)[kind == 0].max() < 0.012


def test_a_zero_point_shifts_the_whole_spectrum(simulate: Simulate, line: Line) -> None:
    """The photospheric line that stands alone, against the zero point of each observation's look."""
    entries = [entry for entry in catalog.read() if entry.number < 4]
    names = ",".join(entry.name for entry in entries)
    sizes = ("simulation.programme.size=300", "simulation.programme.spread=0.1")
    source = simulate(f"observations=[{names}]", *sizes, simulation="default")
    line_at = 2801.907
    part = np.abs(line.wavelength - line_at) < 0.3
    found, expected = [], []
    for entry, observation in zip(entries, source.observations(line), strict=True):
        clean = cube(observation, "quality") == 0
        mean = (cube(observation, "spectra")[clean] * cube(observation, "intensity")[clean][:, None]).mean(axis=0)
        inside = mean[part]
        dip = np.clip(1 - inside / np.linspace(inside[:2].mean(), inside[-2:].mean(), len(inside)), 0, None)
        found.append((dip**2 @ line.wavelength[part] / (dip**2).sum() / line_at - 1) * 299792.458)
        expected.append(source.look(entry).zero_point)
    assert np.std(expected) > 1.5
    # What is beside the line moves the centroid a little.
    assert np.array(found) == pytest.approx(np.array(expected), abs=2.5)
    assert np.std(np.array(found) - expected) < 0.5 * np.std(expected)


def test_flags_have_work(simulate: Simulate, line: Line) -> None:
    source = simulate("simulation.detector.lost=0.02", "simulation.detector.dusty_rows=0.2")
    quality = np.concatenate([cube(o, "quality").ravel() for o in source.observations(line)])
    # For an autoencoder and intervals of time to set; no region lies so far out that its field reaches beyond the limb.
    without = {Quality.CLEAN, Quality.QUIET_SUN, Quality.OFF_LIMB, Quality.SAA}
    for flag in Quality:
        assert (quality & flag.value != 0).any() == (flag not in without), flag
    assert 0.7 < is_clean(quality, line).mean() < 0.98


def test_a_flare_is_bright_and_calm_regions_have_none(tiny: dict[str, Made]) -> None:
    ratios = []
    for made in tiny.values():
        phase, light = made.arrays["phase"], made.arrays["intensity"]
        if made.header.label is Label.PF:
            ratios.append(np.nanmax(light[phase == Phase.FLARE]) / np.nanmedian(light[phase == Phase.PREFLARE]))
        else:
            assert Phase.FLARE not in phase and not made.arrays["truth/kind"].any()
    assert np.median(ratios) > 5


def test_the_flare_is_brightest_at_its_footpoint(simulate: Simulate, line: Line) -> None:
    """Of five observations each, where the truth says the flare will be; regions without one have no such place."""
    entries = catalog.read()
    names = [[entry.name for entry in entries if entry.label is label][:5] for label in (Label.PF, Label.AR)]
    sizes = ("simulation.programme.size=300", "simulation.programme.spread=0.1")
    brighter = []
    for observation in simulate(f"observations=[{','.join(sum(names, []))}]", *sizes).observations(line):
        blocks = list(observation.blocks())
        away = np.concatenate([block.truth["footpoint"] for block in blocks])
        if observation.header.label is Label.AR:
            assert np.isnan(away).all()
            continue
        position = np.concatenate([block.position for block in blocks]).astype(float)
        apart = np.hypot(*np.moveaxis(np.diff(position, axis=2), -1, 0))
        assert (np.abs(np.diff(away, axis=2)) <= apart + 1e-3).all()
        flare = np.concatenate([block.phase for block in blocks]) == Phase.FLARE
        light = np.nan_to_num(np.concatenate([block.intensity for block in blocks])[flare])
        near = away[flare] < np.median(away[flare])
        brighter.append(light[near].mean() > 1.5 * light[~near].mean())
    assert len(brighter) == 5 and sum(brighter) >= 4


def test_the_window_is_the_one_of_the_config(simulate: Simulate, line: Line) -> None:
    short = one(simulate("window.minutes=10", "window.after=nothing", f"observations=[{PF}]"), line)
    phase = cube(short, "phase")
    assert Phase.FLARE not in phase
    length = instant(short.header.window_end) - instant(short.header.window_start)
    assert length.total_seconds() == pytest.approx(600, abs=0.01)


def test_the_tiny_data_set_serves_any_partition(tiny: dict[str, Made]) -> None:
    for made in tiny.values():
        clean = (made.arrays["quality"] == 0) & (made.arrays["phase"] == Phase.PREFLARE)[:, :, None]
        assert clean.sum() >= 10


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("simulation.seed=-1", "simulation.seed is -1"),
        ("simulation.seed=1.5", "simulation.seed is 1.5"),
        ("simulation.precursors=-0.5", "simulation.precursors is -0.5"),
        ("simulation.precursors=lots", "simulation.precursors is 'lots'"),
        ("simulation.confounder=null", "simulation.confounder is None"),
        ("simulation.spectra=0", "simulation.spectra is 0, expected a number"),
        ("simulation.spectra=true", "simulation.spectra is True, expected a number"),
        ("simulation.spectra={AR:10}", r"simulation.spectra is \{'AR': 10\}, expected a number"),
        ("observations=[PF_20990101_000000_0000000000]", "no observation PF_20990101"),
        ("observations=[20140329_140938_3860258481]", "is not a name"),
        ("window.onset=2014-03-29T17:35", "flares of its own"),
    ],
)
def test_what_cannot_be_meant_is_refused(simulate: Simulate, override: str, words: str) -> None:
    with pytest.raises(Exception, match=words) as error:
        simulate(override)
    assert isinstance(error.value.__cause__, ConfigError)


def test_another_line_is_refused(simulate: Simulate, line: Line) -> None:
    with pytest.raises(ConfigError, match="radiates the line mg_ii, not c_ii"):
        next(simulate().observations(replace(line, name="c_ii")))


def test_the_recipe_holds_every_parameter(simulate: Simulate, line: Line) -> None:
    recipe = one(simulate(f"observations=[{AR}]"), line).header.recipe
    assert recipe["simulation.precursors"] == 1.0 and recipe["simulation.detector.photons"] == 18.0
    assert recipe["simulation.atom.cores.k"] == 2796.352 and recipe["window.minutes"] == 25.0
    assert all(value is None or isinstance(value, float | int | str | bool) for value in recipe.values())
    changed = one(simulate(f"observations=[{AR}]", "simulation.programme.cadences=[50.0]"), line).header.recipe
    assert {key for key in recipe if recipe[key] != changed[key]} == {"simulation.programme.cadences.0"}


def test_every_observation_knows_its_x_rays(simulate: Simulate, line: Line) -> None:
    for observation in simulate(f"observations=[{PF},{AR}]").observations(line):
        goes, header = observation.goes, observation.header
        assert goes is not None
        if header.label is Label.PF:
            peak = (instant(header.peak) - instant(header.start)).total_seconds()
            assert abs(goes.time[goes.flux.argmax()] - peak) < 60
            assert header.flare_class[0] in "MX" and header.flare_class == flare_class(goes.flux.max())
        else:
            assert goes.flux.max() < 1e-5 and header.flare_class == ""


def test_there_are_as_many_spectra_as_asked(simulate: Simulate, line: Line) -> None:
    source = simulate("simulation.spectra={AR:40000,PF:20000}")
    found = {"AR": 0, "PF": 0}
    fewest = np.inf
    for recording in source.recordings(line):
        exposures = int((recording.cut.phase == Phase.PREFLARE).sum())
        fewest = min(fewest, exposures)
        found[recording.cut.label.name] += exposures * recording.schedule.slit
    # As near as one pixel more or less of the slit that is exposed least often.
    assert found == {"AR": pytest.approx(40000, abs=fewest), "PF": pytest.approx(20000, abs=fewest)}
    assert source.held() == found
    halves = simulate("simulation.spectra=50001")
    assert halves.spectra == {"AR": 25001, "PF": 25000}
    same = [one(simulate(f"observations=[{AR}]", "simulation.spectra=50001"), line), next(halves.observations(line))]
    assert same[0].slit == same[1].slit


def test_fewer_spectra_than_the_shortest_slits_hold_are_refused(simulate: Simulate, line: Line) -> None:
    with pytest.raises(ConfigError, match=r"asks for 50 AR spectra in the windows; expected \d+ or more") as refused:
        next(simulate("simulation.spectra=100").observations(line))
    least = int(str(refused.value).split("expected ")[1].split()[0])
    assert simulate(f"simulation.spectra={{AR:{least},PF:100000}}").held()["AR"] == least


@pytest.mark.parametrize("wanted", [3 * 151, 500, 700, 12_345])
def test_lengths_of_slits_come_as_near_as_can_be(wanted: int) -> None:
    drawn, exposures = np.array([3, 40, 3, 9]), np.array([50, 20, 60, 21])
    slits = lengths(drawn, exposures, wanted)
    assert slits is not None and (slits >= 3).all()
    assert abs(slits @ exposures - wanted) <= 10
    if wanted > 10_000:
        assert slits / slits.sum() == pytest.approx(drawn / drawn.sum(), abs=0.01)
    assert lengths(drawn, exposures, 3 * 151 - 1) is None


def test_the_confounder_moves_the_classes_apart_on_the_disc(simulate: Simulate, line: Line) -> None:
    def mu(strength: float) -> dict[Label, list[float]]:
        found: dict[Label, list[float]] = {Label.AR: [], Label.PF: []}
        for seed in range(5):
            source = simulate(f"simulation.seed={seed}", f"simulation.confounder={strength}")
            for entry in catalog.read():
                found[entry.label].append(source.look(entry).mu)
        return found

    assert ks_2samp(*mu(0.0).values()).pvalue > 0.01
    apart = mu(2.0)
    assert ks_2samp(*apart.values()).pvalue < 1e-10 and np.mean(apart[Label.PF]) > np.mean(apart[Label.AR]) + 0.2
    header = one(simulate(f"observations=[{PF}]", "simulation.confounder=2"), line).header
    assert header.recipe["simulation.confounder"] == 2.0 and header.settings["rising"] in (0, 1)


def test_dust_dims_the_same_rows_in_every_exposure_and_dead_rows_are_missing(simulate: Simulate, line: Line) -> None:
    plain = ("simulation.detector.lost=0", f"observations=[{AR}]", "simulation.programme.size=400")
    rows = ("simulation.detector.dead_rows=0.2", "simulation.detector.dusty_rows=0.4")
    dirty, clear = (
        one(simulate(*plain, *more), line)
        for more in (rows, ("simulation.detector.dead_rows=0", "simulation.detector.dusty_rows=0"))
    )
    quality = cube(dirty, "quality")
    dead = (quality & Quality.MISSING.value != 0).all(axis=(0, 1))
    assert dead.any() and np.isnan(cube(dirty, "intensity")[:, :, dead]).all()
    seen, whole = (cube(observation, "intensity")[:, :, ~dead] for observation in (dirty, clear))
    dimming = np.nanmedian(seen / whole, axis=(0, 1))
    dusty = dimming < 0.9
    assert dusty.any() and not dusty.all() and (dimming[dusty] > 0.2).all()
    assert dimming[~dusty] == pytest.approx(np.ones((~dusty).sum()), abs=0.1)


def test_a_bright_flare_saturates_at_the_ceiling_of_the_archive(simulate: Simulate, line: Line) -> None:
    source = simulate("simulation.programme.exposures=[30]", f"observations=[{PF}]")
    (recording,) = source.recordings(line)
    peak = int(np.abs(recording.times.ravel() - recording.schedule.peak).argmin())
    counts = recording.counts(np.arange(peak - 2, peak + 3))[0]
    assert counts.max() == source.detector.ceiling
    observation = one(source, line)
    flags = cube(observation, "quality")[cube(observation, "phase") == Phase.FLARE]
    assert (flags & Quality.OVEREXPOSED.value != 0).any()


def test_bright_spectra_have_a_low_pseudo_continuum(simulate: Simulate, line: Line) -> None:
    """As on the real raster, where the correlation with the logarithm of the intensity is -0.89."""
    found = []
    for observation in list(simulate("simulation.programme.size=300", "window.after=nothing").observations(line))[:8]:
        clean = is_clean(cube(observation, "quality"), line)
        low, high = line.continuum
        level = cube(observation, "spectra")[clean][:, (line.wavelength > low) & (line.wavelength < high)].mean(axis=1)
        found.append(np.corrcoef(np.log(cube(observation, "intensity")[clean]), level)[0, 1])
    assert -0.98 < np.median(found) < -0.8


def test_each_class_has_the_same_share_of_rasters(simulate: Simulate, line: Line) -> None:
    """The mode would otherwise tell the classes apart, whatever the confounder."""
    for seed in (0, 1, 2):
        source = simulate(f"simulation.seed={seed}")
        rasters: dict[Label, list[bool]] = {Label.AR: [], Label.PF: []}
        for entry in source._catalog:
            rasters[entry.label].append(source._drawn(entry).mode == "raster")
        for label, found in rasters.items():
            assert sum(found) == round(source.programme.rasters * len(found)), label


def test_masks_do_not_tell_precursors(simulate: Simulate, line: Line) -> None:
    """What is flagged is lost to every statistic: hardly more of any kind than of the rest."""
    masked: dict[int, list[np.ndarray]] = {}
    for observation in simulate(simulation="default").observations(line):
        if observation.header.label is not Label.PF:
            continue
        for block in observation.blocks():
            inside = (block.phase == Phase.PREFLARE)[:, :, None] & np.ones(block.quality.shape, bool)
            outside = (block.quality & Quality.PEAK_OUTSIDE_CORES) != 0
            for kind in np.unique(block.truth["kind"]):
                masked.setdefault(int(kind), []).append(outside[inside & (block.truth["kind"] == kind)])
    shares = {kind: np.concatenate(found).mean() for kind, found in masked.items()}
    assert len(shares) == 8
    # The strongest triplet emission outshines the cores, here as on the Sun.
    strongest = shares.pop(int(Precursor.TRIPLET))
    assert max(shares.values()) < 0.05
    assert strongest < 0.25
