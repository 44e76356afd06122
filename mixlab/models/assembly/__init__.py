"""A small real Qwen2-Audio assembled from pretrained parts that come as Python packages."""
