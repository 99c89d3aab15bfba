"""Networks on volumes: (state, t, last) -> {"image": raw}, any size in, the same size out."""
