"""``reaudio-eval prepare``: downloaded data to a checked data root."""
