"""Room baselines: methods without a language model, the rivals that every figure is reported beside."""
