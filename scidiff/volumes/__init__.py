"""Volumes: MRI and CT scans on the grids they were made on."""
