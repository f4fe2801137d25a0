"""The Re-AudioLDM pipeline: assembly, calls and generation of files."""
