"""Restoring a scan: the mean, samples of the posterior, their spread, and the classical answer to compare with."""
