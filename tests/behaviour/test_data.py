"""Readers of real data: the facts of the real files, if they are available, and the ways in which
files can be wrong."""

import os

import numpy as np
import pytest

from learnset import behaviour, InputError

real = pytest.mark.skipif(
    "LEARNSET_DATA" not in os.environ, reason="LEARNSET_DATA is unset: no real data here"
)
# Seconds, by trial and by swim.
CONTROL = [72.1, 65.2, 57.8, 50.0, 58.9, 47.8, 45.7, 37.4, 43.3, 30.2, 23.7, 30.8]
SALINE = [44.2, 21.9, 20.7, 19.0]


@pytest.fixture(scope="module")
def rats():
    return behaviour.read_water_maze_rats()


@pytest.fixture(scope="module")
def relearning():
    return behaviour.read_water_maze_relearning()


def arrivals(swims, platforms, **options) -> np.ndarray:
    options |= {"platform_radius": swims.arena.platform_radius, "limit": swims.limit}
    each = range(len(swims))
    return np.array([behaviour.latency(*swims.path(i), platforms[i], **options) for i in each])


@real
def test_latency_of_rats_by_trial_is_the_published_one(rats):
    np.testing.assert_allclose(
        rats.by_trial(rats.duration, "control").mean(axis=0), CONTROL, atol=0.051
    )


@real
def test_there_are_27_control_and_30_stressed_rats_of_12_swims(rats):
    assert rats.by_trial(rats.duration, "control").shape == (27, 12)
    assert rats.by_trial(rats.duration, "stressed").shape == (30, 12)
    assert len(rats) == 924


@real
def test_path_length_from_tracks_is_the_recorded_one(rats):
    lengths = np.array([behaviour.path_length(rats.path(i)[1]) for i in range(len(rats))])
    np.testing.assert_allclose(lengths, rats.length, atol=0.0015)  # metres: both are rounded


@real
def test_latency_from_tracks_is_the_recorded_one_less_the_wait_on_the_platform(rats):
    """The recording continues for 1.8 s after arrival; three of the 634 swims that found the
    platform end elsewhere, where tracking was lost."""
    arrival = arrivals(rats, rats.platforms)
    reached = arrival < rats.limit
    assert (rats.found & reached).sum() == 631 and rats.found.sum() == 634
    wait = (rats.duration - arrival)[rats.found & reached]
    assert np.median(wait) == pytest.approx(1.83, abs=0.02)
    assert np.percentile(wait, 5) > 1.6 and np.percentile(wait, 95) < 2.0
    assert (~rats.found & reached).sum() <= 5  # of 290; the animal swam across the platform


@real
def test_the_documented_platform_is_missed_by_one_found_swim_in_five(rats):
    arrival = arrivals(rats, np.tile(behaviour.DOCUMENTED_PLATFORM, (len(rats), 1)))
    assert (arrival[rats.found] == rats.limit).mean() == pytest.approx(0.19, abs=0.01)
    off = 100 * np.hypot(*(np.unique(rats.platforms, axis=0) - behaviour.DOCUMENTED_PLATFORM).T)
    assert off.min() > 3.5 and off.max() < 6.5  # centimetres


@real
def test_relearning_by_swim_is_the_published_one(relearning):
    table = relearning.by_trial(relearning.duration, "saline")
    np.testing.assert_allclose(table.mean(axis=0), SALINE, atol=0.051)
    assert [
        len(relearning.by_trial(relearning.duration, g)) for g in ("saline", "MK", "LY", "MK-LY")
    ] == [10, 9, 10, 9]


@real
def test_every_found_swim_of_relearning_crosses_the_platform_at_least_a_second_before_its_end(
    relearning,
):
    arrival = arrivals(relearning, relearning.platforms)[relearning.found]
    assert len(arrival) == 99 and (arrival < relearning.limit).all()
    assert (relearning.duration[relearning.found] - arrival).min() > 1.2


@real
def test_after_one_swim_to_a_new_place_it_is_searched_more_unless_drugs_prevent_it(relearning):
    """Only until the first arrival: the wait that follows would count twice as much."""
    sites = np.unique(relearning.platforms.round(4), axis=0)
    arrival, shares = arrivals(relearning, relearning.platforms), []
    for swim, platform in enumerate(relearning.platforms):
        times, places = relearning.path(swim)
        searching = behaviour.between(times, places, times[0], arrival[swim])
        shares.append(behaviour.search_preference(*searching, platform, sites))
    shares = np.array(shares)
    saline, both = (
        np.nanmean(relearning.by_trial(shares, group), axis=0) for group in ("saline", "MK-LY")
    )
    assert len(sites) == 8 and saline[0] < 0.125 and saline[1:].min() > 0.25 and both.max() < 0.15
    assert behaviour.savings(relearning.by_trial(relearning.duration, "saline")).mean() > 20


@real
def test_accuracy_of_people_by_repetition_is_the_published_one():
    people = behaviour.read_stimulus_action(1)
    accuracy = behaviour.percent_correct(people.by_repetition(2))[0]
    np.testing.assert_array_equal(accuracy[:4].round(), [35, 67, 94, 97])
    assert len(np.unique(people.person)) == 79


@real
def test_there_are_560_people_and_317522_trials():
    everyone = [behaviour.read_stimulus_action(number) for number in (1, 2, 3, 5, 12, 16)]
    assert sum(len(np.unique(people.person)) for people in everyone) == 560
    assert sum(len(people.correct) for people in everyone) == 317_522


