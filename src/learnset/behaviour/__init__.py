"""Measures of the behaviour of animals, people and agents: one measure, one function."""

from ._curves import compare_curves as compare_curves, CurveFit as CurveFit
from ._draw import (
    animate_swim as animate_swim,
    draw_search_maps as draw_search_maps,
    draw_swims as draw_swims,
    search_map as search_map,
)
from ._learning import percent_correct as percent_correct, savings as savings
from ._measures import (
    between as between,
    cumulative_search_error as cumulative_search_error,
    latency as latency,
    path_length as path_length,
    proximity as proximity,
    quadrant_time as quadrant_time,
    search_preference as search_preference,
    zone_time as zone_time,
)
from ._people import read_stimulus_action as read_stimulus_action, StimulusAction as StimulusAction
from ._rats import (
    DOCUMENTED_PLATFORM as DOCUMENTED_PLATFORM,
    read_water_maze_rats as read_water_maze_rats,
)
from ._relearning import read_water_maze_relearning as read_water_maze_relearning
from ._swims import Arena as Arena, Swims as Swims
