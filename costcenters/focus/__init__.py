"""FOCUS (the FinOps Open Cost and Usage Specification): cost and usage files read into the bill and written from it."""
