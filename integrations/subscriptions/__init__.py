"""Flat-rate tools recorded by hand: what they cost day by day, the pages they are kept on, reminders of renewals."""
