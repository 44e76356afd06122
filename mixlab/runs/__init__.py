"""Room runs: the folder of a run: its files, its status, its identity at W&B."""
