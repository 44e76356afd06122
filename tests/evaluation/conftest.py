"""Simulated songs, and scripted servers."""

from tests.calling.conftest import serve as scripted
from tests.simulated import balance_db, draw, draw_by, error

__all__ = ["balance_db", "draw", "draw_by", "error", "scripted"]
