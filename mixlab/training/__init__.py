"""Room training: from items to a trained model: the LightningDataModule, fitting, callbacks, loggers, hardware."""
