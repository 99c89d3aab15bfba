"""A scan on a page: what came in, the answers, the uncertainty and the error, in three linked planes."""

from scidiff.volumes.report.section import section

__all__ = ["section"]
