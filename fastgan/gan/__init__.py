"""The LSTM-GAN: batches, losses, steps, stages, and a run on disk."""
