"""The Re-AudioLDM pipeline: loading, sampling, writing files."""
