"""Room sweeps: many runs: planned, resumed, and searched; it talks to Hydra."""
