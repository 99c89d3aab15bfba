"""Anybody's scans as a folder to learn from: found, read, freed of what they say of the patient, named, split."""
