"""Sheets, figures and pages of runs, sweeps, comparisons, data sets and dashboards."""
