"""Room evaluation: probes, which ask whether a model listens, uses the anchor and holds its ground."""
