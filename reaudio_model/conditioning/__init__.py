"""Conditioning of the denoiser on text and retrieved pairs."""
