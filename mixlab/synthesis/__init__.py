"""Room synthesis: from a segment to a problem (seeded draws) and on to an example (signal processing, no chance)."""
