"""Room data: examples as batches: dataset, sampler, encoder, collator and the LightningDataModule."""
