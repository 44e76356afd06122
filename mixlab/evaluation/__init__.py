"""Room evaluation: protocols, baselines and reports; what a figure stands beside."""
