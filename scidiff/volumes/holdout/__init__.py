"""Do no harm: hide some of the measurements, and see whose answer predicts them better."""

from scidiff.volumes.holdout.hold import hold_out, verdict
from scidiff.volumes.holdout.split import Split, TooFew, Verdict

__all__ = ["Split", "TooFew", "Verdict", "hold_out", "verdict"]
