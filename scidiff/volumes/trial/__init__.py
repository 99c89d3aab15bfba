"""Trials: held-out scans degraded in fixed, named ways, restored by every method, and judged alike."""
