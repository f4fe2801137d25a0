"""Re-AudioLDM (arXiv 2309.08051): text-to-audio generation by latent diffusion that looks at retrieved (text, audio) pairs."""
