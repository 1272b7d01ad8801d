"""The evolution shows each look as a row of colours."""

import numpy as np
import pytest

from preflare.figures import evolution
from preflare.figures.evolution import Evolution

RANDOM = np.random.default_rng(0)
WAVELENGTH = np.linspace(2796, 2798, 11)
MAPS = {"one": RANDOM.normal(size=(3, 2, 11)), "other": 9 * RANDOM.normal(size=(3, 2, 11))}
MAPS["one"][:, :, :2] = np.nan


def draw(maps=MAPS, times=(0, 5, 12)):
    limits = {name: 2.0 + place for place, name in enumerate(maps)}
    one = Evolution(
        WAVELENGTH, RANDOM.random((2, 11)), times, "batches", maps, limits, ["a", "b"], {"k": 2796.34}, "simulated"
    )
    return evolution.draw(one)


def test_every_look_is_where_it_belongs() -> None:
    figure = draw()
    images = [axes.images[0] for axes in figure.axes if axes.images]
    assert len(images) == 4
    for image, (method, number) in zip(images, [("one", 0), ("other", 0), ("one", 1), ("other", 1)], strict=True):
        np.testing.assert_array_equal(image.get_array().filled(np.nan), MAPS[method][:, number])
        # The first look on top, each wavelength in the middle of its pixel.
        assert image.get_extent() == pytest.approx((2795.9, 2798.1, 2.5, -0.5))
        assert image.norm.vmin == -image.norm.vmax
        assert image.norm.vmax == {"one": 2, "other": 3}[method]
        assert [label.get_text() for label in image.axes.get_yticklabels()] == ["0", "5", "12"]
        assert image.axes.get_ylabel() == ("batches" if method == "one" else "")
        assert image.axes.patch.get_hatch(), "what a map does not cover"
    assert [text.get_text() for axes in figure.axes for text in axes.texts if text.get_text() in "ab"] == ["a", "b"]


def test_of_many_looks_some_are_named() -> None:
    figure = draw({"one": np.zeros((40, 2, 11))}, range(40))
    (axes, *_) = [axes for axes in figure.axes if axes.images]
    named = [int(label.get_text()) for label in axes.get_yticklabels()]
    assert len(named) == evolution.NAMED and named[0] == 0 and named[-1] == 39


def test_maps_without_any_number_can_be_drawn() -> None:
    assert draw({"one": np.full((3, 2, 11), np.nan)}).axes
