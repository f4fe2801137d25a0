"""The denoiser: U-Net, its checkpoints, and sampling."""
