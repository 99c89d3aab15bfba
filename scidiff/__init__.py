"""One diffusion engine for two sciences: molecules in 3D, and MRI and CT volumes."""

__version__ = "0.1.0"