# The tests below need no data: they make files of the same format.


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Two rats of two swims, two of relearning, and one person."""
    monkeypatch.setenv("LEARNSET_DATA", str(tmp_path))
    for name in ("water_maze_rats", "water_maze_relearning", "human_stimulus_action"):
        (tmp_path / name).mkdir()
    place = tmp_path / "water_maze_rats"
    rows = ["1,7,1,1,9.0,1,90.0", "1,7,1,2,2.0,1,50.0", "3,7,2,1,4.0,1,70.0", "3,7,2,2,89.8,0,70.0"]
    (place / "trials.csv").write_text(
        "\n".join(["set,rat,group,trial_overall,latency_s,found,path_cm", *rows])
    )
    t, x = np.tile([0, 100, 200], 4), np.tile([1000, -2500, -5000], 4)
    np.savez(
        place / "tracks.npz",
        offsets=3 * np.arange(5),
        t_cs=t,
        x_cmm=x,
        y_cmm=np.repeat([0, 0, 900, 0], 3),
    )
    place = tmp_path / "water_maze_relearning"
    heading = "animal,group,swim,elapsed_ms,target_x_cm,target_y_cm,target_r_cm,arena_d_m"
    (place / "trials.csv").write_text(
        f"{heading}\nA,saline,1,3000,40,0,5,1.8\nB,MK,2,60000,0,40,5,1.8\n"
    )
    x = np.array([np.nan, 0, 20, 40, 0, 1, 2, 3])
    np.savez(
        place / "tracks.npz",
        offsets=[0, 4, 8],
        t_ms=np.tile(np.arange(4) * 1000, 2),
        x_cm=x,
        y_cm=np.zeros(8),
    )
    names = ["subject", "block", "set_size", "trial", "stimulus", "iteration", "correct_action"]
    names += ["choice", "correct", "reward", "condition", "rt_ms"]
    trials = [
        [0, b, 2, 1, 1, i, 1, 1, c, c, -1, 500]
        for b, i, c in ((2, 1, 0), (2, 2, 1), (1, 1, 1), (1, 2, -1))
    ]
    np.savez(
        tmp_path / "human_stimulus_action" / "rlwm_trials.npz",
        columns=names,
        expe1=np.array(trials, np.int16),
    )
    return tmp_path


def test_rats_come_in_metres_and_seconds(folder):
    rats = behaviour.read_water_maze_rats()
    times, places = rats.path(2)
    np.testing.assert_allclose(times, [0, 1, 2])
    np.testing.assert_allclose(places, [[0.1, 0.09], [-0.25, 0.09], [-0.5, 0.09]])
    # Where the swims of the set that found the platform ended.
    np.testing.assert_allclose(rats.platforms[[0, 3]], [[-0.5, 0], [-0.5, 0.09]])
    np.testing.assert_array_equal(rats.by_trial(rats.length, "control"), [[0.9, 0.5]])
    assert rats.animal.tolist() == ["1-7", "1-7", "3-7", "3-7"]
    assert rats.found.tolist() == [True, True, True, False]


def test_points_that_were_not_tracked_are_left_out(folder):
    swims = behaviour.read_water_maze_relearning()
    np.testing.assert_allclose(swims.path(0)[0], [1, 2, 3])
    np.testing.assert_allclose(swims.path(1)[1][:, 0], [0, 0.01, 0.02, 0.03])
    assert swims.found.tolist() == [True, False] and swims.arena == behaviour.Arena(0.9, 0.05)
    np.testing.assert_array_equal(swims.by_trial(swims.duration, "MK"), [[np.nan, 60]])


def test_problems_come_in_the_order_of_blocks_and_missing_answers_are_not_wrong(folder):
    np.testing.assert_array_equal(
        behaviour.read_stimulus_action().by_repetition(2), [[1, np.nan], [0, 1]]
    )


def test_what_is_not_there_is_named_with_what_is(folder):
    with pytest.raises(InputError, match="no group `saline`. Choose one of control, stressed"):
        behaviour.read_water_maze_rats().by_trial(np.zeros(4), "saline")
    with pytest.raises(InputError, match="no experiment 4 .* Choose one of 1"):
        behaviour.read_stimulus_action(4)
    with pytest.raises(InputError, match="set_size=9`. Choose one of 2"):
        behaviour.read_stimulus_action().by_repetition(9)


READERS = {
    "water_maze_rats/trials.csv": behaviour.read_water_maze_rats,
    "water_maze_rats/tracks.npz": behaviour.read_water_maze_rats,
    "water_maze_relearning/trials.csv": behaviour.read_water_maze_relearning,
    "water_maze_relearning/tracks.npz": behaviour.read_water_maze_relearning,
    "human_stimulus_action/rlwm_trials.npz": behaviour.read_stimulus_action,
}


@pytest.mark.parametrize("file", READERS)
@pytest.mark.parametrize("kept", [0.0, 0.5, 0.9])
def test_a_file_that_was_cut_is_refused_in_one_line(folder, file, kept):
    path = folder / file
    whole = path.read_bytes()
    path.write_bytes(whole[: int(kept * len(whole))])
    with pytest.raises(InputError) as caught:
        READERS[file]()
    message = str(caught.value)
    assert "damaged" in message and path.parent.name in message and "\n" not in message


@pytest.mark.parametrize("file", READERS)
def test_a_file_that_is_missing_is_refused(folder, file):
    (folder / file).unlink()
    with pytest.raises(InputError, match="No such file"):
        READERS[file]()


@pytest.mark.parametrize(
    "reader", list(dict.fromkeys(READERS.values())), ids=lambda reader: reader.__name__
)
def test_without_a_folder_there_is_one_clear_line(reader, tmp_path, monkeypatch):
    monkeypatch.setenv("LEARNSET_DATA", str(tmp_path))
    with pytest.raises(InputError, match="There is no folder"):
        reader()
    monkeypatch.delenv("LEARNSET_DATA")
    with pytest.raises(InputError, match="LEARNSET_DATA is unset"):
        reader()
