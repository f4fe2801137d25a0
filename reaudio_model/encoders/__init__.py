"""Pretrained encoders and taggers."""
