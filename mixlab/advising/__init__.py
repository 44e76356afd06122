"""Room advising: a trained model's advice on a user's own tracks: files, roles, segments, summary, rebalanced audio."""
