"""Room hub: data sets, models and Spaces for others: export, cards, licences, rebuilding, uploading when told to."""
