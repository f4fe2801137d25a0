"""Scores computed elsewhere: tables of values (``--scores``)."""
