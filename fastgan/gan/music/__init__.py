"""A run that makes music: the paper's parts at frame rate, where they can hear notes and beats."""
