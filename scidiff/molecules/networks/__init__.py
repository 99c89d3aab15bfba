"""Networks that see a molecule's noisy parts and answer with raw output for each part."""
