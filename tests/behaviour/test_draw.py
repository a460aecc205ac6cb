"""Pictures of swims and their contents."""

import numpy as np
import pytest
from PIL import Image

from learnset import behaviour, InputError

TIMES = np.linspace(0, 8, 41)
SWIM = (TIMES, np.stack([0.7 * np.cos(TIMES), 0.7 * np.sin(TIMES)], axis=1))


def test_each_swim_has_its_panel_with_its_platform(tmp_path):
    platforms, titles = np.array([[0.3, 0.0], [0.0, -0.5]]), ["one", "two"]
    arena = behaviour.Arena(platform_radius=0.1)
    behaviour.draw_swims([SWIM] * 2, platforms, titles, arena, tmp_path, "swims", columns=1)
    with Image.open(tmp_path / "swims.png") as picture:
        colours = np.asarray(picture.convert("RGB"), int)
    rows, _ = np.nonzero(np.abs(colours - (0xD5, 0x5E, 0x00)).max(axis=2) < 9)
    middle = len(colours) / 2
    disc = np.pi * (0.1 / 2.04 * middle) ** 2  # pixels, if the pool filled half of the picture
    for panel in (rows < middle, rows > middle):
        assert 0.5 * disc < panel.sum() < disc
    assert (tmp_path / "swims.svg").stat().st_size > 10_000


def test_search_maps_are_dark_where_the_animal_was(tmp_path):
    still = (np.array([0.0, 30.0]), np.array([[0.5, 0.0], [0.5, 0.0]]))
    behaviour.draw_search_maps(
        [[still]], np.array([[0.0, 0.8]]), [""], behaviour.Arena(), tmp_path, "maps"
    )
    with Image.open(tmp_path / "maps.png") as picture:
        grey = np.asarray(picture.convert("L"), float)
    pool = grey[:, : grey.shape[1] * 3 // 4]  # without the bar of colours
    row, column = np.unravel_index(pool.argmin(), pool.shape)
    assert 0.4 < row / grey.shape[0] < 0.62 and 0.5 < column / grey.shape[1] < 0.7


def test_an_animation_lasts_as_long_as_its_speed_says(tmp_path):
    behaviour.animate_swim(
        *SWIM, np.array([0.3, 0.0]), behaviour.Arena(), tmp_path, "swim", speed=8.0
    )
    seconds = 0.0
    with Image.open(tmp_path / "swim.gif") as film:
        for frame in range(film.n_frames):
            film.seek(frame)
            seconds += film.info["duration"] / 1000
    assert film.n_frames > 10
    assert seconds == pytest.approx(8 / 8 + 1, abs=0.2)  # a second of swim, one of rest


def test_a_search_map_is_one_on_average_and_highest_where_the_animal_was():
    still = (np.array([0.0, 30.0]), np.array([[0.4, -0.5], [0.4, -0.5]]))
    spent = behaviour.search_map([still, SWIM], width=0.05, cells=100)
    assert np.nanmean(spent) == pytest.approx(1, abs=0.01) and spent.shape == (100, 100)
    north, east = np.unravel_index(np.nanargmax(spent), spent.shape)
    np.testing.assert_allclose(
        [(east + 0.5) / 50 - 1, (north + 0.5) / 50 - 1], [0.4, -0.5], atol=0.021
    )
    assert np.isnan(spent[0, 0]) and np.isfinite(spent[50, 0])


def test_even_search_is_one_everywhere_also_at_the_wall():
    number = np.arange(40_000)
    radius, angle = np.sqrt((number + 0.5) / len(number)), number * np.pi * (3 - np.sqrt(5))
    seeds = np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1)
    # The animal stays at each place, and jumps to the next.
    times = np.stack([0.02 * number, 0.02 * number + 0.0199], axis=1).ravel()
    spent = behaviour.search_map([(times, np.repeat(seeds, 2, axis=0))], cells=60)
    assert 0.93 < np.nanmin(spent) and np.nanmax(spent) < 1.07


def test_places_in_centimetres_are_noticed():
    with pytest.raises(InputError, match="in metres"):
        behaviour.search_map([(np.array([0.0, 1.0]), np.array([[80.0, 3.0], [70.0, 3.0]]))])
