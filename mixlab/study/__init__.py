"""People rate advice by ear, from the stimuli to the statistics."""
