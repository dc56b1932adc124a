"""What every layer may use: the two kinds of failure a user meets, and files that are whole or absent."""
