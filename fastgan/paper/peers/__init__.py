"""The methods that the paper names, and what a sound is next to real music."""
