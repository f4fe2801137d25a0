"""Reports: what the pages of all evaluations share."""
