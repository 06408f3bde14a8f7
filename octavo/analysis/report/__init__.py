"""The report: one page that shows all of a trace's statistics, opens from the disk and needs nothing else."""
