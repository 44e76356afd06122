"""Room tracking: Weights & Biases runs of run folders, and the dashboard of many runs."""
