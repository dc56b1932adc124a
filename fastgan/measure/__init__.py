"""How near generated sound is to real music: distances, notes, faults, with anchors."""
