"""Zero-shot evaluation: classes without training clips."""
