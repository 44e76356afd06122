"""Room hub: data sets made for others: export, cards, licences, rebuilding. Nothing here uploads anything."""
