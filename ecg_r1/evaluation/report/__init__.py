"""A comparison as people read it: report.html and the table in the terminal."""
