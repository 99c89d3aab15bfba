"""Anybody's molecules as a set to learn from: read, screened, given hydrogens and a conformer, split, and written."""
