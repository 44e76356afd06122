"""A loop of several steps: what is left after each, when it was called done, and whether it settles."""

from __future__ import annotations

import numpy as np
import pytest

from mixlab.language.advice import Advice, Move
from mixlab.scoring.loop_path import LoopPath, loop_figures


def path(problem, *gains_db):
    """A path on which the vocals are moved; 0 calls the mix balanced, None cannot be read."""
    said = (
        None if gain_db is None else Advice((Move.of("vocals", gain_db),) if gain_db else ()) for gain_db in gains_db
    )
    return LoopPath(problem, tuple(said))


def test_what_is_left_is_measured_before_and_after_every_step(problem):
    found = path(problem(("vocals", -6.0)), 3.0, None, 3.0).residuals_db
    assert found == pytest.approx([6 / np.sqrt(3), 3 / np.sqrt(3), 3 / np.sqrt(3), 0])


def test_a_mix_stops_where_it_is_first_called_balanced_and_not_where_nothing_can_be_read(problem):
    quiet = problem(("vocals", -6.0))
    assert path(quiet, 3.0, 0.0, 3.0).stopped_after == 1
    assert path(quiet, 0.0, 0.0).stopped_after == 0
    assert path(quiet, None, 3.0).stopped_after is None


def test_a_stem_that_goes_to_and_fro_oscillates(problem):
    quiet = problem(("vocals", -6.0))
    assert path(quiet, 9.0, -6.0).oscillates
    assert not path(quiet, 3.0, 3.0).oscillates
    assert not path(quiet, 9.0, 0.0, -6.0).oscillates


def test_figures_keep_harm_apart_and_tell_stopping_from_going_on(problem):
    paths = [
        path(problem(("vocals", -6.0), item="a/0"), 6.0, 0.0, 6.0),
        path(problem(item="b/0"), 0.0, 3.0, 3.0),
    ]
    found = loop_figures(paths, resamples=50)
    assert [value for value, _, _ in found.residual_db] == pytest.approx([6 / 3**0.5, 0, 0, 6 / 3**0.5])
    assert [value for value, _, _ in found.harm_db] == pytest.approx([0, 0, 3 / 3**0.5, 6 / 3**0.5])
    assert found.stopped_residual_db[0] == found.stopped_harm_db[0] == 0
    assert found.drift_db[0] == pytest.approx(6 / 3**0.5)
    assert found.shares["converged_share"][0] == 0
    assert found.shares["stopped_share"][0] == 1
    flat = found.flat("closed_loop")
    assert flat["closed_loop/step_3/residual_db"] == pytest.approx(6 / 3**0.5)
    assert {"closed_loop/stopped/harm_db", "closed_loop/drift_db_low", "closed_loop/step_0/harm_db"} <= flat.keys()


def test_without_balanced_mixes_there_is_no_harm(problem):
    found = loop_figures([path(problem(("vocals", -6.0)), 6.0)], resamples=20)
    assert found.harm_db == ()
    assert not any("harm" in key for key in found.flat("closed_loop"))


def test_paths_of_different_lengths_are_refused(problem):
    with pytest.raises(ValueError, match=r"lengths \[1, 2\]"):
        loop_figures([path(problem(), 0.0), path(problem(), 0.0, 0.0)])
    with pytest.raises(ValueError, match="one length"):
        loop_figures([])
