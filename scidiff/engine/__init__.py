"""The engine: states, processes, denoisers, walks and one sampler. It knows torch alone: no molecule, no scan, no trainer."""
