"""The report: one page that shows all of a trace's statistics, opens from the disk and needs nothing else."""

from octavo.analysis.report.opening import open_told, told
from octavo.analysis.report.run import Told
from octavo.analysis.report.write import write_report

__all__ = ["Told", "open_told", "told", "write_report"]
