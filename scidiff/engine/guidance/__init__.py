"""Guidance wraps a denoiser and returns a better estimate; every guidance works with every sampler."""
