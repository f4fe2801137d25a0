"""The codec: mel spectrogram, VAE and vocoder."""
