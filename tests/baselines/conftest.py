"""Simulated songs."""

from tests.simulated import balance_db, draw, draw_by, error

__all__ = ["balance_db", "draw", "draw_by", "error"]
