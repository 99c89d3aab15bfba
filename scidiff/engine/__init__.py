"""States, processes, denoisers, walks and one sampler, on torch alone: no molecule, no scan, no trainer."""
