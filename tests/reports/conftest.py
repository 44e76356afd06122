"""Simulated songs."""

from tests.runs.conftest import offline
from tests.simulated import balance_db, draw, draw_by, error

__all__ = ["balance_db", "draw", "draw_by", "error", "offline"]
