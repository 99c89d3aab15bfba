"""Training: one thin Lightning module, batches, rates and callbacks. It knows no domain."""
