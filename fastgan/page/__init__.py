"""The page of the studio: which runs there are, clips made one at a time, and a server for this machine's browsers."""
