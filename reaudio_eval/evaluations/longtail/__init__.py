"""Long-tail evaluation: scores by label frequency."""
