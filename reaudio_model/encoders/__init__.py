"""Pretrained encoders: CLAP and AudioMAE."""
