"""A run, or several side by side, as one HTML file that opens from disk."""

from tfprune.report.page.page import write_report as write_report
